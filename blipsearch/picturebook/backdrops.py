"""The settings: what is behind the things of a scene, painted in soft colours."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from blipsearch.picturebook.easel import XY, Easel
from blipsearch.picturebook.layout import Rng, pick
from blipsearch.picturebook.paints import RGB, mixed, varied

_WHITE: RGB = (255, 255, 255)


def paint_backdrop(setting: str, size: int, rng: Rng) -> Image.Image:
    """A new RGB picture, `size` pixels square, of the empty setting."""
    wash, paint = _SETTINGS[setting]
    easel = Easel(size, wash, rng)
    paint(easel)
    return easel.canvas


def _night(easel: Easel) -> None:
    easel.dots(26, (232, 226, 190), (0, 0.8), 0.004)
    easel.dots(12, (150, 158, 214), (0, 0.85), 0.005)
    easel.hill(0.8, 0.06, (46, 50, 100))
    easel.hill(0.9, 0.04, (34, 36, 78))


def _sunset(easel: Easel) -> None:
    x, r = easel.between(0.25, 0.75), easel.between(0.14, 0.2)
    for grow, colour in ((1.5, (255, 206, 158)), (1.25, (255, 220, 166)), (1.0, (255, 236, 180))):
        easel.oval((x, 0.76), r * grow, r * grow, colour)
    for _ in range(4):
        left, y, length = easel.between(-0.2, 0.9), easel.between(0.1, 0.6), easel.between(0.3, 0.7)
        easel.bar((left, y), (left + length, y + 0.018), (255, 196, 176), radius=0.009)
    easel.hill(0.8, 0.04, (168, 108, 142))
    easel.hill(0.9, 0.03, (124, 82, 124))


def _sea(easel: Easel) -> None:
    for at in (0.1, 0.24):
        easel.cloud(at + easel.between(-0.04, 0.04), (244, 250, 252))
    top = easel.between(0.4, 0.5)
    for i, depth in enumerate((0.0, 0.3, 0.55, 0.8)):
        _waves(easel, top + i * 0.11, mixed((126, 196, 218), (70, 150, 190), depth))
    easel.hill(0.9, 0.02, (246, 226, 178))
    easel.dots(10, (226, 200, 150), (0.94, 1), 0.004)


def _waves(easel: Easel, at: float, colour: RGB) -> None:
    """Water from the height `at` down, with scalloped crests."""
    x = np.linspace(0, 1, 61)
    y = at - 0.014 * np.abs(np.sin(x * math.pi * 9 + easel.between(0, 3)))
    crests = list(zip(x.tolist(), y.tolist(), strict=True))
    easel.area([*crests, (1.0, 1.0), (0.0, 1.0)], colour)
    easel.stroke(crests, mixed(colour, _WHITE, 0.55))


def _snow(easel: Easel) -> None:
    easel.hill(0.62, 0.04, (206, 220, 236))
    easel.hill(0.74, 0.04, (226, 235, 245))
    easel.hill(0.88, 0.03, (243, 248, 252))
    easel.dots(44, _WHITE, (0, 1), 0.008)


_FIRS = ((0.62, 7, (150, 190, 142)), (0.74, 6, (122, 170, 118)), (0.86, 5, (96, 148, 98)))


def _forest(easel: Easel) -> None:
    for foot, number, colour in _FIRS:
        shade = varied(colour, easel.rng, 7)
        shift = easel.rng.random()
        for i in range(number):
            x = (i + shift) / number + easel.between(-0.03, 0.03)
            _fir(easel, (x, foot), easel.between(0.38, 0.56), shade)
    easel.hill(0.88, 0.02, (84, 126, 80))


def _fir(easel: Easel, foot: XY, height: float, colour: RGB) -> None:
    (x, bottom), h = foot, height
    for share, wide in ((0.0, 0.3), (0.28, 0.24), (0.55, 0.17)):
        y = bottom - share * h
        easel.area(((x - wide * h, y), (x + wide * h, y), (x, y - 0.45 * h)), colour)
    bark = mixed(colour, (70, 50, 40), 0.5)
    easel.bar((x - 0.03 * h, bottom), (x + 0.03 * h, bottom + 0.4 * h), bark)


_WALLS: tuple[RGB, ...] = ((242, 222, 200), (222, 232, 214), (234, 218, 230), (246, 230, 190))


def _room(easel: Easel) -> None:
    wall = varied(pick(easel.rng, _WALLS), easel.rng, 5)
    floor = easel.between(0.7, 0.76)
    easel.bar((0, 0), (1, floor), wall)
    step = easel.between(0.07, 0.1)
    for i in range(round(1 / step) + 1):
        left = (i + 0.25) * step
        easel.bar((left, 0), (left + 0.4 * step, floor), mixed(wall, _WHITE, 0.4))
    easel.bar((0, floor), (1, 1), varied((206, 160, 114), easel.rng, 8))
    for i in range(1, 4):
        easel.stroke(((0, floor + i * 0.075), (1, floor + i * 0.075)), (178, 132, 90))
    easel.bar((0, floor - 0.035), (1, floor), (250, 244, 232))
    _rug(easel, (easel.between(0.35, 0.65), (floor + 1) / 2))


def _rug(easel: Easel, middle: XY) -> None:
    width = easel.between(0.28, 0.36)
    for grow, colour in ((1.0, (196, 128, 116)), (0.84, (228, 186, 160)), (0.62, (206, 146, 130))):
        easel.oval(middle, width * grow, 0.085 * grow, colour)


def _rain(easel: Easel) -> None:
    for _ in range(5):
        easel.cloud(easel.between(-0.02, 0.1), (118, 130, 152))
    easel.hill(0.86, 0.02, (126, 142, 146))
    for _ in range(3):
        puddle = (easel.rng.random(), easel.between(0.9, 0.97))
        easel.oval(puddle, easel.between(0.06, 0.13), 0.018, (170, 190, 208))
    slant = easel.between(0.15, 0.4)
    for _ in range(46):
        x, y, length = easel.rng.random(), easel.rng.random(), easel.between(0.05, 0.09)
        easel.stroke(((x, y), (x - slant * length, y + length)), (212, 226, 240))


def _desert(easel: Easel) -> None:
    r = easel.between(0.12, 0.16)
    easel.oval((pick(easel.rng, (0.08, 0.92)), 0.7 * r), r, r, (255, 240, 178))
    easel.hill(0.58, 0.05, (244, 212, 150))
    for _ in range(3):
        colour = varied((150, 172, 116), easel.rng, 8)
        _cactus(easel, (easel.rng.random(), easel.between(0.64, 0.76)), colour)
    easel.hill(0.74, 0.05, (236, 194, 122))
    easel.hill(0.88, 0.04, (224, 174, 100))


def _cactus(easel: Easel, foot: XY, colour: RGB) -> None:
    (x, y), s = foot, 0.02
    easel.bar((x - s, y - 9 * s), (x + s, y + 2 * s), colour, radius=s)
    for side in (-s, s):
        easel.bar((x, y - 4.6 * s), (x + 3.6 * side, y - 3.2 * s), colour, radius=0.7 * s)
        tip = x + 2.9 * side
        easel.bar((tip - 0.7 * s, y - 7 * s), (tip + 0.7 * s, y - 3.2 * s), colour, radius=0.7 * s)


def _meadow(easel: Easel) -> None:
    for at in (0.1, 0.22):
        easel.cloud(at + easel.between(-0.05, 0.05), (250, 252, 252))
    easel.hill(0.5, 0.06, (190, 222, 140))
    easel.hill(0.66, 0.05, (170, 210, 118))
    easel.hill(0.84, 0.04, (148, 196, 100))
    for _ in range(22):
        x, y = easel.rng.random(), easel.between(0.62, 0.98)
        easel.stroke(((x - 0.013, y - 0.022), (x, y), (x + 0.013, y - 0.022)), (112, 166, 78))


def _city(easel: Easel) -> None:
    for low, high, colour in ((0.16, 0.4, (206, 202, 218)), (0.36, 0.58, (180, 178, 200))):
        left = -0.05
        while left < 1:
            right = left + easel.between(0.1, 0.17)
            _tower(easel, (left, easel.between(low, high)), right, varied(colour, easel.rng, 6))
            left = right + 0.01
    easel.bar((0, 0.83), (1, 1), varied((138, 138, 150), easel.rng, 6))
    easel.bar((0, 0.81), (1, 0.835), (200, 198, 200))
    for i in range(6):
        easel.bar((i / 6 + 0.03, 0.905), (i / 6 + 0.12, 0.92), (232, 226, 200))


def _tower(easel: Easel, corner: XY, right: float, colour: RGB) -> None:
    """A block of flats down to the street, some of its windows lit."""
    (left, top), pane = corner, mixed(colour, (90, 96, 130), 0.3)
    easel.bar(corner, (right, 0.84), colour)
    columns = np.arange(left + 0.018, right - 0.024, 0.042).tolist()
    for row in range(int((0.8 - top) / 0.055)):
        y = top + 0.025 + row * 0.055
        for x in columns:
            paint = (250, 232, 176) if easel.rng.random() < 0.25 else pane
            easel.bar((x, y), (x + 0.02, y + 0.026), paint)


_SETTINGS: dict[str, tuple[list[tuple[float, RGB]], Callable[[Easel], None]]] = {
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
"""The wash of each setting from top to bottom, and what is painted upon it."""
