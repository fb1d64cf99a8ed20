"""What a filter means: a condition in SQL on a row of `images`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    and_,
    case,
    exists,
    false,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from blipsearch.catalog.expressions import (
    EARTH_KM,
    SqlText,
    captions_with,
    distinct_values,
    folded,
    glob_literal,
    is_near,
    like_glob,
    listed,
    metadata_holds,
)
from blipsearch.catalog.metadata import MetadataTest
from blipsearch.catalog.paths import name_is, name_matches, path_is, path_matches
from blipsearch.catalog.sources import sources_of
from blipsearch.columns import stored_text
from blipsearch.filters import (
    And,
    Between,
    Compare,
    Condition,
    Filter,
    Glob,
    Has,
    Near,
    Not,
    Or,
    Place,
)
from blipsearch.filters.fields import META, Scalar, kind_of, metadata_path, moment_span
from blipsearch.filters.words import compile_glob
from blipsearch.records import Source
from blipsearch.tables import CaptionRow, ImageRow, ImageTagRow

__all__ = ["Scope", "holds", "tagged", "within_box"]

_COMPARE: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS: Mapping[str, SqlText] = {
    "id": ImageRow.id,
    "width": ImageRow.width,
    "height": ImageRow.height,
    "size": ImageRow.size,
    "megapixels": type_coerce(ImageRow.width * ImageRow.height, Float) / 1_000_000.0,
}
_TEXTS: Mapping[str, InstrumentedAttribute[Any]] = {
    "format": ImageRow.format,
    "lens": ImageRow.lens,
}
_SHAPES: Mapping[str, ColumnElement[bool]] = {
    "portrait": ImageRow.height > ImageRow.width,
    "landscape": ImageRow.width > ImageRow.height,
    "square": ImageRow.width == ImageRow.height,
}
_PRESENT: Mapping[str, ColumnElement[bool]] = {
    "taken_at": ImageRow.taken_at.is_not(None),
    "camera": ImageRow.camera.is_not(None),
    "lens": ImageRow.lens.is_not(None),
    "location": and_(ImageRow.latitude.is_not(None), ImageRow.longitude.is_not(None)),
    "tag": exists().where(ImageTagRow.image_id == ImageRow.id),
    "caption": exists().where(CaptionRow.image_id == ImageRow.id),
}
# An expression, not the column: so the database tests the rows at hand, rather than to look up
# each of what may be a million ids. Which rows to begin with is decided elsewhere.
_ID_AT_HAND = ImageRow.id + 0
_KM_A_DEGREE = EARTH_KM * math.pi / 180
_MARGIN = 1 + 1e-6
"""What a bounding box is larger by, so that rounding cuts nothing off."""


class Scope:
    """The collection in which a filter is asked about, and what few values its images share."""

    def __init__(self, session: Session, collection_id: int) -> None:
        self._session = session
        self.collection_id = collection_id

    @cached_property
    def sources(self) -> list[Source]:
        """The collection's sources."""
        return list(sources_of(self._session, self.collection_id).values())

    @cached_property
    def cameras(self) -> list[str]:
        """The cameras of the collection's images."""
        own = ImageRow.collection_id == self.collection_id
        return list(self._session.scalars(distinct_values(ImageRow.camera, own)))

    @cached_property
    def tags(self) -> list[str]:
        """All tags, also those of other collections."""
        return list(self._session.scalars(distinct_values(ImageTagRow.tag)))


def holds(node: Filter, scope: Scope) -> ColumnElement[bool]:
    """Where a filter is true. Where it is not, the condition is false or NULL."""
    if isinstance(node, And):
        return and_(*(holds(part, scope) for part in node.every))
    if isinstance(node, Or):
        return or_(*(holds(part, scope) for part in node.some))
    if isinstance(node, Not):
        # CASE, since SQLite tests its condition as it tests WHERE: no more of it than is needed.
        return case((holds(node.negated, scope), false()), else_=true())
    return _condition(node, scope)


def tagged(node: Compare | Glob, scope: Scope) -> Select[int]:
    """The images of all collections that have such a tag."""
    such = listed([tag for tag in scope.tags if _is_text(node, tag)])
    return select(ImageTagRow.image_id).where(ImageTagRow.tag.in_(such))


