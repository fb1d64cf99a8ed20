"""What filters need of SQLite's own: functions that SQL calls back, and expressions built on them.

PostgreSQL gets a twin: it has lower(), ~, jsonb and to_tsquery for the same.
"""

from __future__ import annotations

import functools
import json
import math
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
)
from sqlalchemy.orm import InstrumentedAttribute

from blipsearch.catalog.metadata import MetadataTest
from blipsearch.columns import FreeText, restored_name
from blipsearch.filters import Place
from blipsearch.tables import CaptionRow, ImageRow

__all__ = [
    "EARTH_KM",
    "SqlText",
    "captions_with",
    "distinct_values",
    "file_name",
    "folded",
    "glob_literal",
    "is_near",
    "like_glob",
    "listed",
    "matches_expression",
    "metadata_holds",
    "register_functions",
]

SqlText = ColumnElement[Any] | InstrumentedAttribute[Any]
EARTH_KM = 6371.0088
"""The earth's mean radius."""

_FTS = table("captions_fts", column("rowid"))


def register_functions(connection: sqlite3.Connection) -> None:
    """Let SQL on this connection call the functions that filters need."""
    functions: tuple[tuple[str, int, Callable[..., str | float | None]], ...] = (
        ("casefold", 1, _casefold),
        ("file_name", 1, _file_name),
        ("haversine", 4, _haversine),
        ("metadata_holds", 2, _metadata_holds),
        ("path_matches", 2, _path_matches),
    )
    for name, arguments, function in functions:
        connection.create_function(name, arguments, function, deterministic=True)


def folded(text: SqlText) -> ColumnElement[Any]:
    """A text without the difference of upper and lower case, as str.casefold has it."""
    # Nearly all is ASCII, and SQLite's own lower() is much quicker than a call to Python.
    is_ascii = func.length(text) == func.length(cast(text, LargeBinary))
    return case(
        (is_ascii, func.lower(text, type_=FreeText())),
        (text.is_not(None), func.casefold(text, type_=FreeText())),
    )


def like_glob(text: SqlText, pattern: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a text matches a pattern of SQLite's GLOB, case and all."""
    return text.op("GLOB", is_comparison=True)(pattern)


def glob_literal(text: str) -> str:
    """A text in a GLOB pattern that stands for itself, but for `*` and `?`."""
    return text.replace("[", "[[]")


def file_name(path: SqlText) -> ColumnElement[str]:
    """The last step of a path, as it is stored."""
    return func.file_name(path, type_=Text())


def matches_expression(path: SqlText, expression: str) -> ColumnElement[bool]:
    """Whether the whole path, as the file system has it, matches a regular expression."""
    return func.path_matches(path, literal(expression, Text())) == 1


def is_near(place: Place) -> ColumnElement[bool]:
    """Whether an image was taken within so many km of a place, along a great circle."""
    half = min(place.km / EARTH_KM / 2, math.pi / 2)  # no two points are farther than opposite
    latitude, longitude = math.radians(place.latitude), math.radians(place.longitude)
    haversine = func.haversine(ImageRow.latitude, ImageRow.longitude, latitude, longitude)
    return haversine <= math.sin(half) ** 2


def metadata_holds(test: MetadataTest) -> ColumnElement[bool]:
    """Whether an image's metadata passes a test."""
    # The key as JSON writes it: where it does not even occur, the JSON need not be read.
    key = json.dumps(test.keys[-1])
    return and_(
        func.instr(ImageRow.user_metadata, literal(key)) > 0,
        func.metadata_holds(ImageRow.user_metadata, literal(test.dumps())) == 1,
    )


def captions_with(words: str) -> Select[int]:
    """The images with a caption that has all these words, by their stems."""
    quoted = (word.replace('"', '""') for word in words.split() if any(map(str.isalnum, word)))
    asked = literal(" ".join(f'"{word}"' for word in quoted), FreeText())
    found = select(_FTS.c.rowid).where(literal_column("captions_fts").op("MATCH")(asked))
    return select(CaptionRow.image_id).where(CaptionRow.id.in_(found))


def distinct_values(values: InstrumentedAttribute[Any], *where: ColumnElement[bool]) -> Select[Any]:
    """The distinct values of a column that an index orders after what `where` fixes.

    It jumps from value to value; SELECT DISTINCT would walk through all rows.
    """
    each = select(func.min(values).label("value")).where(*where).cte(recursive=True)
    after = select(func.min(values)).where(*where, values > each.c.value).scalar_subquery()
    each = each.union_all(select(after).where(each.c.value.is_not(None)))
    return select(each.c.value).where(each.c.value.is_not(None))


def listed(values: Sequence[str]) -> Select[Any]:
    """Any number of texts for IN: as one value, since a statement holds only so many."""
    return select(func.json_each(json.dumps(values)).table_valued("value").c.value)


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _path_matches(path: str, expression: str) -> bool:
    return _compiled(expression).fullmatch(restored_name(path)) is not None


def _haversine(
    degrees_north: float | None, degrees_east: float | None, latitude: float, longitude: float
) -> float | None:
    """The haversine of the angle between two points: exact enough for near and far ones alike."""
    if degrees_north is None or degrees_east is None:
        return None
    here = math.radians(degrees_north)
    north = math.sin((here - latitude) / 2)
    east = math.sin((math.radians(degrees_east) - longitude) / 2)
    return north * north + math.cos(here) * math.cos(latitude) * east * east


@functools.lru_cache(maxsize=128)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


@functools.lru_cache(maxsize=128)
def _test(dumped: str) -> MetadataTest:
    return MetadataTest.loads(dumped)


def _metadata_holds(metadata: str, dumped: str) -> bool:
    return _test(dumped).holds(json.loads(metadata))
