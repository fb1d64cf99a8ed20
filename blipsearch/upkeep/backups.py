"""Backups of a library: made while it is in use, checked before they have their name; put back."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from blipsearch.catalog import Catalog
from blipsearch.catalog.files import check_file, settle
from blipsearch.catalog.revisions import Migrations
from blipsearch.errors import LibraryError
from blipsearch.library import CATALOG, COLLECTIONS, Library, uploads_of
from blipsearch.records import CollectionInfo, Source
from blipsearch.upkeep.copying import (
    copy_library,
    copy_states,
    making,
    sync_tree,
    uploads_in,
)
from blipsearch.upkeep.findings import OnProgress
from blipsearch.upkeep.leftovers import bytes_of, size_of
from blipsearch.upkeep.states_checks import drop_useless_states
from blipsearch.vectors import sync_directory

__all__ = ["BackupReport", "back_up"]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds: images by the catalog, uploaded pictures, and bytes of all of it."""

    path: Path
    images: int
    uploads: int
    bytes: int


def back_up(
    library: Library,
    destination: Path,
    *,
    states: bool = False,
    on_progress: OnProgress | None = None,
) -> BackupReport:
    """Copy a library to a directory that is a library itself; others may read and write meanwhile.

    It shows one state of the catalog. Until it is whole, checked and on the disk it has another
    name, so that what has the name is good. Image states come along where asked for. Raises
    LibraryError where there is something of that name, or the disk does not take it.
    """
    source = library.path.absolute()
    # Without `..`, so that it has a name and its catalog's sources are below it.
    destination = Path(os.path.abspath(destination.expanduser()))  # noqa: PTH100  # links stay
    _check_destination(source, destination)
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}.unfinished")
    with making(unfinished) as copy:
        _check_room(source, unfinished, states=states)
        copy_library(source, copy, on_progress)
        if states:
            copy_states(source, copy, on_progress)
        images = _tidy(copy, library.catalog)
        check_file(copy / CATALOG)
        Migrations.shipped().check(copy / CATALOG)
        report = BackupReport(destination, images, len(uploads_in(copy)), size_of(copy))
        sync_tree(copy)
        copy.rename(destination)
        sync_directory(destination.parent)
    return report


def _tidy(copy: Path, live: Catalog) -> int:
    """Make catalog, uploaded pictures and states of a copy one; returns how many images it has."""
    catalog = Catalog(copy / CATALOG)
    try:
        for info in catalog.collections.all():
            for source in catalog.sources.all(info.id):
                if Path(source.root) == uploads_of(copy, info.id):
                    _tidy_uploads(catalog, live, info, source)
            drop_useless_states(catalog, info, copy / COLLECTIONS / str(info.id))
        infos = catalog.collections.all()
    finally:
        catalog.close()
    settle(copy / CATALOG)
    return sum(info.indexed + info.failed + info.missing for info in infos)


def _tidy_uploads(catalog: Catalog, live: Catalog, info: CollectionInfo, source: Source) -> None:
    """Leave out what was removed, or not yet added, while the copy was made."""
    known = catalog.entries.known_files(info.id, source.id)
    folder = Path(source.root)
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in there - known.keys():
        (folder / name).unlink()
    if known.keys() <= there:
        return
    # Its picture went while the copy was made, and so did those of all that was removed at once,
    # though some of them were copied in time: a part of that would be a state that never was. An
    # image that is still in the library has lost its picture otherwise: that is not hidden.
    alive = {file.id for file in live.entries.known_files(info.id, source.id).values()}
    removed = {name: file.id for name, file in known.items() if file.id not in alive}
    catalog.images.remove(info.id, removed.values())
    for name in removed.keys() & there:
        (folder / name).unlink()


def _check_destination(source: Path, destination: Path) -> None:
    if os.path.lexists(destination):
        raise LibraryError(
            f"there is already something at {destination}, and it is left alone; name a directory "
            "that is not there yet"
        )
    if destination.resolve().is_relative_to(source.resolve()):
        raise LibraryError(
            f"{destination} lies inside the library that is to be kept safe; name a directory "
            "outside, best on another disk"
        )


def _check_room(source: Path, copy: Path, *, states: bool) -> None:
    """Raise LibraryError unless the disk has room for the copy."""
    needed = bytes_of([*source.glob(f"{CATALOG}*"), *uploads_in(source)])
    if states:
        needed += size_of(source / COLLECTIONS)
    free = shutil.disk_usage(copy).free
    if free < needed:
        raise LibraryError(
            f"the backup takes {needed >> 20} MiB and {free >> 20} MiB are free at {copy.parent}; "
            "free some space there or choose another disk"
        )
