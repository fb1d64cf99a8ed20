"""The pencil case: outlines and lines as arrays of points, and how a drawing is put together.

Drawings use coordinates from 0 to 1, x to the right and y down; all arrays of points have shape
(n, 2) and dtype float64. A drawing may stick out of the unit square: it is fitted into its box as a
whole when it is painted.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled outline (width 0) or a line; `inner` ones do not count for the silhouette."""

    paint: str
    points: Points
    width: float = 0.0
    inner: bool = False


@dataclass(frozen=True, slots=True)
class Pose:
    """What varies between two drawings of a kind: four numbers from -1 to 1, and a smile or not.

    `aspect` is width divided by height of the thing's box; what shall look round takes it in.
    """

    a: float
    b: float
    c: float
    d: float
    smiles: bool
    aspect: float


Drawing = list[Shape]


def fill(paint: str, points: Points) -> Shape:
    """A filled outline that is part of the silhouette."""
    return Shape(paint, points)


def line(paint: str, points: Points, width: float) -> Shape:
    """A line that is part of the silhouette: a leg, a string, a tail."""
    return Shape(paint, points, width)


def patch(paint: str, points: Points) -> Shape:
    """A filled outline upon what is already drawn."""
    return Shape(paint, points, inner=True)


def mark(points: Points, width: float = 0.025, paint: str = "mark") -> Shape:
    """A thin line upon what is already drawn."""
    return Shape(paint, points, width, inner=True)


def corners(*points: XY) -> Points:
    """An outline with straight sides."""
    return np.array(points)


def ellipse(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> Points:
    """An ellipse about (x, y), turned by `turn` radians."""
    points = _circle() * (rx, rx if ry is None else ry)
    if turn:
        c, s = math.cos(turn), math.sin(turn)
        points = points @ np.array([[c, s], [-s, c]])
    moved: Points = points + np.array([x, y])
    return moved


def arc(x: float, y: float, rx: float, ry: float, start: float, stop: float) -> Points:
    """Part of an ellipse, from angle `start` to `stop` in degrees; 0 is right, 90 is down."""
    angles = math.radians(start) + math.radians(stop - start) * _steps()
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def blob(*points: XY) -> Points:
    """A smooth closed outline through `points` (Catmull-Rom)."""
    return _through(np.array(points)[_neighbours(len(points))])


def curve(*points: XY) -> Points:
    """A smooth open line through `points` (Catmull-Rom)."""
    knots = np.array(points)
    last = len(points) - 1
    around = knots[_neighbours(len(points))[:, :-1]]
    around[0, 0], around[3, -1] = knots[0], knots[last]
    return np.concatenate([_through(around), knots[last:]])


def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> Points:
    """A rectangle with round corners."""
    r = radius
    centres = (
        (x1 - r, y1 - r, 0),
        (x0 + r, y1 - r, 90),
        (x0 + r, y0 + r, 180),
        (x1 - r, y0 + r, 270),
    )
    return np.concatenate([arc(x, y, r, r, start, start + 90)[::4] for x, y, start in centres])


def joined(*parts: Points) -> Points:
    """One outline that follows all `parts` in turn."""
    return np.concatenate(parts)


def face(x: float, y: float, scale: float, pose: Pose) -> Drawing:
    """Two eyes and a smile with rosy cheeks, where the pose smiles."""
    if not pose.smiles:
        return []
    s, t = scale, scale * pose.aspect
    look = 0.12 * s * pose.d
    return [
        patch("blush", ellipse(x - 0.62 * s, y + 0.22 * t, 0.2 * s, 0.13 * t)),
        patch("blush", ellipse(x + 0.62 * s, y + 0.22 * t, 0.2 * s, 0.13 * t)),
        patch("mark", ellipse(x - 0.36 * s + look, y, 0.1 * s, 0.14 * t)),
        patch("mark", ellipse(x + 0.36 * s + look, y, 0.1 * s, 0.14 * t)),
        mark(arc(x + look, y + 0.12 * t, 0.2 * s, 0.2 * t, 20, 160), 0.09 * s),
    ]


def eye(x: float, y: float, radius: float, look: float, pose: Pose) -> Drawing:
    """A round eye, `radius` high and wide by eye measure, that looks aside by `look` (-1 to 1)."""
    rx, ry = radius / pose.aspect**0.5, radius * pose.aspect**0.5
    pupil = x + 0.3 * rx * look
    return [
        patch("cream", ellipse(x, y, rx, ry)),
        patch("ink", ellipse(pupil, y + 0.1 * ry, rx * 0.66, ry * 0.66)),
        patch("cream", ellipse(pupil - 0.2 * rx, y - 0.2 * ry, rx * 0.22, ry * 0.22)),
    ]


@lru_cache(maxsize=1)
def _circle() -> Points:
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@lru_cache(maxsize=1)
def _steps() -> Points:
    return np.linspace(0, 1, 18)


@lru_cache(maxsize=32)
def _neighbours(number: int) -> npt.NDArray[np.int64]:
    """For each of `number` knots on a ring: the one before, itself, and the two after, (4, n)."""
    indices: npt.NDArray[np.int64] = np.arange(number) + np.array([[-1], [0], [1], [2]])
    return indices % number


def _through(around: Points) -> Points:
    """Six points from each knot on towards the next; `around` (4, n, 2) as _neighbours has them."""
    n = around.shape[1]
    points: Points = _catmull_rom() @ around.reshape(4, -1)  # (6, n * 2)
    return points.reshape(6, n, 2).transpose(1, 0, 2).reshape(-1, 2)


@lru_cache(maxsize=1)
def _catmull_rom() -> Points:
    """Weights of four knots for six points between the middle two, (6, 4)."""
    t = np.arange(6) / 6
    powers = np.stack([np.ones_like(t), t, t**2, t**3], axis=1)
    basis = [[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]
    weights: Points = powers @ np.array(basis) / 2
    return weights
