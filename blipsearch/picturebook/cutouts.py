"""Cut-outs: drawings fitted into their boxes, with an ink line, a paper edge and a shadow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from blipsearch.picturebook.drawings import DRAWINGS
from blipsearch.picturebook.drawings.shapes import Points, Pose, Shape
from blipsearch.picturebook.geometry import Box
from blipsearch.picturebook.layout import ASPECTS, Rng, uniform
from blipsearch.picturebook.paints import CREAM, RGB


@dataclass(frozen=True, slots=True)
class Pen:
    """What a whole picture is drawn with; widths are fractions of the picture."""

    ink: RGB
    line: float
    """Width of the ink line around things."""
    edge: float
    """Width of the paper edge outside of the ink line."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """One thing ready to be painted: its shapes, points as fractions of the picture."""

    shapes: tuple[Shape, ...]
    paints: Mapping[str, RGB]


_TILTS = {
    "kite": 16,
    "rocket": 14,
    "balloon": 8,
    "star": 14,
    "moon": 10,
    "fish": 9,
    "ball": 24,
    "butterfly": 14,
    "umbrella": 10,
    "flower": 6,
    "bird": 7,
}
"""How far a kind may be turned, in degrees; 3 for the others, which stand on the ground."""

_SHADOW = 0.28
_SHADE: RGB = (20, 16, 40)

Drawn = Sequence[tuple[Shape, list[float]]]
"""The shapes of one cut-out, each with its points in pixels: x, y, x, y, ..."""


def cut_out(kind: str, box: Box, paints: Mapping[str, RGB], rng: Rng) -> Cutout:
    """A drawing of `kind`, posed by chance, whose silhouette fills `box`."""
    a, b, c, d = (uniform(rng, -1, 1) for _ in range(4))
    pose = Pose(a, b, c, d, rng.random() < 0.6, ASPECTS[kind])
    shapes = DRAWINGS[kind](pose)
    lengths = [len(shape.points) for shape in shapes]
    points = np.concatenate([shape.points for shape in shapes])
    points = _turned(points * (ASPECTS[kind], 1.0), kind, rng)
    wide = np.repeat([shape.width / 2 for shape in shapes], lengths)[:, None]
    outer = np.repeat([not shape.inner for shape in shapes], lengths)
    low = (points - wide)[outer].min(axis=0)
    high = (points + wide)[outer].max(axis=0)
    stretch = np.array([box[2] - box[0], box[3] - box[1]]) / (high - low)
    placed = np.split((points - low) * stretch + box[:2], np.cumsum(lengths)[:-1])
    thickness = float(stretch.mean())
    return Cutout(
        tuple(
            Shape(shape.paint, new, shape.width * thickness, shape.inner)
            for shape, new in zip(shapes, placed, strict=True)
        ),
        paints,
    )


def paint_cutouts(canvas: Image.Image, cutouts: Sequence[Cutout], pen: Pen) -> None:
    """Paint `cutouts`, none of which overlap, onto the square `canvas`."""
    size = canvas.width
    drawn = [[(shape, _flat(shape.points, size)) for shape in cutout.shapes] for cutout in cutouts]
    _paint_paper(canvas, drawn, round((pen.line + pen.edge) * size))
    draw = ImageDraw.Draw(canvas)
    line = max(1, round(pen.line * size))
    for cutout, shapes in zip(cutouts, drawn, strict=True):
        for shape, points in shapes:
            _paint(draw, shape, points, cutout.paints, line)


def _turned(points: Points, kind: str, rng: Rng) -> Points:
    """The points mirrored half of the time, turned a little, and drawn with an unsteady hand."""
    limit = _TILTS.get(kind, 3)
    angle = math.radians(uniform(rng, -limit, limit))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    c, s = math.cos(angle), math.sin(angle)
    turned = points @ np.array([[c * mirror, s * mirror], [-s, c]])
    phases = [uniform(rng, 0, 2 * math.pi) for _ in range(2)]
    strength = uniform(rng, 0.004, 0.014)
    unsteady: Points = turned + strength * np.sin(9 * turned[:, ::-1] + phases)
    return unsteady


def _flat(points: Points, size: int) -> list[float]:
    flat: list[float] = (points * size).ravel().tolist()
    return flat


def _paint_paper(canvas: Image.Image, drawn: Sequence[Drawn], border: int) -> None:
    """The paper the things are cut from, `border` pixels wider than them, and its shadow."""
    size = canvas.width
    paper = Image.new("L", canvas.size, 0)
    draw = ImageDraw.Draw(paper)
    for shapes in drawn:
        for shape, points in shapes:
            if shape.inner:
                continue
            if shape.width:
                _stroke(draw, points, round(shape.width * size) + 2 * border, 255)
            else:
                draw.polygon(points, fill=255)
                _stroke(draw, points + points[:2], 2 * border, 255)
    x0, y0, x1, y1 = paper.getbbox() or (0, 0, 1, 1)
    paper = paper.crop((x0, y0, x1, y1))
    shadow = paper.point([round(i * _SHADOW) for i in range(256)])
    canvas.paste(_SHADE, (x0 + round(0.006 * size), y0 + round(0.009 * size)), shadow)
    canvas.paste(CREAM, (x0, y0), paper)


def _paint(
    draw: ImageDraw.ImageDraw,
    shape: Shape,
    points: list[float],
    paints: Mapping[str, RGB],
    line: int,
) -> None:
    paint, ink = paints[shape.paint], paints["ink"]
    if shape.width:
        width = max(1, round(shape.width * draw.im.size[0]))
        if not shape.inner and shape.paint != "ink":
            _stroke(draw, points, width + 2 * line, ink)
        _stroke(draw, points, width, paint)
        return
    if not shape.inner:
        _stroke(draw, points + points[:2], 2 * line, ink)
    draw.polygon(points, fill=paint)


def _stroke(draw: ImageDraw.ImageDraw, points: list[float], width: int, paint: RGB | int) -> None:
    """A line with round ends and, where it would show, round corners."""
    draw.line(points, fill=paint, width=width)
    if width < _THIN:
        return
    half = width / 2
    has_corners = width >= _THICK or len(points) <= 2 * _FEW
    for i in range(0, len(points), 2) if has_corners else (0, len(points) - 2):
        x, y = points[i], points[i + 1]
        draw.ellipse((x - half, y - half, x + half, y + half), fill=paint)


_THIN, _THICK = 3, 9
_FEW = 12
"""Outlines with so few points have sharp corners; denser ones are smooth unless drawn thick."""
