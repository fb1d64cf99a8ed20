"""The paint box: what red means here, and which shades a thing of a colour is painted with."""

from collections.abc import Mapping
from types import MappingProxyType

from blipsearch.picturebook.layout import Rng, uniform

RGB = tuple[int, int, int]

BODIES: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (212, 42, 46),
        "orange": (247, 136, 32),
        "yellow": (252, 214, 48),
        "green": (58, 158, 70),
        "blue": (40, 98, 206),
        "purple": (124, 62, 172),
        "pink": (250, 146, 186),
        "brown": (132, 82, 46),
        "black": (46, 45, 54),
        "white": (251, 249, 244),
    }
)
"""The middle shade of each colour."""

_DARKS: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (160, 26, 44),
        "orange": (208, 96, 22),
        "yellow": (232, 174, 34),
        "green": (36, 116, 62),
        "blue": (28, 66, 152),
        "purple": (90, 42, 134),
        "pink": (228, 108, 158),
        "brown": (88, 50, 30),
        "black": (28, 27, 34),
        "white": (222, 222, 230),
    }
)

CREAM: RGB = (253, 249, 238)
INKS: tuple[RGB, ...] = ((45, 38, 52), (58, 40, 36), (36, 42, 64), (52, 48, 46))

_FIXED: Mapping[str, RGB] = MappingProxyType(
    {
        "cream": CREAM,
        "wood": (142, 98, 62),
        "leaf": (92, 150, 74),
        "glass": (190, 222, 236),
        "blush": (246, 168, 160),
        "beak": (240, 158, 60),
        "flame": (242, 120, 50),
        "sun": (252, 210, 90),
        "lamp": (255, 228, 140),
        "skin": (232, 206, 160),
        "tyre": (62, 58, 66),
        "smoke": (236, 234, 238),
        "cocoa": (110, 70, 48),
        "collar": (250, 236, 190),
        "middle": (250, 208, 80),
        "spot": CREAM,
        "stripe": CREAM,
        "shadow": (222, 210, 192),
    }
)


def mixed(a: RGB, b: RGB, share: float) -> RGB:
    """`a` with a share (0 to 1) of `b` in it."""
    r, g, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, blue


def varied(colour: RGB, rng: Rng, reach: int) -> RGB:
    """`colour` a little lighter or darker and a little off, by up to `reach` of 255 each."""
    light = uniform(rng, -reach, reach)
    r, g, b = (
        min(255, max(0, round(part + light + uniform(rng, -reach, reach) / 2))) for part in colour
    )
    return r, g, b


def palette(colour: str, ink: RGB, rng: Rng) -> dict[str, RGB]:
    """The paints for one group of a colour, by the names that drawings use."""
    shade = rng.random()
    reach = 4 if colour in ("white", "black") else 10
    body = varied(
        mixed(BODIES[colour], _DARKS[colour], 0 if colour == "white" else 0.2 * shade), rng, reach
    )
    paints = dict(_FIXED) | {
        "ink": ink,
        "mark": ink,
        "body": body,
        "dark": mixed(_DARKS[colour], body, 0.2),
        "light": mixed(body, (255, 255, 255), 0.34),
        "tint": mixed(body, (240, 246, 250), 0.66),
        "pale": mixed(body, (252, 250, 244), 0.86),
    }
    if colour == "black":
        paints |= {"mark": (196, 194, 206), "light": (92, 90, 104)}
    if colour == "white":
        paints |= {"tint": (208, 222, 234), "pale": (222, 230, 238), "spot": (222, 176, 172)}
        paints["stripe"] = (204, 214, 228)
    if colour in ("yellow", "orange", "white"):
        paints["middle"] = (232, 150, 50) if colour == "white" else (128, 82, 44)
    return paints
