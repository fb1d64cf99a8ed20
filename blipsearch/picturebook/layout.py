"""Puts the groups of a scene in their places, so that every stated relation is plain to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol, TypeVar

from blipsearch.picturebook.geometry import Box, gaps, holds, hull

T = TypeVar("T")


class Rng(Protocol):
    """A source of chance: random.Random and numpy.random.Generator both are."""

    def random(self) -> float:
        """A number from 0 up to, but not including, 1."""
        ...


@dataclass(frozen=True, slots=True)
class Spec:
    """What a group is, before it has a place."""

    kind: str
    colour: str
    size: str
    count: int


@dataclass(frozen=True, slots=True)
class Relation:
    """Group number `first` is in relation `name` to group number `second`."""

    first: int
    name: str
    second: int


SPANS = {"small": (0.195, 0.225), "medium": (0.305, 0.335), "large": (0.425, 0.465)}
"""The longer side of a thing, as a fraction of the picture, from and to."""

_CONTAINER_SPAN = (0.48, 0.52)
_CAVITY_CENTRE = {"bowl": (0.5, 0.57), "box": (0.5, 0.58), "cage": (0.5, 0.56)}
_CAVITY_SHARE = 0.56

ASPECTS = {
    "apple": 0.95,
    "ball": 1.0,
    "balloon": 0.68,
    "bird": 1.15,
    "boat": 1.0,
    "bowl": 1.05,
    "box": 1.0,
    "butterfly": 1.15,
    "cage": 0.86,
    "car": 1.45,
    "cat": 0.85,
    "cup": 1.05,
    "dog": 1.15,
    "elephant": 1.2,
    "fish": 1.35,
    "flower": 0.72,
    "house": 0.95,
    "kite": 0.72,
    "moon": 0.78,
    "mushroom": 0.95,
    "rabbit": 0.72,
    "rocket": 0.62,
    "snail": 1.3,
    "star": 1.0,
    "train": 1.25,
    "tree": 0.8,
    "umbrella": 0.95,
}
"""Width divided by height of each kind."""

_EDGE = 0.03
_MEMBER_GAP = (0.03, 0.05)
_MEMBER_SPACING = 0.01
_SPACING = 0.035
_SPACING_OF_HUB = 0.014
_APART = 0.13
_ATTEMPTS = 24


def uniform(rng: Rng, low: float, high: float) -> float:
    """A number between `low` and `high`."""
    return low + (high - low) * rng.random()


def lay_out(
    specs: Sequence[Spec], relations: Sequence[Relation], rng: Rng
) -> tuple[tuple[Box, ...], ...] | None:
    """The boxes of every group's things, or None where they do not fit.

    All relations must start at group 0. Promises: everything lies within the picture, nothing
    overlaps but what is inside another, and each stated relation holds with a margin.
    """
    for _ in range(_ATTEMPTS):
        clusters = _clusters(specs, relations, rng)
        placed = [clusters[0]]
        for relation, cluster in zip(relations, clusters[1:], strict=True):
            kind = specs[relation.second].kind
            placed.append(_beside(clusters[0], relation.name, cluster, kind, rng))
        if not is_clear(placed, relations):
            continue
        boxes = _into_picture(placed, rng)
        if boxes is not None:
            return boxes
    return None


def box_about(x: float, y: float, span: float, kind: str) -> Box:
    """The box of a thing whose longer side is `span`, centred at (x, y)."""
    aspect = ASPECTS[kind]
    width, height = (span, span / aspect) if aspect >= 1 else (span * aspect, span)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _clusters(
    specs: Sequence[Spec], relations: Sequence[Relation], rng: Rng
) -> list[tuple[Box, ...]]:
    containers = {r.second for r in relations if r.name == "inside"}
    clusters = []
    for i, spec in enumerate(specs):
        low, high = _CONTAINER_SPAN if i in containers else SPANS[spec.size]
        clusters.append(_cluster(spec, uniform(rng, low, high), rng))
    return clusters


def _cluster(spec: Spec, span: float, rng: Rng) -> tuple[Box, ...]:
    """The things of one group in a row, a column or a triangle, centred at the origin."""
    origin = box_about(0, 0, span, spec.kind)
    gap = uniform(rng, *_MEMBER_GAP)
    dx, dy = (origin[2] - origin[0] + gap) / 2, (origin[3] - origin[1] + gap) / 2
    if spec.count == 1:
        spots = [(0.0, 0.0)]
    elif spec.count == 2:
        spots = pick(rng, ([(-dx, 0.0), (dx, 0.0)], [(0.0, -dy), (0.0, dy)]))
    else:
        row = [(-2 * dx, 0.0), (0.0, 0.0), (2 * dx, 0.0)]
        column = [(0.0, -2 * dy), (0.0, 0.0), (0.0, 2 * dy)]
        hill = [(-dx, dy), (dx, dy), (0.0, -dy)]
        valley = [(-dx, -dy), (dx, -dy), (0.0, dy)]
        spots = pick(rng, (row, column, hill, valley))
    wander = gap / 5
    return tuple(
        _moved(origin, x + uniform(rng, -wander, wander), y + uniform(rng, -wander, wander))
        for x, y in spots
    )


def _beside(
    hub: tuple[Box, ...], relation: str, other: tuple[Box, ...], kind: str, rng: Rng
) -> tuple[Box, ...]:
    """`other` moved to where the hub is in `relation` to it."""
    a, b = hull(hub), hull(other)
    if relation == "inside":
        dx, dy = _around_cavity(b, kind)
    elif relation in ("above", "below"):
        dy = (a[3] - a[1] + b[3] - b[1]) / 2 + uniform(rng, 0.05, 0.2)
        dx = uniform(rng, -0.45, 0.45) * dy
        dy = dy if relation == "above" else -dy
    else:
        low, high = (0.015, 0.045) if relation == "next to" else (0.14, 0.3)
        dx = (a[2] - a[0] + b[2] - b[0]) / 2 + uniform(rng, low, high)
        dy = _level(a, b, dx, rng)
        to_the_right = rng.random() < 0.5 if relation == "next to" else relation == "left of"
        dx = dx if to_the_right else -dx
    return tuple(_moved(box, dx, dy) for box in other)


def _level(a: Box, b: Box, dx: float, rng: Rng) -> float:
    """How much lower the second of two things side by side stands; often on one ground line."""
    limit = 0.45 * dx
    ground = a[3] - b[3]
    if rng.random() < 0.6 and abs(ground) <= limit:
        return ground
    return uniform(rng, -limit, limit)


def _around_cavity(container: Box, kind: str) -> tuple[float, float]:
    x, y = _CAVITY_CENTRE[kind]
    x0, y0, x1, y1 = container
    return -(x0 + x * (x1 - x0)), -(y0 + y * (y1 - y0))


def is_clear(placed: Sequence[tuple[Box, ...]], relations: Sequence[Relation]) -> bool:
    """Whether nothing overlaps that should not, and every stated relation is beyond doubt.

    Things left or right of each other that are not told to be next to each other stay well apart.
    """
    hulls = [hull(boxes) for boxes in placed]
    inside = {(r.first, r.second) for r in relations if r.name == "inside"}
    for i, a in enumerate(hulls):
        for j in range(i + 1, len(hulls)):
            spacing = _SPACING if i else _SPACING_OF_HUB
            if (i, j) not in inside and max(gaps(a, hulls[j])) < spacing:
                return False
    if any(
        max(gaps(a, b)) < _MEMBER_SPACING for boxes in placed for a, b in combinations(boxes, 2)
    ):
        return False
    return all(_is_plain(r.name, hulls[r.first], hulls[r.second]) for r in relations)


def _is_plain(relation: str, a: Box, b: Box) -> bool:
    apart = relation not in ("left of", "right of") or gaps(a, b)[0] >= _APART
    return apart and holds(relation, a, b)


def _into_picture(
    placed: Sequence[tuple[Box, ...]], rng: Rng
) -> tuple[tuple[Box, ...], ...] | None:
    x0, y0, x1, y1 = hull(box for boxes in placed for box in boxes)
    room_x, room_y = 1 - 2 * _EDGE - (x1 - x0), 1 - 2 * _EDGE - (y1 - y0)
    if room_x < 0 or room_y < 0:
        return None
    dx = _EDGE - x0 + room_x * rng.random()
    dy = _EDGE - y0 + room_y * rng.random()
    return tuple(tuple(_moved(box, dx, dy) for box in boxes) for boxes in placed)


def _moved(box: Box, dx: float, dy: float) -> Box:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of `options`, all of them equally likely."""
    return options[int(rng.random() * len(options))]
