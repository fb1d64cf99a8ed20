"""Change numbers: giving them out, and following what happened since one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from blipsearch.catalog.database import CHUNK, Database
from blipsearch.errors import CollectionNotFoundError
from blipsearch.records import Embeddings
from blipsearch.tables import CollectionRow, DeletionRow, ImageRow

__all__ = ["Changes", "Follower", "next_changes", "not_found", "removed", "unpack_embeddings"]


@dataclass(frozen=True, slots=True)
class Changes:
    """A part of what happened since a change number.

    `ids` (n,) int64 carry `embeddings` (n, dim) float32 from now on; `gone` (m,) int64 are to be
    left out of searches.
    """

    ids: npt.NDArray[np.int64]
    embeddings: Embeddings
    gone: npt.NDArray[np.int64]


class Follower:
    """Reads what happened in a collection, to keep something else in step with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, collection_id: int) -> int:
        """The newest change number given out. Raises CollectionNotFoundError."""
        with self._database.reading() as session:
            return _newest(session, collection_id)

    def replay(
        self, collection_id: int, dim: int, after: int, apply: Callable[[Changes], None]
    ) -> int:
        """Replay what happened after a change number, in parts; returns through which number.

        All parts show one state of the catalog. After 0 only what is indexed is replayed.
        Raises CollectionNotFoundError where the collection was removed.
        """
        with self._database.reading() as session:
            through = _newest(session, collection_id)
            if after:
                _follow_deletions(session, collection_id, dim, after, apply)
            statement = select(ImageRow.id, ImageRow.status, ImageRow.embedding).where(
                ImageRow.collection_id == collection_id, ImageRow.change > after
            )
            if not after:
                statement = statement.where(ImageRow.status == "indexed")
            result = session.execute(statement.execution_options(yield_per=CHUNK))
            for rows in result.partitions():
                alive = [(row.id, row.embedding) for row in rows if row.status == "indexed"]
                gone = [row.id for row in rows if row.status != "indexed"]
                apply(
                    Changes(
                        ids=np.array([image_id for image_id, _ in alive], dtype=np.int64),
                        embeddings=unpack_embeddings([vector for _, vector in alive], dim),
                        gone=np.array(gone, dtype=np.int64),
                    )
                )
        return through


def next_changes(session: Session, collection_id: int, count: int) -> range:
    """Give out `count` change numbers, larger than all before.

    The update locks the collection's row until the transaction ends, so numbers become visible
    in the order they were given out. Raises CollectionNotFoundError where it was removed.
    """
    last = session.scalar(
        update(CollectionRow)
        .where(CollectionRow.id == collection_id)
        .values(change=CollectionRow.change + count)
        .returning(CollectionRow.change)
    )
    if last is None:
        raise removed(session, collection_id)
    return range(last - count + 1, last + 1)


def _newest(session: Session, collection_id: int) -> int:
    """The newest change number given out. Raises CollectionNotFoundError."""
    change = session.scalar(select(CollectionRow.change).where(CollectionRow.id == collection_id))
    if change is None:
        raise removed(session, collection_id)
    return change


def removed(session: Session, collection_id: int) -> CollectionNotFoundError:
    """The error for a collection that was there when it was opened."""
    return not_found(session, f"with number {collection_id}: it was removed", make="NAME")


def not_found(session: Session, wanted: str, make: str) -> CollectionNotFoundError:
    """The error for a collection that is not there, listing those that are."""
    names = session.scalars(select(CollectionRow.name).order_by(CollectionRow.name)).all()
    there_are = f"there are: {', '.join(names)}" if names else "there is none yet"
    return CollectionNotFoundError(
        f"no collection {wanted} ({there_are}); "
        f"make one with `blipsearch index SOURCE --collection {make}`"
    )


def unpack_embeddings(packed: Sequence[bytes | None], dim: int) -> Embeddings:
    """Read n packed embeddings into (n, dim) float32."""
    joined = b"".join(vector for vector in packed if vector is not None)
    return np.frombuffer(joined, dtype="<f4").astype(np.float32).reshape(-1, dim)


def _follow_deletions(
    session: Session, collection_id: int, dim: int, after: int, apply: Callable[[Changes], None]
) -> None:
    statement = select(DeletionRow.image_id).where(
        DeletionRow.collection_id == collection_id, DeletionRow.change > after
    )
    gone = np.array(session.scalars(statement).all(), dtype=np.int64)
    if gone.size:
        nothing = np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32)
        apply(Changes(*nothing, gone=gone))
