"""Takeover: what people and sidecars said in one collection, said in another one of its files."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, exists, insert, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from blipsearch.catalog.database import Database, chunks
from blipsearch.catalog.rows import renumber
from blipsearch.records import BY_A_PERSON
from blipsearch.tables import CaptionRow, GivenRow, ImageRow, ImageTagRow, SourceRow

__all__ = ["Takeover"]

_Old, _New = aliased(ImageRow), aliased(ImageRow)
_OldSource, _NewSource = aliased(SourceRow), aliased(SourceRow)
_NO_METADATA: dict[str, object] = {}


class Takeover:
    """Copies annotations between two collections of the same files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_over(self, from_id: int, into_id: int) -> int:
        """Copy metadata, tags, people's captions and what was given last; returns to how many.

        It goes from each image of the one collection to that of the same root and path in the
        other, if nothing at all is said of it there: so what was taken over once and changed since
        stays as it is. A chunk of images is one transaction.
        """
        with self._database.reading() as session:
            pairs = [(old, new) for old, new in session.execute(_pairs(from_id, into_id))]
        for chunk in chunks(pairs):
            new_ids = dict(chunk)
            with self._database.writing() as session:
                renumber(session, into_id, list(new_ids.values()))
                _copy(session, new_ids)
        return len(pairs)


def _pairs(from_id: int, into_id: int) -> Select[int, int]:
    return (
        select(_Old.id, _New.id)
        .join(_OldSource, _OldSource.id == _Old.source_id)
        .join(
            _NewSource,
            and_(_NewSource.collection_id == into_id, _NewSource.root == _OldSource.root),
        )
        .join(_New, and_(_New.source_id == _NewSource.id, _New.path == _Old.path))
        .where(_Old.collection_id == from_id, _is_said(_Old), ~_is_said(_New))
        .order_by(_New.id)
    )


def _is_said(image: type[ImageRow]) -> ColumnElement[bool]:
    """Whether people or sidecars say anything of an image."""
    by_a_person = and_(CaptionRow.image_id == image.id, CaptionRow.checkpoint == BY_A_PERSON)
    return or_(
        image.user_metadata != _NO_METADATA,
        exists().where(ImageTagRow.image_id == image.id),
        exists().where(by_a_person),
        exists().where(GivenRow.image_id == image.id),
    )


def _copy(session: Session, new_ids: dict[int, int]) -> None:
    """Copy all that is said of some images, by old id, to those that have nothing yet."""
    old_ids = list(new_ids)
    for old_id, metadata in session.execute(
        select(ImageRow.id, ImageRow.user_metadata).where(ImageRow.id.in_(old_ids))
    ).all():
        if metadata:
            session.execute(
                update(ImageRow)
                .where(ImageRow.id == new_ids[old_id])
                .values(user_metadata=dict(metadata))
            )
    _copy_rows(session, ImageTagRow.image_id, (ImageTagRow.tag,), new_ids)
    _copy_rows(session, GivenRow.image_id, (GivenRow.stamp, GivenRow.content), new_ids)
    captions = (CaptionRow.text, CaptionRow.checkpoint, CaptionRow.match, CaptionRow.created_at)
    _copy_rows(
        session, CaptionRow.image_id, captions, new_ids, CaptionRow.checkpoint == BY_A_PERSON
    )


def _copy_rows(
    session: Session,
    image_id: InstrumentedAttribute[int],
    columns: tuple[InstrumentedAttribute[object], ...],
    new_ids: dict[int, int],
    *conditions: ColumnElement[bool],
) -> None:
    rows = session.execute(
        select(image_id, *columns).where(image_id.in_(list(new_ids)), *conditions)
    ).all()
    copies = [
        {"image_id": new_ids[old_id]}
        | {column.key: value for column, value in zip(columns, values, strict=True)}
        for old_id, *values in rows
    ]
    if copies:
        session.execute(insert(image_id.class_), copies)
