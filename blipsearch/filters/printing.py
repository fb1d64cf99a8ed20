"""A filter in its short form again: what `parse_filter` reads as the same filter."""

from __future__ import annotations

from collections.abc import Sequence

from blipsearch.filters.fields import Scalar, kind_of
from blipsearch.filters.tree import (
    And,
    Between,
    Compare,
    Condition,
    Filter,
    Has,
    Near,
    Not,
    Or,
    Place,
)
from blipsearch.filters.words import (
    has_wildcard,
    write_field,
    write_number,
    write_scalar,
    write_size,
    write_text,
)

__all__ = ["filter_text"]

_ANY, _ALL, _NOT, _ONE = range(4)
"""How tightly a text holds together; what is looser than its place wants parentheses."""


def filter_text(filter_: Filter) -> str:
    """The filter's short form.

    Read again it gives an equal filter, but for what the short form has no words for: a group of
    one is its condition, and a pattern without wildcards is an equality.
    """
    return _text(filter_)[0]


def _text(node: Filter) -> tuple[str, int]:
    if isinstance(node, Not):
        return f"-{_at_least(_ONE, node.negated)}", _NOT
    if isinstance(node, And | Or):
        parts = node.every if isinstance(node, And) else node.some
        if len(parts) == 1:
            return _text(parts[0])
        if isinstance(node, And):
            return " ".join(_at_least(_NOT, part) for part in parts), _ALL
        listed = _listed(parts)
        if listed is not None:
            return listed, _ONE
        return " OR ".join(_at_least(_ALL, part) for part in parts), _ANY
    return "".join(_condition(node)), _ONE


def _at_least(tightness: int, node: Filter) -> str:
    text, held = _text(node)
    return text if held >= tightness else f"({text})"


def _listed(parts: Sequence[Filter]) -> str | None:
    """Alternatives for one field as `field:one,another`."""
    single = [part for part in parts if not isinstance(part, And | Or | Not | Near)]
    if len(single) < len(parts):
        return None
    written = [_condition(part) for part in single]
    head = written[0][0]
    if not head.endswith(":") or any(another != head for another, _ in written):
        return None
    return head + ",".join(value for _, value in written)


def _condition(node: Condition) -> tuple[str, str]:
    """What stands before the value, and the value."""
    if isinstance(node, Near):
        return "near:", _place(node.near)
    if isinstance(node, Has):
        return "has:", write_text(node.has)
    if isinstance(node, Between):
        low, high = (
            "" if end is None else _value(node.field, end) for end in (node.low, node.high)
        )
        return f"{write_field(node.field)}:", f"{low}..{high}"
    op = ":"
    if isinstance(node, Compare):
        literal = isinstance(node.value, str) and has_wildcard(node.value)
        op = ":" if node.op == "=" and not literal else node.op
    return f"{write_field(node.field)}{op}", _value(node.field, node.value)


def _value(field: str, value: Scalar) -> str:
    if kind_of(field) == "metadata":
        return write_scalar(value)
    if isinstance(value, str):
        return write_text(value)
    return write_size(value) if field == "size" else write_number(value)


def _place(place: Place) -> str:
    latitude, longitude, km = (
        write_number(number).removesuffix(".0")
        for number in (place.latitude, place.longitude, place.km)
    )
    return f"{latitude},{longitude},{km}km"
