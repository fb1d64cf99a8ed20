"""Repairing a library: what can be made anew is, what cannot is said. No picture is touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from blipsearch.errors import LibraryError, SnapshotError
from blipsearch.library import Library
from blipsearch.records import CollectionInfo
from blipsearch.snapshots import Snapshots
from blipsearch.upkeep.catalog_checks import damaged_embeddings, in_collection
from blipsearch.upkeep.findings import Finding, OnProgress
from blipsearch.upkeep.leftovers import abandoned_files, delete_files
from blipsearch.upkeep.snapshot_checks import snapshot_fault
from blipsearch.upkeep.states_checks import drop_useless_states
from blipsearch.upkeep.verifying import chosen_collections, verify

__all__ = ["Mended", "RepairReport", "repair"]

DAMAGED_EMBEDDING = "its embedding was damaged; the next `blipsearch index` makes it again"
"""Why an image is failed whose embedding was thrown away."""


@dataclass(frozen=True, slots=True)
class Mended:
    """One thing that was done, and for how many items."""

    what: str
    where: str
    count: int


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was done, and what a verification still finds."""

    mended: tuple[Mended, ...]
    remaining: tuple[Finding, ...]


def repair(
    path: Path, *, collection: str | None = None, on_progress: OnProgress | None = None
) -> RepairReport:
    """Mend what `verify` finds and can be mended, then verify again.

    Never deletes pictures, images or what people said of them: an image whose embedding is damaged
    becomes a failed one that the next index run embeds again; what is said of images that are not
    there goes to a file in the library. Raises what `verify` raises.
    """
    done = _Done()
    # What cannot be read is no reason to stop: the verification finds it again.
    with _tolerant(), Library.open(path) as library:
        with _tolerant():
            _mend_catalog(done, library)
        for info in chosen_collections(library, collection):
            with _tolerant():
                _mend_collection(done, library, info, on_progress)
        count, freed = delete_files(abandoned_files(library))
        done.note(f"deleted abandoned files of {freed:,} bytes", str(path), count)
    report = verify(path, collection=collection, on_progress=on_progress)
    return RepairReport(tuple(done.mended), report.findings)


@dataclass(slots=True)
class _Done:
    mended: list[Mended] = field(default_factory=list)

    def note(self, what: str, where: str, count: int) -> None:
        if count:
            self.mended.append(Mended(what, where, count))


@contextmanager
def _tolerant() -> Iterator[None]:
    """Go on after damage; not after what says that nothing can or may be done at all."""
    try:
        yield
    except LibraryError as error:
        if type(error) not in {LibraryError, SnapshotError}:
            raise


def _mend_catalog(done: _Done, library: Library) -> None:
    catalog, where = library.catalog, str(library.catalog.path)
    if catalog.checks.integrity():
        catalog.mending.reindex()
        done.note("built the indexes of the database anew", where, 1)
    if catalog.checks.foreign_keys():
        done.note("made sources for images without one", where, catalog.mending.adopt_images())
        kept = _keep_orphans(library)
        if kept is not None:
            count = catalog.mending.drop_orphans()
            done.note(f"moved what is said of images that are not there to {kept}", where, count)
    if not catalog.checks.full_text_is_whole():
        catalog.mending.rebuild_full_text()
        done.note("built the full-text index of captions anew", where, 1)


def _keep_orphans(library: Library) -> Path | None:
    """Write the rows about images that are not there to a file; None where there is none."""
    lines = [
        json.dumps({"table": row.table, **row.values}, default=str) + "\n"
        for row in library.catalog.mending.orphans()
    ]
    if not lines:
        return None
    path = library.path / f"orphans-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.jsonl"
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LibraryError(f"cannot write {path}: {error}; make room there") from error
    return path


def _mend_collection(
    done: _Done, library: Library, info: CollectionInfo, on_progress: OnProgress | None
) -> None:
    catalog, where = library.catalog, in_collection(info)
    numbers = catalog.checks.numbers(info.id)
    if numbers.largest > numbers.newest or numbers.twice:
        catalog.mending.renumber(info.id, numbers.largest, numbers.twice)
        done.note("put change numbers right", where, max(1, len(numbers.twice)))
    _, damaged = damaged_embeddings(catalog, info, on_progress)
    if damaged:
        count = catalog.mending.forget_embeddings(info.id, damaged, DAMAGED_EMBEDDING)
        done.note(
            "threw damaged embeddings away; `blipsearch index` makes them again", where, count
        )
    _mend_snapshot(done, library, info)
    _mend_states(done, library, info)


def _mend_snapshot(done: _Done, library: Library, info: CollectionInfo) -> None:
    """Delete the snapshots that are wrong, down to one that is right, and write a new one."""
    wrong = []
    for path in Snapshots(library.directory(info)).paths():
        if snapshot_fault(library.catalog, info, path) is None:
            break
        wrong.append(path)
    if not wrong:
        return
    delete_files(wrong)
    with library.collection(info.name) as collection:
        collection.snapshot()
    done.note("built the vector snapshot anew", in_collection(info), 1)


def _mend_states(done: _Done, library: Library, info: CollectionInfo) -> None:
    report = drop_useless_states(library.catalog, info, library.directory(info))
    done.note("dropped image states of no use", in_collection(info), len(report.bad))
    done.note("deleted files of image states", in_collection(info), len(report.unfit))
