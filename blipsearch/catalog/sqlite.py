"""Everything that is SQLite's own: connections, transactions, errors. PostgreSQL gets a twin."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, FromClause, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from blipsearch.catalog.expressions import register_functions
from blipsearch.errors import LibraryBusyError, LibraryError

__all__ = [
    "BUSY_SECONDS",
    "DRIVER_ERRORS",
    "copy_database",
    "is_damage",
    "make_engine",
    "open_read_only",
    "read_revision",
    "translated",
    "write_engine",
]

BUSY_SECONDS = 30.0
"""How long a writer waits for another process's transaction before it says who is in the way."""

DRIVER_ERRORS = (DBAPIError, sqlite3.Error)
"""What `translated` takes: most errors come wrapped, those of a connection's set-up do not."""

_BEGIN = "sqlite_begin"
_AGAIN_SECONDS = 0.01


class _Compiler(SQLiteCompiler):
    """Writes hints after the table, where SQLite takes INDEXED BY; SQLAlchemy leaves them out."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002
        return text


def make_engine(database: Path, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """Make an engine on one database file; nothing is opened before its first use.

    Its transactions are BEGIN (deferred): readers see one state throughout and block nobody.
    """
    # The driver's own transaction control is off: it would begin too late and commit around DDL.
    engine = create_engine(
        URL.create("sqlite", database=str(database)),
        connect_args={"isolation_level": None, "timeout": busy_seconds},
    )

    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        _use_log(connection, busy_seconds)
        # FULL, not NORMAL: a commit that was acknowledged survives a power cut, not only a
        # killed process. It costs one fsync a batch, next to nothing beside the embedding of it.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # the same promise on macOS
        connection.execute("PRAGMA foreign_keys = ON")
        register_functions(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    return engine


def _use_log(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Let a database have a write-ahead log, which most have already.

    Of two that make it at the same time SQLite refuses one at once, however long it may wait.
    """
    end = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = (error.sqlite_errorname or "").startswith("SQLITE_BUSY")
            if not is_busy or time.monotonic() > end:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return


def write_engine(engine: Engine) -> Engine:
    """Give the same connections with BEGIN IMMEDIATE.

    A writer takes the lock first, so that what it reads cannot change before it writes.
    """
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def read_revision(database: Path) -> tuple[int, str | None]:
    """How many tables a database has, and the schema revision it states; opened read-only.

    Raises LibraryError where the file is damaged or no database.
    """
    try:
        try:
            with closing(open_read_only(database)) as connection:
                return _tables_and_revision(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
                raise
        # Who made it was killed meanwhile: only who may write can take back what was begun.
        uri = f"{database.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return _tables_and_revision(connection)
    except sqlite3.Error as error:
        raise translated(error, database) from error


def _tables_and_revision(connection: sqlite3.Connection) -> tuple[int, str | None]:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    if "alembic_version" not in names:
        return len(names), None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return len(names), str(row[0]) if row else None


def copy_database(database: Path, copy: Path) -> None:
    """Copy a database as one consistent state, while others may use it. Raises LibraryError."""
    try:
        with (
            closing(open_read_only(database)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise translated(error, copy) from error


def translated(error: sqlite3.Error | DBAPIError, database: Path) -> LibraryError:
    """Say as an error of ours what SQLite met, and what to do about it."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(origin, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LibraryBusyError(
            f"another process is writing to {database} and did not finish in time; "
            "wait for it or stop it, then run the command again"
        )
    for prefix, advice in _ADVICE.items():
        if name.startswith(prefix):
            return LibraryError(f"{database}: {origin} ({name}); {advice}")
    return LibraryError(f"{database}: {origin} ({name}); this is a fault in blipsearch, report it")


def is_damage(error: sqlite3.Error | DBAPIError) -> bool:
    """Whether SQLite says that what it read is damaged."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(origin, "sqlite_errorname", None) or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


_ADVICE = {
    "SQLITE_FULL": "the disk is full: free some space and run the command again, "
    "everything acknowledged so far is kept",
    "SQLITE_CORRUPT": "the catalog is damaged: restore the library from a copy, "
    "or index its sources into a new library",
    "SQLITE_NOTADB": "this is no blipsearch catalog: choose another directory with --library, "
    "or restore the library from a copy",
    "SQLITE_READONLY": "blipsearch needs to write there: change the permissions "
    "or choose another directory with --library",
    "SQLITE_CANTOPEN": "check that the directory exists and can be read and written",
    "SQLITE_PERM": "check the permissions of the directory and the file",
    "SQLITE_IOERR": "the disk did not answer as it should: check it and its free space, "
    "then run the command again",
}


def open_read_only(database: Path) -> sqlite3.Connection:
    """Open a database that must be there, to read it only."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
