"""Lock: one indexer at a time for a collection, and who it is."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from blipsearch.errors import LibraryBusyError, LibraryError

__all__ = ["Holder", "check_not_held", "holder_of", "indexing_alone"]

_LOCK = "index.lock"
_HOLDER = "indexer.json"
PATIENCE = 1.0
"""Seconds that an indexer waits for the lock: as long as somebody may take to look whether it is
held, on a machine that has much to do."""
GLANCE = 0.1
"""Seconds that one who looks waits for another who does."""

_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


@dataclass(frozen=True, slots=True)
class Holder:
    """Who indexes a collection: a process on a machine, since when, and how it was called."""

    pid: int
    host: str
    started_at: datetime
    command: str

    def __str__(self) -> str:
        since = f"{self.started_at.astimezone():%Y-%m-%d %H:%M:%S}"
        return f"process {self.pid} on {self.host} since {since} ({self.command})"


@contextmanager
def indexing_alone(directory: Path) -> Iterator[None]:
    """Hold a collection's lock for the length of the block; inside of it, once more is free.

    `directory` is the collection's. A process that ends in any way lets go of it. Raises
    LibraryBusyError, saying who holds it, and LibraryError where there is no room for a lock.
    """
    directory = directory.absolute()
    if directory in _held.get():
        yield
        return
    with _locked(directory, PATIENCE):
        token = _held.set(_held.get() | {directory})
        try:
            _tell(directory / _HOLDER)
            yield
        finally:
            _held.reset(token)
            (directory / _HOLDER).unlink(missing_ok=True)


def check_not_held(directory: Path) -> None:
    """Raise LibraryBusyError, saying who it is, where another process indexes."""
    if (directory / _LOCK).exists() and directory.absolute() not in _held.get():
        with _locked(directory, GLANCE):
            pass


def holder_of(directory: Path) -> Holder | None:
    """Who indexes into a collection now; None where nobody does, or nobody says."""
    try:
        check_not_held(directory)
    except LibraryBusyError:
        return _told(directory / _HOLDER)
    except LibraryError:
        return None
    return None


@contextmanager
def _locked(directory: Path, patience: float) -> Iterator[None]:
    lock = FileLock(directory / _LOCK)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience)
    except Timeout as error:
        holder = _told(directory / _HOLDER)
        raise LibraryBusyError(
            f"this collection is being indexed by {holder or 'another process'}; wait until it "
            "is done, or stop it: what it wrote stays, and the next run goes on from there"
        ) from error
    except OSError as error:
        raise LibraryError(
            f"cannot take the lock {directory / _LOCK}: {error}; make room there, or the folder "
            "writable"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _tell(path: Path) -> None:
    """Write down who holds the lock; not worth failing for, as it is only for the message."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    holder = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC), command)
    unfinished = path.with_suffix(".part")
    try:
        document = asdict(holder) | {"started_at": holder.started_at.isoformat()}
        unfinished.write_text(json.dumps(document), encoding="utf-8")
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)


def _told(path: Path) -> Holder | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        started_at = datetime.fromisoformat(document["started_at"])
        return Holder(document["pid"], document["host"], started_at, document["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
