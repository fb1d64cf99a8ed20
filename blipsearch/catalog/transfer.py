"""Whole images as they are handed on: with all that is known of them, in one state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from blipsearch.catalog.annotations import caption_of
from blipsearch.catalog.database import Database, id_chunks
from blipsearch.catalog.entries import entries_of
from blipsearch.catalog.sources import sources_of
from blipsearch.records import Caption, ImageEntry
from blipsearch.tables import CaptionRow, GivenRow, ImageRow

__all__ = ["GivenFacts", "Transfer", "WholeImage"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class GivenFacts:
    """What was last given of an image by a sidecar or a manifest: its stamp, and what it said.

    `content` has the keys `metadata`, `tags` and `captions`.
    """

    stamp: str
    content: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WholeImage:
    """All that is known of one image; `embedding` is float32, little-endian."""

    entry: ImageEntry
    captions: tuple[Caption, ...]
    given: GivenFacts | None
    embedding: bytes


class Transfer:
    """Reads whole images."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(
        self, collection_id: int, ids: Iterable[int] | None = None
    ) -> Iterator[list[WholeImage]]:
        """All images that have an embedding, or those of these ids, by id in pages.

        All pages show one state of the catalog.
        """
        with self._database.reading() as session:
            sources = sources_of(session, collection_id)
            for rows in _pages(session, collection_id, ids):
                numbers = [row.id for row in rows]
                captions = _captions(session, numbers)
                given = _given(session, numbers)
                yield [
                    WholeImage(
                        entry,
                        tuple(captions.get(row.id, ())),
                        given.get(row.id),
                        row.embedding or b"",
                    )
                    for row, entry in zip(rows, entries_of(session, rows, sources), strict=True)
                ]
                session.expunge_all()


def _pages(
    session: Session, collection_id: int, ids: Iterable[int] | None
) -> Iterator[Sequence[ImageRow]]:
    statement = (
        select(ImageRow)
        .with_hint(ImageRow, "NOT INDEXED", "sqlite")  # but by the primary key, in its order
        .options(undefer(ImageRow.embedding))
        .where(ImageRow.collection_id == collection_id, ImageRow.embedding.is_not(None))
        .order_by(ImageRow.id)
    )
    if ids is not None:
        wanted = sorted(set(map(int, ids)))
        for start in range(0, len(wanted), _PAGE):
            yield session.scalars(
                statement.where(ImageRow.id.in_(wanted[start : start + _PAGE]))
            ).all()
        return
    last = 0
    while rows := session.scalars(statement.where(ImageRow.id > last).limit(_PAGE)).all():
        last = rows[-1].id  # before the reader has the page: it may let go of it
        yield rows


def _captions(session: Session, ids: Sequence[int]) -> dict[int, list[Caption]]:
    found: dict[int, list[Caption]] = {}
    for chunk in id_chunks(ids):
        statement = select(CaptionRow).where(CaptionRow.image_id.in_(chunk))
        for row in session.scalars(statement.order_by(CaptionRow.id)):
            found.setdefault(row.image_id, []).append(caption_of(row))
    return found


def _given(session: Session, ids: Sequence[int]) -> dict[int, GivenFacts]:
    return {
        row.image_id: GivenFacts(row.stamp, row.content)
        for chunk in id_chunks(ids)
        for row in session.scalars(select(GivenRow).where(GivenRow.image_id.in_(chunk)))
    }
