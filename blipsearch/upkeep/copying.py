"""Copying a library while it is in use: the catalog as one state, and the files that fit it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blipsearch.catalog.sqlite import copy_database
from blipsearch.collection import STATES
from blipsearch.errors import LibraryError, SnapshotError
from blipsearch.library import CATALOG, COLLECTIONS, UPLOADS
from blipsearch.snapshots import Snapshots
from blipsearch.states import Folder
from blipsearch.upkeep.findings import OnProgress
from blipsearch.vectors import base_named, base_paths, sync_directory

__all__ = ["copy_library", "copy_states", "making", "sync_tree", "uploads_in"]

_UNFINISHED = (".part", ".tmp")


def copy_library(source: Path, target: Path, on_progress: OnProgress | None = None) -> None:
    """Copy catalog, uploaded pictures and vector snapshots into an empty directory.

    The catalog is one state, whatever is written meanwhile. Every picture uploaded before that
    state is there, and perhaps some that were removed by then; a snapshot is one that the state
    knows, if there is any. Raises LibraryError and OSError.
    """
    _copy_uploads(source, target, on_progress)
    # Before the catalog: one taken later would not be known to it.
    for directory in _collection_directories(source):
        _copy_snapshot(directory, target / COLLECTIONS / directory.name)
    if on_progress is not None:
        on_progress("catalog", 0, 1)
    copy_database(source / CATALOG, target / CATALOG)
    # Again: a picture is written before its row, so those of new rows are there by now.
    _copy_uploads(source, target, on_progress)


def copy_states(source: Path, target: Path, on_progress: OnProgress | None = None) -> None:
    """Copy the image states of all collections; records being written meanwhile may be torn."""
    directories = [one / STATES for one in _collection_directories(source)]
    files = [path for one in directories for path in Folder(one).segments()]
    for number, path in enumerate(files):
        into = target / path.relative_to(source).parent
        into.mkdir(parents=True, exist_ok=True)
        _copied(path, into / path.name)
        if on_progress is not None:
            on_progress("image states", number + 1, len(files))


def uploads_in(library: Path) -> list[Path]:
    """The uploaded pictures of a library, of all its collections."""
    return sorted(
        path
        for folder in library.glob(f"{UPLOADS}*")
        for path in folder.iterdir()
        if path.suffix not in _UNFINISHED and path.is_file() and not path.is_symlink()
    )


@contextmanager
def making(directory: Path) -> Iterator[Path]:
    """Make a directory to be filled; on an error all of it goes again.

    Raises LibraryError where the disk does not take it.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir()
    except OSError as error:
        raise LibraryError(
            f"cannot write to {directory.parent}: {error}; choose another"
        ) from error
    try:
        yield directory
    except OSError as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise LibraryError(
            f"cannot copy the library to {directory.parent}: {error}; free some space there or "
            "choose another disk, nothing was changed"
        ) from error
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def sync_tree(directory: Path) -> None:
    """Wait until the disk has all files and names below a directory. Raises OSError."""
    for folder, _, names in os.walk(directory):
        for name in names:
            with (Path(folder) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_directory(Path(folder))


def _copy_uploads(source: Path, target: Path, on_progress: OnProgress | None) -> None:
    lacking = [
        path for path in uploads_in(source) if not (target / path.relative_to(source)).exists()
    ]
    for number, path in enumerate(lacking):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(exist_ok=True)
        _copied(path, copy)
        if on_progress is not None:
            on_progress("uploaded pictures", number + 1, len(lacking))


def _copy_snapshot(directory: Path, target: Path) -> None:
    """Copy the newest snapshot and the base that it names, if none of them goes meanwhile."""
    path = Snapshots(directory).newest_path()
    if path is None:
        return
    try:
        token = base_named(path)
    except SnapshotError:
        return
    target.mkdir(parents=True, exist_ok=True)
    files = [path] if token is None else [*base_paths(directory, token), path]
    if not all(_copied(one, target / one.name) for one in files):
        for one in files:
            (target / one.name).unlink(missing_ok=True)


def _collection_directories(library: Path) -> list[Path]:
    return sorted(path for path in (library / COLLECTIONS).glob("*") if path.is_dir())


def _copied(source: Path, target: Path) -> bool:
    """Copy a file with its times; False where it is gone by now. Raises OSError."""
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise
        target.unlink(missing_ok=True)
        return False
    return True
