"""Mending what can be made anew or given a new number; what people said is never thrown away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, null, select, text, update

from blipsearch.catalog.database import Database, id_chunks
from blipsearch.catalog.rows import IMAGES, own_ids, renumber
from blipsearch.tables import Base, CollectionRow, DeletionRow, ImageRow, SourceRow

__all__ = ["Mending", "OrphanRow"]

_OF_IMAGES = ("image_tags", "captions", "answers", "image_given")
"""Tables whose rows say something of an image; where that is gone they say nothing."""


@dataclass(frozen=True, slots=True)
class OrphanRow:
    """A row of a table that refers to nothing, as it was."""

    table: str
    values: dict[str, object]


class Mending:
    """Changes rows that cannot be right. A method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reindex(self) -> None:
        """Build all indexes anew from their tables. Raises LibraryError where that cannot be."""
        with self._database.writing() as session:
            session.execute(text("REINDEX"))

    def rebuild_full_text(self) -> None:
        """Index all captions' words anew."""
        with self._database.writing() as session:
            session.execute(text("INSERT INTO captions_fts (captions_fts) VALUES ('rebuild')"))

    def adopt_images(self) -> int:
        """Give images whose source is gone one of its id, to be found by; returns how many sources.

        Where it was nobody knows: its root is `/lost-<id>`, until somebody moves it.
        """
        with self._database.writing() as session:
            lost = session.execute(
                select(ImageRow.source_id, ImageRow.collection_id)
                .where(ImageRow.source_id.not_in(select(SourceRow.id)))
                .where(ImageRow.collection_id.in_(select(CollectionRow.id)))
                .distinct()
            ).all()
            for source_id, collection_id in lost:
                name = f"lost-{source_id}"
                session.add(
                    SourceRow(id=source_id, collection_id=collection_id, name=name, root=f"/{name}")
                )
            return len(lost)

    def orphans(self) -> Iterator[OrphanRow]:
        """The rows about images that are not there."""
        with self._database.reading() as session:
            for name in _OF_IMAGES:
                table = Base.metadata.tables[name]
                rows = session.execute(
                    select(table).where(table.c.image_id.not_in(select(ImageRow.id)))
                )
                for row in rows.mappings():
                    yield OrphanRow(name, dict(row))

    def drop_orphans(self) -> int:
        """Delete the rows about images that are not there; returns how many."""
        with self._database.writing() as session:
            count = 0
            for name in _OF_IMAGES:
                table = Base.metadata.tables[name]
                orphaned = table.c.image_id.not_in(select(ImageRow.id))
                count += len(session.execute(select(table.c.image_id).where(orphaned)).all())
                session.execute(delete(table).where(orphaned))
            return count

    def renumber(self, collection_id: int, largest: int, twice: Sequence[int]) -> int:
        """Raise the newest change number to the largest used, and replace those used twice.

        Returns how many images got another number.
        """
        with self._database.writing() as session:
            session.execute(
                update(CollectionRow)
                .where(CollectionRow.id == collection_id, CollectionRow.change < largest)
                .values(change=largest)
            )
            ids = [
                image_id
                for chunk in id_chunks(twice)
                for image_id in session.scalars(
                    select(ImageRow.id).where(
                        ImageRow.collection_id == collection_id, ImageRow.change.in_(chunk)
                    )
                )
            ]
            renumber(session, collection_id, ids)
            return len(ids)

    def forget_embeddings(self, collection_id: int, ids: Sequence[int], reason: str) -> int:
        """Have these images embedded again by the next index run; returns how many there are.

        An image that was indexed is a failed one until then, for a reason that does not last.
        Tags, metadata and captions stay.
        """
        with self._database.writing() as session:
            found = own_ids(session, collection_id, ids)
            for chunk in id_chunks(found):
                session.execute(
                    update(IMAGES)
                    .where(IMAGES.c.id.in_(chunk), IMAGES.c.status == "indexed")
                    .values(status="failed", embedding=null())
                )
                # Without its hash: what is seen as the same content would not be embedded again.
                session.execute(
                    update(IMAGES)
                    .where(IMAGES.c.id.in_(chunk))
                    .values(reason=reason, lasting=False, sha256="", embedding=null())
                )
            renumber(session, collection_id, found)
            return len(found)

    def forget_deletions(self, collection_id: int, through: int, before: datetime) -> int:
        """Forget which images were removed up to a change number and before a moment, aware.

        Returns how many. Only what nobody has to follow any more may be forgotten.
        """
        with self._database.writing() as session:
            old = (
                DeletionRow.collection_id == collection_id,
                DeletionRow.change <= through,
                DeletionRow.deleted_at < before,
            )
            count = len(session.execute(select(DeletionRow.change).where(*old)).all())
            session.execute(delete(DeletionRow).where(*old))
            return count
