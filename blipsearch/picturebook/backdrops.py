"""The settings: what is behind the things of a scene, painted in soft colours."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from blipsearch.picturebook.layout import Rng, pick, uniform
from blipsearch.picturebook.paints import RGB, mixed, varied

Draw = ImageDraw.ImageDraw


def paint_backdrop(setting: str, size: int, rng: Rng) -> Image.Image:
    """A new RGB picture, `size` pixels square, of the empty setting."""
    stops, paint = _SETTINGS[setting]
    canvas = _sky([(at, varied(colour, rng, 8)) for at, colour in stops], size)
    paint(ImageDraw.Draw(canvas), size, rng)
    return canvas


def _sky(stops: list[tuple[float, RGB]], size: int) -> Image.Image:
    """A wash of colour from top to bottom, through `stops` (height from 0 to 1, colour)."""
    heights = (np.arange(size) + 0.5) / size
    places = [at for at, _ in stops]
    columns = [np.interp(heights, places, [colour[i] for _, colour in stops]) for i in range(3)]
    column = np.stack(columns, axis=1)[:, None].round().astype(np.uint8)
    return Image.fromarray(column).resize((size, size), Image.Resampling.NEAREST)


def _hill(draw: Draw, size: int, rng: Rng, at: float, height: float, colour: RGB) -> None:
    """Rolling ground from the height `at` (0 to 1 from the top) down to the bottom."""
    x = np.linspace(0, 1, 25)
    first, second = uniform(rng, 0, 6.3), uniform(rng, 0, 6.3)
    waves = np.sin(x * uniform(rng, 3, 6) + first) + 0.4 * np.sin(x * uniform(rng, 8, 13) + second)
    y = at + height * waves / 1.4
    ground = np.stack([x, y], axis=1) * size
    points = ground.ravel().tolist()
    draw.polygon([*points, size, size, 0, size], fill=varied(colour, rng, 7))


def _dots(
    draw: Draw,
    size: int,
    rng: Rng,
    number: int,
    colour: RGB,
    low: float = 0.0,
    high: float = 1.0,
    radius: float = 0.005,
) -> None:
    for _ in range(number):
        x, y = rng.random() * size, uniform(rng, low, high) * size
        r = max(1.0, radius * size * uniform(rng, 0.6, 1.5))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _cloud(draw: Draw, size: int, rng: Rng, at: float, colour: RGB) -> None:
    x, y, w = rng.random() * size, at * size, uniform(rng, 0.09, 0.15) * size
    for dx, dy, r in ((-0.8, 0.1, 0.45), (0, -0.12, 0.62), (0.75, 0.1, 0.5)):
        cx, cy, cr = x + dx * w, y + dy * w, r * w
        draw.ellipse((cx - cr, cy - cr * 0.8, cx + cr, cy + cr * 0.8), fill=colour)


def _night(draw: Draw, size: int, rng: Rng) -> None:
    _dots(draw, size, rng, 26, (232, 226, 190), high=0.8, radius=0.004)
    _dots(draw, size, rng, 12, (150, 158, 214), high=0.85, radius=0.005)
    _hill(draw, size, rng, 0.8, 0.06, (46, 50, 100))
    _hill(draw, size, rng, 0.9, 0.04, (34, 36, 78))


def _sunset(draw: Draw, size: int, rng: Rng) -> None:
    x, y, r = uniform(rng, 0.25, 0.75) * size, 0.76 * size, uniform(rng, 0.14, 0.2) * size
    for grow, colour in ((1.5, (255, 206, 158)), (1.25, (255, 220, 166)), (1.0, (255, 236, 180))):
        draw.ellipse((x - r * grow, y - r * grow, x + r * grow, y + r * grow), fill=colour)
    for _ in range(4):
        cy, w = uniform(rng, 0.1, 0.6) * size, uniform(rng, 0.15, 0.35) * size
        cx = rng.random() * size
        draw.rounded_rectangle(
            (cx - w, cy, cx + w, cy + 0.018 * size), 0.009 * size, fill=(255, 196, 176)
        )
    _hill(draw, size, rng, 0.8, 0.04, (168, 108, 142))
    _hill(draw, size, rng, 0.9, 0.03, (124, 82, 124))


def _sea(draw: Draw, size: int, rng: Rng) -> None:
    for at in (0.1, 0.24):
        _cloud(draw, size, rng, at + uniform(rng, -0.04, 0.04), (244, 250, 252))
    top = uniform(rng, 0.4, 0.5)
    for i, share in enumerate((0.0, 0.3, 0.55, 0.8)):
        colour = mixed((126, 196, 218), (70, 150, 190), share)
        _waves(draw, size, rng, top + i * 0.11, colour)
    _hill(draw, size, rng, 0.9, 0.02, (246, 226, 178))
    _dots(draw, size, rng, 10, (226, 200, 150), low=0.94, radius=0.004)


def _waves(draw: Draw, size: int, rng: Rng, at: float, colour: RGB) -> None:
    """A strip of water with scalloped crests."""
    x = np.linspace(0, 1, 61)
    y = at - 0.014 * np.abs(np.sin(x * math.pi * 9 + uniform(rng, 0, 3)))
    points = (np.stack([x, y], axis=1) * size).ravel().tolist()
    draw.polygon([*points, size, size, 0, size], fill=colour)
    draw.line(points, fill=mixed(colour, (255, 255, 255), 0.55), width=max(1, round(0.007 * size)))


def _snow(draw: Draw, size: int, rng: Rng) -> None:
    _hill(draw, size, rng, 0.62, 0.04, (206, 220, 236))
    _hill(draw, size, rng, 0.74, 0.04, (226, 235, 245))
    _hill(draw, size, rng, 0.88, 0.03, (243, 248, 252))
    _dots(draw, size, rng, 44, (255, 255, 255), radius=0.008)


def _forest(draw: Draw, size: int, rng: Rng) -> None:
    for low, colour, number in (
        (0.62, (150, 190, 142), 7),
        (0.74, (122, 170, 118), 6),
        (0.86, (96, 148, 98), 5),
    ):
        shade = varied(colour, rng, 7)
        shift = rng.random()
        for i in range(number):
            x = (i + shift) / number + uniform(rng, -0.03, 0.03)
            _fir(draw, size, (x, low), uniform(rng, 0.38, 0.56), shade)
    _hill(draw, size, rng, 0.88, 0.02, (84, 126, 80))


def _fir(draw: Draw, size: int, foot: tuple[float, float], height: float, colour: RGB) -> None:
    x, bottom = foot[0] * size, foot[1] * size
    h = height * size
    for share, wide in ((0.0, 0.3), (0.28, 0.24), (0.55, 0.17)):
        y = bottom - share * h
        draw.polygon((x - wide * h, y, x + wide * h, y, x, y - 0.45 * h), fill=colour)
    draw.rectangle(
        (x - 0.03 * h, bottom, x + 0.03 * h, bottom + 0.4 * h),
        fill=mixed(colour, (70, 50, 40), 0.5),
    )


def _room(draw: Draw, size: int, rng: Rng) -> None:
    wall = varied(
        pick(rng, ((242, 222, 200), (222, 232, 214), (234, 218, 230), (246, 230, 190))), rng, 5
    )
    floor_at = uniform(rng, 0.7, 0.76) * size
    draw.rectangle((0, 0, size, floor_at), fill=wall)
    stripe = mixed(wall, (255, 255, 255), 0.4)
    step = uniform(rng, 0.07, 0.1) * size
    for i in range(round(size / step) + 1):
        x = (i + 0.25) * step
        draw.rectangle((x, 0, x + 0.4 * step, floor_at), fill=stripe)
    draw.rectangle((0, floor_at, size, size), fill=varied((206, 160, 114), rng, 8))
    for i in range(1, 4):
        y = floor_at + i * 0.075 * size
        draw.line((0, y, size, y), fill=(178, 132, 90), width=max(1, round(0.006 * size)))
    draw.rectangle((0, floor_at - 0.035 * size, size, floor_at), fill=(250, 244, 232))
    _rug(draw, size, rng, floor_at)


def _rug(draw: Draw, size: int, rng: Rng, floor_at: float) -> None:
    x, w = uniform(rng, 0.35, 0.65) * size, uniform(rng, 0.28, 0.36) * size
    y, h = (floor_at + size) / 2, 0.085 * size
    for grow, colour in ((1.0, (196, 128, 116)), (0.84, (228, 186, 160)), (0.62, (206, 146, 130))):
        draw.ellipse((x - w * grow, y - h * grow, x + w * grow, y + h * grow), fill=colour)


def _rain(draw: Draw, size: int, rng: Rng) -> None:
    for _ in range(5):
        _cloud(draw, size, rng, uniform(rng, -0.02, 0.1), (118, 130, 152))
    _hill(draw, size, rng, 0.86, 0.02, (126, 142, 146))
    for _ in range(3):
        x, y, w = (
            rng.random() * size,
            uniform(rng, 0.9, 0.97) * size,
            uniform(rng, 0.06, 0.13) * size,
        )
        draw.ellipse((x - w, y - 0.018 * size, x + w, y + 0.018 * size), fill=(170, 190, 208))
    slant = uniform(rng, 0.15, 0.4)
    width = max(1, round(0.006 * size))
    for _ in range(46):
        x, y, length = rng.random() * size, rng.random() * size, uniform(rng, 0.05, 0.09) * size
        draw.line((x, y, x - slant * length, y + length), fill=(212, 226, 240), width=width)


def _desert(draw: Draw, size: int, rng: Rng) -> None:
    x, r = pick(rng, (0.08, 0.92)) * size, uniform(rng, 0.12, 0.16) * size
    draw.ellipse((x - r, -0.3 * r, x + r, 1.7 * r), fill=(255, 240, 178))
    _hill(draw, size, rng, 0.58, 0.05, (244, 212, 150))
    for _ in range(3):
        _cactus(
            draw, size, (rng.random(), uniform(rng, 0.64, 0.76)), varied((150, 172, 116), rng, 8)
        )
    _hill(draw, size, rng, 0.74, 0.05, (236, 194, 122))
    _hill(draw, size, rng, 0.88, 0.04, (224, 174, 100))


def _cactus(draw: Draw, size: int, foot: tuple[float, float], colour: RGB) -> None:
    x, y, s = foot[0] * size, foot[1] * size, 0.02 * size
    draw.rounded_rectangle((x - s, y - 9 * s, x + s, y + 2 * s), s, fill=colour)
    for side in (-1, 1):
        reach = sorted((x, x + side * 3.6 * s))
        draw.rounded_rectangle((reach[0], y - 4.6 * s, reach[1], y - 3.2 * s), 0.7 * s, fill=colour)
        tip = x + side * 2.9 * s
        draw.rounded_rectangle(
            (tip - 0.7 * s, y - 7 * s, tip + 0.7 * s, y - 3.2 * s), 0.7 * s, fill=colour
        )


def _meadow(draw: Draw, size: int, rng: Rng) -> None:
    for at in (0.1, 0.22):
        _cloud(draw, size, rng, at + uniform(rng, -0.05, 0.05), (250, 252, 252))
    _hill(draw, size, rng, 0.5, 0.06, (190, 222, 140))
    _hill(draw, size, rng, 0.66, 0.05, (170, 210, 118))
    _hill(draw, size, rng, 0.84, 0.04, (148, 196, 100))
    width = max(1, round(0.006 * size))
    for _ in range(22):
        x, y, s = rng.random() * size, uniform(rng, 0.62, 0.98) * size, 0.022 * size
        draw.line((x - 0.6 * s, y - s, x, y, x + 0.6 * s, y - s), fill=(112, 166, 78), width=width)


def _city(draw: Draw, size: int, rng: Rng) -> None:
    for low, high, colour in ((0.16, 0.4, (206, 202, 218)), (0.36, 0.58, (180, 178, 200))):
        x = -0.05
        while x < 1:
            w, top = uniform(rng, 0.1, 0.17), uniform(rng, low, high)
            _tower(draw, size, (x, top, x + w), varied(colour, rng, 6), rng)
            x += w + 0.01
    draw.rectangle((0, 0.83 * size, size, size), fill=varied((138, 138, 150), rng, 6))
    draw.rectangle((0, 0.81 * size, size, 0.835 * size), fill=(200, 198, 200))
    for i in range(6):
        x = (i / 6 + 0.03) * size
        draw.rectangle((x, 0.905 * size, x + 0.09 * size, 0.92 * size), fill=(232, 226, 200))


def _tower(draw: Draw, size: int, place: tuple[float, float, float], colour: RGB, rng: Rng) -> None:
    x0, top, x1 = (part * size for part in place)
    draw.rectangle((x0, top, x1, 0.84 * size), fill=colour)
    pane, lit = mixed(colour, (90, 96, 130), 0.3), (250, 232, 176)
    step = 0.055 * size
    w = 0.02 * size
    for row in range(int((0.8 * size - top) / step)):
        y = top + 0.025 * size + row * step
        for x in np.arange(x0 + 0.018 * size, x1 - 1.2 * w, 0.042 * size):
            paint = lit if rng.random() < 0.25 else pane
            draw.rectangle((x, y, x + w, y + 1.3 * w), fill=paint)


_SETTINGS: dict[str, tuple[list[tuple[float, RGB]], Callable[[Draw, int, Rng], None]]] = {
    "at night": ([(0, (34, 36, 88)), (0.9, (84, 86, 158))], _night),
    "at sunset": ([(0, (158, 120, 182)), (0.4, (244, 160, 160)), (0.8, (255, 206, 150))], _sunset),
    "by the sea": ([(0, (190, 226, 244)), (0.5, (232, 245, 248))], _sea),
    "on snow": ([(0, (178, 196, 220)), (0.7, (222, 232, 242))], _snow),
    "in a forest": ([(0, (196, 218, 180)), (1, (120, 160, 110))], _forest),
    "in a room": ([(0, (240, 224, 204)), (1, (240, 224, 204))], _room),
    "in the rain": ([(0, (136, 150, 174)), (1, (176, 190, 206))], _rain),
    "in the desert": ([(0, (250, 226, 190)), (0.6, (253, 243, 216))], _desert),
    "on a meadow": ([(0, (186, 222, 248)), (0.6, (230, 244, 250))], _meadow),
    "in the city": ([(0, (222, 220, 236)), (0.8, (242, 232, 232))], _city),
}
