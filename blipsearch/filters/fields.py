"""The fields of a filter: their kinds, what they are compared with, and how dates are read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

__all__ = [
    "FIELDS",
    "META",
    "OPERATORS",
    "PRESENCES",
    "FieldProblem",
    "Kind",
    "Part",
    "Scalar",
    "check_field",
    "check_operator",
    "check_presence",
    "check_value",
    "kind_of",
    "metadata_path",
    "moment_span",
]

Scalar = bool | int | float | str
Kind = Literal["number", "moment", "text", "tag", "words", "orientation", "metadata"]
Part = Literal["field", "op", "value", "low", "high", "has"]

META = "meta."
"""What the name of a field of the metadata begins with; the dotted path follows."""

FIELDS: Mapping[str, Kind] = {
    "id": "number",
    "width": "number",
    "height": "number",
    "megapixels": "number",
    "size": "number",
    "format": "text",
    "path": "text",
    "name": "text",
    "source": "text",
    "taken_at": "moment",
    "camera": "text",
    "lens": "text",
    "orientation": "orientation",
    "tag": "tag",
    "caption": "words",
}
PRESENCES = ("taken_at", "camera", "lens", "location", "tag", "caption")
"""What an image may have or lack, beside the fields of its metadata."""

_ORDER = ("=", "!=", "<", "<=", ">", ">=", "between")
OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    "number": _ORDER,
    "moment": _ORDER,
    "text": ("=", "!=", "glob"),
    "tag": ("=", "glob"),
    "words": ("=",),
    "orientation": ("=", "!="),
    "metadata": (*_ORDER, "glob"),
}
_SHAPES = ("portrait", "landscape", "square")
_LONGEST = 1000
"""Characters of a value."""
_MOST = 2**63
"""Numbers are below this, and not below its negative: what databases keep as an integer."""

_MOMENT = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?"
)


class FieldProblem(ValueError):  # noqa: N818  # becomes an InvalidFilterError once its place is known
    """What is wrong with one part of a condition."""

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part


def kind_of(field: str) -> Kind:
    """The kind of a field that `check_field` accepts."""
    return "metadata" if field.startswith(META) else FIELDS[field]


def metadata_path(field: str) -> tuple[str, ...]:
    """The keys that a `meta.` field names, outermost first."""
    return tuple(field.removeprefix(META).split("."))


def check_field(field: str) -> None:
    """Raise FieldProblem, with the nearest name, unless there is such a field."""
    if field in FIELDS:
        return
    if field.startswith(META):
        _check_metadata("field", field)
        return
    raise FieldProblem("field", f"there is no field {field!r}{_nearest(field, FIELDS)}")


def check_presence(name: str) -> None:
    """Raise FieldProblem unless `has` can ask for it."""
    if name in PRESENCES:
        return
    if name.startswith(META):
        _check_metadata("has", name)
        return
    raise FieldProblem("has", f"'has' cannot ask for {name!r}{_nearest(name, PRESENCES)}")


def check_operator(field: str, op: str) -> None:
    """Raise FieldProblem unless the field can be compared so."""
    possible = OPERATORS[kind_of(field)]
    if op not in possible:
        advice = "; write `not` before an equality instead" if op == "!=" else ""
        raise FieldProblem(
            "op", f"{field} cannot be compared by {op!r}, only by {', '.join(possible)}{advice}"
        )


def check_value(field: str, op: str, value: Scalar, part: Part = "value") -> None:
    """Raise FieldProblem unless the field can be compared with the value by that operator."""
    kind = kind_of(field)
    _check_limits(value, part)
    if kind == "number":
        if isinstance(value, bool | str):
            raise FieldProblem(part, f"{field} is compared with a number, not with {_shown(value)}")
        return
    if kind == "metadata" and op != "glob":
        if isinstance(value, bool) and op not in {"=", "!="}:
            raise FieldProblem(part, f"true and false have no order: compare by = or !=, not {op}")
        return
    if not isinstance(value, str):
        raise FieldProblem(part, f"{field} is compared with text, not with {_shown(value)}")
    _check_text(field, value, part)


def moment_span(text: str) -> tuple[datetime, datetime | None]:
    """From when until before when a year, month, day, minute, second or fraction of it lasts.

    The end is None for what lasts to the end of the year 9999. Raises ValueError for other text.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{_shown(text)} is no date: write 2024, 2024-06, 2024-06-01 or 2024-06-01T12:30, "
            "by the camera's clock, without a zone"
        )
    year, month, day, hour, minute, second, fraction = found.groups()
    try:
        start = datetime(  # noqa: DTZ001  # a camera's clock has no zone
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")),
        )
    except ValueError as error:
        raise ValueError(f"{_shown(text)} is no date of the calendar") from error
    try:
        return start, start + _length(start, found)
    except OverflowError:
        return start, None


def _length(start: datetime, found: re.Match[str]) -> timedelta:
    _, month, day, hour, _, second, fraction = found.groups()
    if fraction:
        return timedelta(microseconds=10 ** (6 - len(fraction)))
    if second:
        return timedelta(seconds=1)
    if hour:
        return timedelta(minutes=1)
    if day:
        return timedelta(days=1)
    if start.year == 9999 and (not month or start.month == 12):
        return timedelta.max
    after = start.replace(year=start.year + 1) if not month or start.month == 12 else start
    after = after.replace(month=1 if not month else start.month % 12 + 1)
    return after - start


def _check_metadata(part: Part, field: str) -> None:
    if not all(metadata_path(field)):
        raise FieldProblem(part, f"{field!r} names no field of the metadata: write {META}KEY.KEY")
    _check_limits(field, part)


def _check_text(field: str, value: str, part: Part) -> None:
    kind = kind_of(field)
    if kind == "moment":
        try:
            moment_span(value)
        except ValueError as error:
            raise FieldProblem(part, str(error)) from error
    if kind == "orientation" and value not in _SHAPES:
        raise FieldProblem(part, f"orientation is {', '.join(_SHAPES)}, not {_shown(value)}")
    if kind == "words" and "*" in value:
        raise FieldProblem(part, f"{field} is searched by whole words, without *")
    if kind == "words" and not re.search(r"[^\W_]", value):
        raise FieldProblem(part, f"there is no word in {_shown(value)} to find in a caption")


def _check_limits(value: Scalar, part: Part) -> None:
    if isinstance(value, str):
        if len(value) > _LONGEST:
            raise FieldProblem(part, f"a value has at most {_LONGEST} characters, not {len(value)}")
        if "\0" in value:
            raise FieldProblem(part, f"{_shown(value)} has the character NUL, which no text has")
    elif not -_MOST <= value < _MOST:  # neither is NaN
        raise FieldProblem(part, "a number is between -2^63 and 2^63")


def _nearest(name: str, names: Mapping[str, Kind] | tuple[str, ...]) -> str:
    if name == META.removesuffix("."):
        return f"; write {META}KEY"
    near = difflib.get_close_matches(name.lower(), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(names)} and {META}KEY"


def _shown(value: Scalar) -> str:
    shown = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
