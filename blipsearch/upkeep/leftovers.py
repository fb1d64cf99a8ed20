"""Files in a library that nobody will ever read again: what killed processes left unfinished."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from blipsearch.library import COLLECTIONS, UPLOADS, Library

__all__ = ["abandoned_files", "bytes_of", "delete_files", "size_of"]

_ABANDONED_SECONDS = 3600.0
"""What is younger may be being written."""
_UNFINISHED = (
    f"{COLLECTIONS}/*/*.tmp",
    f"{COLLECTIONS}/*/*/*.tmp",
    f"{UPLOADS}*/*.part",
)


def abandoned_files(library: Library) -> list[Path]:
    """Unfinished files an hour old, and all that lies in directories of removed collections.

    Pictures, finished ones, are never among them.
    """
    found = [path for pattern in _UNFINISHED for path in library.path.glob(pattern)]
    found += _of_removed_collections(library)
    return sorted(path for path in set(found) if _age(path) > _ABANDONED_SECONDS)


def delete_files(paths: list[Path]) -> tuple[int, int]:
    """Delete files, and directories that are empty then; returns how many and their bytes.

    One that is gone already, or cannot be deleted, is left out.
    """
    count = freed = 0
    for path in paths:
        with suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            count, freed = count + 1, freed + size
    for directory in sorted({path.parent for path in paths}, reverse=True):
        # Only one that is empty goes.
        with suppress(OSError):
            directory.rmdir()
    return count, freed


def size_of(directory: Path) -> int:
    """The bytes of all files in a directory and below; 0 where it is not there."""
    return bytes_of(_files_below(directory))


def bytes_of(paths: Iterable[Path]) -> int:
    """The bytes of files, without those that somebody has deleted since they were found."""
    size = 0
    for path in paths:
        with suppress(FileNotFoundError):
            size += path.lstat().st_size
    return size


def _of_removed_collections(library: Library) -> Iterator[Path]:
    known = {str(info.id) for info in library.collections()}
    collections = library.path / COLLECTIONS
    if not collections.is_dir():
        return
    for directory in collections.iterdir():
        if re.fullmatch(r"\d+", directory.name) and directory.name not in known:
            yield from _files_below(directory)


def _files_below(directory: Path) -> Iterator[Path]:
    """All files in a directory and below; unlike `rglob` it minds no folder that goes meanwhile."""
    for folder, _, names in os.walk(directory):
        yield from (Path(folder) / name for name in names)


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0
