"""Rows of `images` as all writers treat them: found, inserted, updated, numbered anew.

For use within a transaction that is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from blipsearch.catalog.changes import next_changes
from blipsearch.catalog.database import chunks, id_chunks
from blipsearch.tables import Base, ImageRow

__all__ = [
    "IMAGES",
    "AnyRow",
    "ids_by_change",
    "insert_rows",
    "own_ids",
    "renumber",
    "rows_of_files",
    "update_rows",
]

IMAGES = Base.metadata.tables[ImageRow.__tablename__]

FileKey = tuple[int, str]
"""A source's id, and the path of a file there."""

AnyRow = Row[*tuple[Any, ...]]


def own_ids(
    session: Session, collection_id: int, ids: Iterable[int], *conditions: ColumnElement[bool]
) -> list[int]:
    """Those of these ids that are images of the collection for which the conditions hold."""
    return [
        image_id
        for chunk in id_chunks(ids)
        for image_id in session.scalars(
            select(ImageRow.id).where(
                ImageRow.collection_id == collection_id, ImageRow.id.in_(chunk), *conditions
            )
        )
    ]


def rows_of_files(
    session: Session,
    keys: Iterable[FileKey],
    *columns: InstrumentedAttribute[Any] | ColumnElement[Any],
) -> dict[FileKey, AnyRow]:
    """These columns of the rows of those files that have one."""
    keys = list(keys)
    found: dict[FileKey, AnyRow] = {}
    for source_id in {source_id for source_id, _ in keys}:
        for paths in chunks(path for source, path in keys if source == source_id):
            statement = select(*columns, ImageRow.path).where(
                ImageRow.source_id == source_id, ImageRow.path.in_(paths)
            )
            for row in session.execute(statement):
                found[source_id, row.path] = row
    return found


def insert_rows(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each with all of its values but the metadata, which are none without."""
    if rows:
        session.connection().execute(insert(IMAGES), [{"metadata": {}, **row} for row in rows])


def update_rows(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set values of the rows whose ids are their `row_id`; all set the same columns."""
    if rows:
        session.connection().execute(
            update(IMAGES).where(IMAGES.c.id == bindparam("row_id")), list(rows)
        )


def renumber(session: Session, collection_id: int, ids: Sequence[int]) -> None:
    """Give these images new change numbers, so that whoever follows looks at them again."""
    if not ids:
        return
    changes = next_changes(session, collection_id, len(ids))
    update_rows(
        session,
        [
            {"row_id": image_id, "change": change}
            for image_id, change in zip(ids, changes, strict=True)
        ],
    )


def ids_by_change(session: Session, collection_id: int, changes: range) -> dict[int, int]:
    """The images that have these change numbers, by them."""
    statement = select(ImageRow.change, ImageRow.id).where(
        ImageRow.collection_id == collection_id, ImageRow.change.between(changes[0], changes[-1])
    )
    return dict(session.execute(statement).all())
