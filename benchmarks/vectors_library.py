"""A library on disk whose collection holds a given million of embeddings."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from blipsearch.library import Library
from blipsearch.records import CheckpointIdentity, Embeddings

__all__ = ["COLLECTION", "write_library"]

COLLECTION = "mixture"
_COLUMNS = (
    "collection_id, source_id, change, status, reason, path, size, mtime_ns, sha256, orientation, "
    "metadata, embedding"
)


def write_library(directory: Path, embeddings: Embeddings) -> None:
    """Make a library whose collection `COLLECTION` holds these (n, dim) rows, as ids 1 to n.

    The rows are those that `Collection.write` makes, but written in one transaction.
    """
    identity = CheckpointIdentity("mixture", "", "b" * 64, embeddings.shape[1])
    with (
        Library.open(directory, create=True) as library,
        library.create_collection(COLLECTION, identity) as collection,
    ):
        source = collection.add_source("/pictures")
        number = collection.info.id
    statement = f"INSERT INTO images ({_COLUMNS}) VALUES ({', '.join('?' * 12)})"  # noqa: S608  # no input
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as connection, connection:
        connection.executemany(statement, _rows(number, source.id, embeddings))
        connection.execute(
            "UPDATE collections SET change = ? WHERE id = ?", (len(embeddings), number)
        )


def _rows(
    collection_id: int, source_id: int, embeddings: Embeddings
) -> Iterator[tuple[object, ...]]:
    for row, embedding in enumerate(embeddings, start=1):
        path = f"holiday/{row // 1000:04}/IMG_{row:08}.jpg"
        content = f"{row:064x}"
        packed = embedding.astype("<f4").tobytes()
        yield (
            collection_id,
            source_id,
            row,
            "indexed",
            "",
            path,
            3_000_000 + row,
            row,
            content,
            1,
            "{}",
            packed,
        )