def within_box(place: Place) -> ColumnElement[bool]:
    """The degrees of latitude and longitude outside of which nothing is near enough."""
    reach = place.km / _KM_A_DEGREE * _MARGIN
    south, north = place.latitude - reach, place.latitude + reach
    latitudes = ImageRow.latitude.between(south, north)
    if south <= -90 or north >= 90:
        return latitudes  # around a pole every longitude is near
    across = math.sin(math.radians(reach)) / math.cos(math.radians(place.latitude))
    reach = math.degrees(math.asin(min(1.0, across))) * _MARGIN
    west, east = place.longitude - reach, place.longitude + reach
    longitude = ImageRow.longitude
    if west < -180:
        return and_(latitudes, or_(longitude >= west + 360, longitude <= east))
    if east > 180:
        return and_(latitudes, or_(longitude >= west, longitude <= east - 360))
    return and_(latitudes, longitude.between(west, east))


def _same_text(text: SqlText, node: Compare | Glob) -> ColumnElement[bool]:
    """Where a text is the value of a condition or matches its pattern, without regard to case."""
    value = str(node.value).casefold()
    if isinstance(node, Glob):
        return like_glob(folded(text), glob_literal(value))
    return folded(text) == value


def _is_text(node: Compare | Glob, text: str) -> bool:
    """`_same_text`, for a text that was read."""
    value = stored_text(str(node.value)).casefold()
    if isinstance(node, Glob):
        return compile_glob(value).fullmatch(text.casefold()) is not None
    return text.casefold() == value


def _compared(field: str, op: str, value: Scalar) -> ColumnElement[bool]:
    """Where a number or a time compares so; a partial date is the whole span that it names."""
    if kind_of(field) == "number":
        return _COMPARE[op](_NUMBERS[field], value)
    start, end = moment_span(str(value))
    taken_at = ImageRow.taken_at
    before_end = taken_at.is_not(None) if end is None else taken_at < end
    conditions: Mapping[str, ColumnElement[bool]] = {
        "=": and_(taken_at >= start, before_end),
        "!=": and_(taken_at.is_not(None), not_(and_(taken_at >= start, before_end))),
        "<": taken_at < start,
        "<=": before_end,
        ">": false() if end is None else taken_at >= end,
        ">=": taken_at >= start,
    }
    return conditions[op]


def _condition(node: Condition, scope: Scope) -> ColumnElement[bool]:
    if isinstance(node, Near):
        return and_(within_box(node.near), is_near(node.near))
    if isinstance(node, Has):
        if node.has.startswith(META):
            return metadata_holds(MetadataTest(metadata_path(node.has), "has"))
        return _PRESENT[node.has]
    return _between(node) if isinstance(node, Between) else _field(node, scope)


def _between(node: Between) -> ColumnElement[bool]:
    if kind_of(node.field) == "metadata":
        keys = metadata_path(node.field)
        return metadata_holds(MetadataTest(keys, "between", low=node.low, high=node.high))
    ends = ((">=", node.low), ("<=", node.high))
    return and_(*(_compared(node.field, op, end) for op, end in ends if end is not None))


def _field(node: Compare | Glob, scope: Scope) -> ColumnElement[bool]:
    match kind_of(node.field):
        case "number" | "moment":
            return _compared(node.field, node.op, node.value)
        case "metadata":
            return metadata_holds(MetadataTest(metadata_path(node.field), node.op, node.value))
        case "tag":
            return _ID_AT_HAND.in_(tagged(node, scope))
        case "words":
            return _ID_AT_HAND.in_(captions_with(str(node.value)))
        case "orientation":
            condition = _SHAPES[str(node.value)]
        case "text":
            condition = _text(node, scope)
    if node.op == "!=":
        # Nothing is no other value. SQL says so by itself, but not of IN () without any values.
        return and_(_PRESENT.get(node.field, true()), not_(condition))
    return condition


def _text(node: Compare | Glob, scope: Scope) -> ColumnElement[bool]:
    value, pattern = str(node.value), isinstance(node, Glob)
    if node.field == "path":
        return path_matches(value) if pattern else path_is(value)
    if node.field == "name":
        return name_matches(value) if pattern else name_is(value)
    if node.field == "source":
        is_named = compile_glob(value).fullmatch if pattern else value.__eq__
        return ImageRow.source_id.in_([each.id for each in scope.sources if is_named(each.name)])
    if node.field == "camera":
        such = listed([camera for camera in scope.cameras if _is_text(node, camera)])
        return ImageRow.camera.in_(such)
    return _same_text(_TEXTS[node.field], node)
