"""The catalog as a file: checked, packed, settled, and whether anybody has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from blipsearch.catalog.sqlite import BUSY_SECONDS, open_read_only, translated
from blipsearch.errors import LibraryError

__all__ = ["check_file", "is_in_use", "pack", "settle"]

_READERS_MS = 1000
"""How long packing waits for those who read what was there before."""


def settle(database: Path) -> None:
    """Make a catalog that nobody else has open one file that can be read where nothing is written.

    Opened again it has its write-ahead log beside it, as ever. Raises LibraryError.
    """
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error as error:
        raise translated(error, database) from error


def check_file(database: Path) -> None:
    """Raise LibraryError unless all pages of a catalog are sound; it is only read."""
    try:
        with closing(open_read_only(database)) as connection:
            messages = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        raise translated(error, database) from error
    if messages != ["ok"]:
        raise LibraryError(f"{database} is damaged: {'; '.join(messages)}; use another copy")


def pack(database: Path, *, busy_seconds: float = BUSY_SECONDS) -> bool:
    """Write the catalog anew without the holes that deletions left; others may read meanwhile.

    Returns whether the file has shrunk already: as long as somebody reads what was there before,
    it cannot. Raises LibraryBusyError where another process writes for long, and LibraryError.
    """
    try:
        with closing(
            sqlite3.connect(database, timeout=busy_seconds, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("VACUUM")
            connection.execute(f"PRAGMA busy_timeout = {_READERS_MS}")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
    except sqlite3.Error as error:
        raise translated(error, database) from error


def is_in_use(database: Path) -> bool:
    """Whether another process has the catalog open, or left something for the next to finish.

    Not for who has it open itself. A file that is no sound database is in nobody's use.
    """
    try:
        with closing(
            sqlite3.connect(
                f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None
            )
        ) as connection:
            # Only who is alone may leave the write-ahead log.
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        return (error.sqlite_errorname or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    except sqlite3.Error:
        return False
    return False
