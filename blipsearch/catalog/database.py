"""Database: the one place where sessions on a catalog are opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy.orm import Session

from blipsearch.catalog.sqlite import (
    BUSY_SECONDS,
    DRIVER_ERRORS,
    make_engine,
    translated,
    write_engine,
)
from blipsearch.errors import LibraryError

__all__ = ["CHUNK", "DIRECTORY", "Database", "chunks", "id_chunks"]

CHUNK = 8192
"""Rows read, or values named, in one statement: far below SQLite's limit of 32766."""

DIRECTORY = "directory"
"""The key in a session's `info` under which the library's directory stands, an absolute path."""

_Item = TypeVar("_Item")


class Database:
    """Sessions on one catalog file, for any number of threads."""

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        # What roots inside the library are relative to; a working directory may change later.
        self._facts = {DIRECTORY: str(path.absolute().parent)}
        self._engine = make_engine(path, busy_seconds=busy_seconds)
        self._write_engine = write_engine(self._engine)
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that sees one state of the catalog from its first query to its end."""
        with self._translating(), Session(self._engine, info=self._facts) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a session that holds the write lock and commits at the end, or not at all."""
        made = Session(self._write_engine, info=self._facts)
        with self._translating(), made as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        if self._closed:
            raise LibraryError(f"the library of {self.path} is closed; open it again")
        try:
            yield
        except DRIVER_ERRORS as error:
            raise translated(error, self.path) from error


def chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Cut items into lists of at most CHUNK."""
    everything = list(items)
    for start in range(0, len(everything), CHUNK):
        yield everything[start : start + CHUNK]


def id_chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    """Cut ids into lists of at most CHUNK plain integers; numpy's own no database driver takes."""
    return chunks(int(image_id) for image_id in ids)
