"""Boxes, and when one of them is left of, above, next to or inside another.

A box is (x0, y0, x1, y1) as fractions of the picture, y growing downwards. The strict tests decide
truth; the generous ones also take in cases a person could argue about, and whatever must be plainly
false has to fail them too.
"""

from collections.abc import Callable, Iterable

Box = tuple[float, float, float, float]
RelationTest = Callable[[str, Box, Box], bool]

NEXT_TO_GAP = 0.06
"""Side by side counts as "next to" up to this gap between the boxes."""

_DOMINANCE = 1.5
_GENEROUS_DOMINANCE = 0.6
_GENEROUS_GAP = 0.12


def centre(box: Box) -> tuple[float, float]:
    """The middle of `box` as (x, y)."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def hull(boxes: Iterable[Box]) -> Box:
    """The smallest box around `boxes`, of which there must be at least one."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def gaps(a: Box, b: Box) -> tuple[float, float]:
    """Free room between two boxes, sideways and upright; negative where they overlap."""
    return max(b[0] - a[2], a[0] - b[2]), max(b[1] - a[3], a[1] - b[3])


def holds(relation: str, a: Box, b: Box) -> bool:
    """Whether `a` is clearly in `relation` to `b`.

    Left and right: no overlap sideways, and the centres lie at least 1.5 times as far apart
    sideways as upright; above and below the same, turned. Next to: left or right of it, and the gap
    is at most NEXT_TO_GAP. Inside: the box lies wholly within the other.
    """
    if relation == "inside":
        return _within(a, b)
    sideways, upright = gaps(a, b)
    dx, dy = _offset(a, b)
    if relation == "next to":
        return 0 <= sideways <= NEXT_TO_GAP and abs(dx) >= _DOMINANCE * abs(dy)
    if relation in ("left of", "right of"):
        towards = dx if relation == "left of" else -dx
        return sideways >= 0 and towards >= _DOMINANCE * abs(dy)
    towards = dy if relation == "above" else -dy
    return upright >= 0 and towards >= _DOMINANCE * abs(dx)


def may_hold(relation: str, a: Box, b: Box) -> bool:
    """Whether somebody could say that `a` is in `relation` to `b`; true wherever `holds` is."""
    sideways, upright = gaps(a, b)
    if relation == "inside":
        return sideways < 0 and upright < 0
    dx, dy = _offset(a, b)
    if relation == "next to":
        return sideways <= _GENEROUS_GAP and abs(dx) >= _GENEROUS_DOMINANCE * abs(dy)
    if relation in ("left of", "right of"):
        towards = dx if relation == "left of" else -dx
        return towards > 0 and towards >= _GENEROUS_DOMINANCE * abs(dy)
    towards = dy if relation == "above" else -dy
    return towards > 0 and towards >= _GENEROUS_DOMINANCE * abs(dx)


def _offset(a: Box, b: Box) -> tuple[float, float]:
    (ax, ay), (bx, by) = centre(a), centre(b)
    return bx - ax, by - ay


def _within(a: Box, b: Box) -> bool:
    return b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]
