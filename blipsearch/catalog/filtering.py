"""Filtering: which images of a collection a filter holds for."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache
from sqlalchemy import ColumnElement, Select, func, select, union_all
from sqlalchemy.orm import Session

from blipsearch.catalog.changes import removed
from blipsearch.catalog.conditions import Scope, holds, tagged, within_box
from blipsearch.catalog.database import Database
from blipsearch.catalog.expressions import captions_with
from blipsearch.catalog.paths import fixed_start, starting_with
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
    depends_on_captions,
)
from blipsearch.tables import CollectionRow, ImageRow

__all__ = ["Filtering"]

FEW = 50_000
"""Up to so many images are looked up one by one; more are quicker found by going through all."""

_CACHE_BYTES = 64_000_000
_Ids = npt.NDArray[np.int64]
_Rows = Select[int]


class Filtering:
    """Finds ids by filters, and remembers the latest answers until the collection changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._cache: LRUCache[tuple[int, int, Filter], _Ids] = LRUCache(
            _CACHE_BYTES, getsizeof=_cache_bytes
        )

    def matching_ids(self, collection_id: int, filter_: Filter) -> _Ids:
        """The ids of the indexed images that a filter holds for, (n,) int64, ascending, read-only.

        Raises CollectionNotFoundError where the collection was removed.
        """
        with self._database.reading() as session:
            change = session.scalar(
                select(CollectionRow.change).where(CollectionRow.id == collection_id)
            )
            if change is None:
                raise removed(session, collection_id)
            key = (collection_id, change, filter_)
            with self._lock:
                known = self._cache.get(key)
            if known is not None:
                return known
            ids = _find(session, collection_id, filter_)
        # A caption is no change of an image, so it would not be noticed here.
        if _cache_bytes(ids) <= _CACHE_BYTES and not depends_on_captions(filter_):
            with self._lock:
                self._cache[key] = ids
        return ids


def _cache_bytes(ids: _Ids) -> int:
    return int(ids.nbytes) + 2000  # the filter that they answer takes some, too


def _find(session: Session, collection_id: int, filter_: Filter) -> _Ids:
    scope = Scope(session, collection_id)
    statement = (
        select(ImageRow.id)
        .with_hint(ImageRow, "INDEXED BY ix_images_facts", "sqlite")
        .where(
            ImageRow.collection_id == collection_id,
            ImageRow.status == "indexed",
            holds(filter_, scope),
        )
    )
    start = _Start(session, scope).best(filter_)
    if start is not None:
        statement = statement.where(ImageRow.id.in_(start[1]))
    # As one text: a million rows of Python's would take longer than all the rest.
    matching = statement.subquery()
    joined = session.scalar(select(func.aggregate_strings(matching.c.id, ",")))
    ids = np.sort(np.fromstring(joined or "", dtype=np.int64, sep=","))
    ids.flags.writeable = False
    return ids


class _Start:
    """Looks for a few images to begin with: those that an index says a filter can hold for.

    They may be too many, never too few; the filter is tested on each of them.
    """

    def __init__(self, session: Session, scope: Scope) -> None:
        self._session = session
        self._scope = scope

    def best(self, node: Filter) -> tuple[int, _Rows] | None:
        """The fewest rows in which all images are that the filter holds for, and how many."""
        if isinstance(node, And):
            found = [start for part in node.every if (start := self.best(part)) is not None]
            return min(found, key=lambda start: start[0], default=None)
        if isinstance(node, Or):
            return self._together(node)
        if isinstance(node, Not):
            return None
        rows = self._rows(node)
        if rows is None:
            return None
        count = self._session.scalar(
            select(func.count()).select_from(rows.limit(FEW + 1).subquery())
        )
        return (count, rows) if count is not None and count <= FEW else None

    def _together(self, node: Or) -> tuple[int, _Rows] | None:
        found = []
        for part in node.some:
            start = self.best(part)
            if start is None:
                return None
            found.append(start)
        count = sum(start[0] for start in found)
        together = union_all(*(rows for _, rows in found)).subquery()
        return (count, select(together.c[0])) if count <= FEW else None

    def _rows(self, node: Condition) -> _Rows | None:
        if isinstance(node, Near):
            return self._images("latitude_longitude", within_box(node.near))
        if isinstance(node, Has) or node.op == "!=":
            return None
        if node.field == "taken_at":
            return self._images("taken_at", holds(node, self._scope))
        return None if isinstance(node, Between) else self._text_rows(node)

    def _text_rows(self, node: Compare | Glob) -> _Rows | None:
        rows: _Rows | None = None
        match node.field:
            case "tag":
                rows = tagged(node, self._scope)
            case "caption":
                rows = captions_with(str(node.value))
            case "path":
                rows = self._paths(node)
            case "camera":
                rows = self._images("camera", holds(node, self._scope))
        return rows

    def _images(self, columns: str, condition: ColumnElement[bool]) -> _Rows:
        return (
            select(ImageRow.id)
            .with_hint(ImageRow, f"INDEXED BY ix_images_collection_id_{columns}", "sqlite")
            .where(ImageRow.collection_id == self._scope.collection_id, condition)
            .correlate(None)
        )

    def _paths(self, node: Compare | Glob) -> _Rows | None:
        value = str(node.value)
        start = fixed_start(value) if isinstance(node, Glob) else value.strip("/")
        condition = starting_with(start)
        if condition is None:
            return None
        own = ImageRow.source_id.in_([source.id for source in self._scope.sources])
        return select(ImageRow.id).where(own, condition).correlate(None)
