"""Draws a scene as a page of a picture book: inked paper cut-outs on a painted setting."""

import random
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.errors import WorldError
from blipsearch.picturebook.backdrops import paint_backdrop
from blipsearch.picturebook.cutouts import Cutout, Pen, cut_out, paint_cutouts
from blipsearch.picturebook.layout import pick, uniform
from blipsearch.picturebook.paints import INKS, palette
from blipsearch.picturebook.paper import with_grain
from blipsearch.picturebook.scene import Scene

SMALLEST = 16
"""Pictures below this size show nothing."""

_COVERED = 0.4


def render(scene: Scene, size: int = 384) -> Image.Image:
    """The picture of `scene`, RGB, `size` pixels square (at least 16).

    The same scene and size give the same pixels. Strokes, poses, shades, the setting's details and
    the grain of the paper follow from the scene's seed, so no two scenes look alike; the same scene
    at another size shows the same picture.
    """
    if size < SMALLEST:
        raise WorldError(f"a picture must be at least {SMALLEST} pixels wide, not {size}")
    scale = 2 if 128 < size <= 256 else 3
    rng = random.Random(scene.seed)
    canvas = paint_backdrop(scene.setting, size * scale, rng)
    pen = Pen(pick(rng, INKS), uniform(rng, 0.0075, 0.0105), uniform(rng, 0.011, 0.016))
    behind: list[Cutout] = []
    in_front: list[Cutout] = []
    for number, cutout in _cutouts(scene, pen):
        (behind if _holds_another(scene, number) else in_front).append(cutout)
    for layer in (behind, in_front):
        if layer:
            paint_cutouts(canvas, layer, pen)
    return with_grain(canvas.reduce(scale), rng)


def label_map(scene: Scene, grid: int) -> npt.NDArray[np.int64]:
    """Which thing a cell of the picture shows, (grid, grid) int64, rows from top to bottom.

    The value is an index into `scene.things`, or -1 where no thing's box covers two fifths of the
    cell. What is inside of another thing hides it. Every thing has at least one cell, the one it
    covers most.
    """
    labels = np.full((grid, grid), -1, np.int64)
    edges = np.arange(grid + 1) / grid
    things = scene.things
    order = sorted(range(len(things)), key=lambda i: not _holds_another(scene, things[i].group))
    best = []
    for i in order:
        x0, y0, x1, y1 = things[i].box
        across = np.clip(np.minimum(edges[1:], x1) - np.maximum(edges[:-1], x0), 0, None)
        down = np.clip(np.minimum(edges[1:], y1) - np.maximum(edges[:-1], y0), 0, None)
        covered = np.outer(down, across) * grid**2
        labels[covered >= _COVERED] = i
        best.append(np.unravel_index(covered.argmax(), covered.shape))
    for i, cell in zip(order, best, strict=True):
        if not (labels == i).any():
            labels[cell] = i
    return labels


def _holds_another(scene: Scene, group: int) -> bool:
    return any(r.name == "inside" and r.second == group for r in scene.relations)


def _cutouts(scene: Scene, pen: Pen) -> Iterator[tuple[int, Cutout]]:
    for number, group in enumerate(scene.groups):
        # A generator of its own for every group: a twin leaves the other groups as they are.
        rng = random.Random(scene.seed * 8 + number)
        paints = palette(group.colour, pen.ink, rng)
        for box in group.boxes:
            yield number, cut_out(group.kind, box, paints, rng)
