"""Looking for damage in the catalog: nothing is changed, and nothing is believed unread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, text, union_all

from blipsearch.catalog.changes import removed
from blipsearch.catalog.database import CHUNK, Database
from blipsearch.catalog.sqlite import DRIVER_ERRORS, is_damage
from blipsearch.tables import CollectionRow, DeletionRow, ImageRow

__all__ = ["Checks", "FileFacts", "Numbers", "Orphans", "StoredEmbedding"]

_MOST_MESSAGES = 100
_PAGE = 2000

# With a rank it also compares with the captions themselves, not only the index with itself.
_CHECK_FULL_TEXT = text(
    "INSERT INTO captions_fts (captions_fts, rank) VALUES ('integrity-check', 1)"
)


@dataclass(frozen=True, slots=True)
class Orphans:
    """So many rows of a table refer to rows of another that are not there."""

    table: str
    refers_to: str
    rows: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """The change numbers of a collection: the newest given out, the largest used, those used twice.

    `largest` is to be no larger than `newest`, and `twice` empty.
    """

    newest: int
    largest: int
    twice: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StoredEmbedding:
    """An image's embedding as its row has it, whatever is in it."""

    image_id: int
    is_indexed: bool
    packed: bytes


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What an indexed image's file was when it was indexed; `sha256` is hex."""

    image_id: int
    path: str
    size: int
    sha256: str


class Checks:
    """Reads what the rest of the catalog takes for granted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file, at most 100 messages; empty where it is sound.

        Every page is read. Raises LibraryError where the damage stops even that.
        """
        with self._database.reading() as session:
            rows = session.connection().exec_driver_sql(f"PRAGMA integrity_check({_MOST_MESSAGES})")
            return [str(message) for (message,) in rows if message != "ok"]

    def foreign_keys(self) -> list[Orphans]:
        """Rows that refer to rows that are not there, by their tables."""
        with self._database.reading() as session:
            rows = session.connection().exec_driver_sql("PRAGMA foreign_key_check")
            counts = Counter((str(table), str(parent)) for table, _, parent, _ in rows)
        return [Orphans(table, parent, count) for (table, parent), count in sorted(counts.items())]

    def full_text_is_whole(self) -> bool:
        """Whether captions are found by just the words that they have.

        SQLite asks for the write lock to look, but nothing is written. Raises LibraryBusyError,
        and LibraryError where the library may only be read.
        """
        with self._database.writing() as session:
            try:
                session.execute(_CHECK_FULL_TEXT)
            except DRIVER_ERRORS as error:
                if not is_damage(error):
                    raise
                session.rollback()
                return False
            session.rollback()
        return True

    def numbers(self, collection_id: int) -> Numbers:
        """A collection's change numbers. Raises CollectionNotFoundError."""
        images = select(ImageRow.change).where(ImageRow.collection_id == collection_id)
        deletions = select(DeletionRow.change).where(DeletionRow.collection_id == collection_id)
        used = union_all(images, deletions).subquery()
        with self._database.reading() as session:
            newest = session.scalar(
                select(CollectionRow.change).where(CollectionRow.id == collection_id)
            )
            if newest is None:
                raise removed(session, collection_id)
            largest = session.scalar(select(func.max(used.c.change))) or 0
            twice = session.scalars(
                select(used.c.change).group_by(used.c.change).having(func.count() > 1)
            )
            return Numbers(newest, largest, tuple(twice))

    def embeddings(self, collection_id: int) -> Iterator[list[StoredEmbedding]]:
        """The embeddings of all images that are to have one, in parts, in one state of the catalog.

        An image that is indexed without one has empty bytes.
        """
        statement = (
            select(ImageRow.id, ImageRow.status, ImageRow.embedding)
            .where(ImageRow.collection_id == collection_id)
            .where((ImageRow.status == "indexed") | ImageRow.embedding.is_not(None))
        )
        with self._database.reading() as session:
            result = session.execute(statement.execution_options(yield_per=CHUNK))
            for rows in result.partitions():
                yield [
                    StoredEmbedding(row.id, row.status == "indexed", row.embedding or b"")
                    for row in rows
                ]

    def files(self, collection_id: int, source_id: int) -> Iterator[list[FileFacts]]:
        """The files of a source's indexed images by id, a page a transaction."""
        last = 0
        while True:
            statement = (
                select(ImageRow.id, ImageRow.path, ImageRow.size, ImageRow.sha256)
                # But by the primary key, in its order: else each page would sort all of them.
                .with_hint(ImageRow, "NOT INDEXED", "sqlite")
                .where(ImageRow.collection_id == collection_id, ImageRow.source_id == source_id)
                .where(ImageRow.status == "indexed", ImageRow.id > last)
            )
            with self._database.reading() as session:
                rows = session.execute(statement.order_by(ImageRow.id).limit(_PAGE)).all()
            if not rows:
                return
            yield [FileFacts(*row) for row in rows]
            last = rows[-1].id

    def contents(self, collection_id: int) -> dict[int, str]:
        """The SHA-256 in hex of each image's content by its id; empty where it is not known."""
        statement = select(ImageRow.id, ImageRow.sha256).where(
            ImageRow.collection_id == collection_id
        )
        with self._database.reading() as session:
            return dict(session.execute(statement).all())

    def changed_after(self, collection_id: int, change: int) -> set[int]:
        """The ids of images that were written or removed after a change number."""
        of_images = select(ImageRow.id).where(
            ImageRow.collection_id == collection_id, ImageRow.change > change
        )
        of_deletions = select(DeletionRow.image_id).where(
            DeletionRow.collection_id == collection_id, DeletionRow.change > change
        )
        with self._database.reading() as session:
            return {*session.scalars(of_images), *session.scalars(of_deletions)}
