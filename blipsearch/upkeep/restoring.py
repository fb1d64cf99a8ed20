"""Putting a backup back: beside what is there first, and in its place only once it is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blipsearch.catalog.files import check_file, is_in_use, settle
from blipsearch.catalog.revisions import Migrations
from blipsearch.errors import LibraryBusyError, LibraryError, LibraryNotFoundError
from blipsearch.library import CATALOG
from blipsearch.upkeep.copying import copy_library, copy_states, making, sync_tree
from blipsearch.upkeep.findings import OnProgress
from blipsearch.vectors import sync_directory

__all__ = ["RestoreReport", "restore"]

_OF_THE_DISK = frozenset({"lost+found"})


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """Where the library is again, and where what was there before is now; None if nothing was.

    Where `needs_upgrade`, an older blipsearch made the backup.
    """

    path: Path
    aside: Path | None
    needs_upgrade: bool


def restore(
    backup: Path, directory: Path, *, replace: bool = False, on_progress: OnProgress | None = None
) -> RestoreReport:
    """Make a library of a backup, which stays as it is.

    With `replace` a directory that is not empty is moved aside, not deleted. Raises
    LibraryNotFoundError where there is no backup, LibraryRevisionError for one of a newer
    blipsearch, LibraryBusyError where somebody uses what is to be replaced, and LibraryError for a
    damaged backup and a directory that is not empty. The directory is untouched then.
    """
    backup = backup.expanduser().absolute()
    directory = Path(os.path.abspath(directory.expanduser()))  # noqa: PTH100  # links stay
    is_current = _is_current(backup)
    _check_directory(backup, directory, replace=replace)
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    within = _must_stay(directory)
    unfinished = f".{directory.name}.{os.getpid()}.unfinished"
    with making(directory / unfinished if within else directory.with_name(unfinished)) as copy:
        copy_library(backup, copy, on_progress)
        copy_states(backup, copy, on_progress)
        settle(copy / CATALOG)
        check_file(copy / CATALOG)
        sync_tree(copy)
        if within:
            aside = _move_in(copy, directory, directory / f"before-{moment}")
        else:
            aside = _swap(copy, directory, directory.with_name(f"{directory.name}.before-{moment}"))
    return RestoreReport(directory, aside, needs_upgrade=not is_current)


def _is_current(backup: Path) -> bool:
    """Whether a backup is of this program's schema, not of an older one."""
    try:
        return Migrations.shipped().is_current(backup / CATALOG)
    except LibraryNotFoundError as error:
        raise LibraryNotFoundError(
            f"there is no backup in {backup}; name a directory that `blipsearch backup` made"
        ) from error


def _check_directory(backup: Path, directory: Path, *, replace: bool) -> None:
    if directory.exists() and not directory.is_dir():
        raise LibraryError(f"{directory} is no directory; name another with --library")
    here, there = directory.resolve(), backup.resolve()
    if here == there:
        raise LibraryError(f"{backup} is the library itself; name its backup")
    if here.is_relative_to(there):
        raise LibraryError(
            f"{directory} lies inside the backup, which is left alone; name another directory with "
            "--library"
        )
    if there.is_relative_to(here):
        raise LibraryError(
            f"the backup lies inside {directory}, which would be moved aside with it; move the "
            "backup elsewhere, or name another directory with --library"
        )
    if not _contents(directory):
        return
    if not replace:
        raise LibraryError(
            f"{directory} is not empty, and it is left alone; restore to another directory with "
            "--library, or add --replace: what is there is moved aside then, not deleted"
        )
    if is_in_use(directory / CATALOG):
        raise LibraryBusyError(
            f"another process uses the library {directory}; stop it (`blipsearch serve`, "
            "`blipsearch index`), then run the command again"
        )


def _contents(directory: Path) -> list[Path]:
    """What lies in a directory, but for what every disk has."""
    if not directory.is_dir():
        return []
    return [path for path in directory.iterdir() if path.name not in _OF_THE_DISK]


def _must_stay(directory: Path) -> bool:
    """Whether a directory cannot be renamed: it is a disk's root, or its parent is not ours."""
    if not directory.is_dir():
        return False
    return directory.is_mount() or not os.access(directory.parent, os.W_OK | os.X_OK)


def _swap(copy: Path, directory: Path, aside: Path) -> Path | None:
    """Give the copy the directory's name, and what had it another. Raises OSError."""
    if not directory.exists():
        copy.rename(directory)
        sync_directory(directory.parent)
        return None
    was_empty = not _contents(directory)
    directory.rename(aside)
    try:
        copy.rename(directory)
    except OSError:
        aside.rename(directory)
        raise
    sync_directory(directory.parent)
    if was_empty:
        aside.rmdir()
        return None
    return aside


def _move_in(copy: Path, directory: Path, aside: Path) -> Path | None:
    """Move what lies in the directory into one within, and the copy's parts up. Raises OSError.

    The catalog goes first and comes last: no moment shows half a library as a whole one.
    """
    old = [path for path in _contents(directory) if path != copy and path.name != aside.name]
    if old:
        aside.mkdir()
    for path in sorted(old, key=_is_catalog, reverse=True):
        path.rename(aside / path.name)
    for path in sorted(copy.iterdir(), key=_is_catalog):
        path.rename(directory / path.name)
    copy.rmdir()
    sync_directory(directory)
    return aside if old else None


def _is_catalog(path: Path) -> bool:
    return path.name.startswith(CATALOG)
