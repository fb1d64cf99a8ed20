"""Compacting a library: what nobody needs any more goes, and the disk gets its room back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blipsearch.catalog.files import pack
from blipsearch.collection import STATES, Collection
from blipsearch.errors import LibraryError
from blipsearch.library import CATALOG, COLLECTIONS, Library
from blipsearch.records import CollectionInfo
from blipsearch.snapshots import Snapshots
from blipsearch.states import StateStore
from blipsearch.upkeep.findings import OnProgress
from blipsearch.upkeep.leftovers import abandoned_files, bytes_of, delete_files, size_of
from blipsearch.upkeep.states_checks import drop_useless_states

__all__ = ["CompactReport", "compact"]

_FOLLOWERS = timedelta(days=1)
"""So long deletions are kept for processes that have the library open and follow it."""


@dataclass(frozen=True, slots=True)
class CompactReport:
    """What went, and the bytes of catalog and derived files before and after.

    Where somebody read meanwhile `is_packed` is False: the catalog's file shrinks at the next
    compacting.
    """

    before: int
    after: int
    deletions: int
    files: int
    is_packed: bool


def compact(
    library: Library, *, on_progress: OnProgress | None = None, busy_seconds: float = 30.0
) -> CompactReport:
    """Forget deletions that everybody has seen, pack the catalog, shrink snapshots and states.

    Others may search meanwhile. Raises LibraryBusyError where another process writes for long, and
    LibraryError where the disk has no room for the catalog a second time.
    """
    before = _size(library.path)
    infos = library.collections()
    deletions = 0
    for number, info in enumerate(infos):
        if on_progress is not None:
            on_progress("collections", number, len(infos))
        with library.collection(info.name) as collection:
            deletions += _compact_collection(library, info, collection)
    files, _ = delete_files(abandoned_files(library))
    _check_room(library.catalog.path)
    if on_progress is not None:
        on_progress("catalog", 0, 1)
    is_packed = pack(library.catalog.path, busy_seconds=busy_seconds)
    return CompactReport(before, _size(library.path), deletions, files, is_packed)


def _compact_collection(library: Library, info: CollectionInfo, collection: Collection) -> int:
    """Returns how many deletions were forgotten."""
    newest = collection.snapshot()
    through = collection.change
    # The older ones would need the deletions that go.
    older = [path for path in Snapshots(library.directory(info)).paths() if path != newest]
    delete_files(older)
    moment = datetime.now(UTC) - _FOLLOWERS
    count = library.catalog.mending.forget_deletions(info.id, through, moment)
    _compact_states(library, info)
    return count


def _compact_states(library: Library, info: CollectionInfo) -> None:
    drop_useless_states(library.catalog, info, library.directory(info))
    directory, fingerprint = library.directory(info) / STATES, info.checkpoint.fingerprint
    with StateStore(directory, fingerprint, info.states_kind, info.states_budget) as store:
        store.compact()


def _check_room(database: Path) -> None:
    """Raise LibraryError unless the disk takes the catalog twice more: a copy, and the log."""
    needed = 2 * database.stat().st_size
    free = shutil.disk_usage(database.parent).free
    if free < needed:
        raise LibraryError(
            f"packing {database} takes {needed >> 20} MiB for a while and {free >> 20} MiB are "
            "free; free some space and run the command again"
        )


def _size(directory: Path) -> int:
    """The bytes of catalog and derived files: not of pictures that were uploaded."""
    return bytes_of(directory.glob(f"{CATALOG}*")) + size_of(directory / COLLECTIONS)
