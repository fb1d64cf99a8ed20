"""Walk: the image files below a folder, without following links or looking into hidden folders."""

from __future__ import annotations

import os
from typing import NamedTuple

from blipsearch.images import SUFFIXES

__all__ = ["Stamp", "Walk", "is_image_name"]


class Stamp(NamedTuple):
    """What shows that a file changed; `mtime_ns` is in nanoseconds."""

    size: int
    mtime_ns: int


def is_image_name(name: str) -> bool:
    """Say whether a file's name promises an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122  # called for every file


class Walk:
    """Collects files by absolute path; `notices` say which folders could not be looked into."""

    def __init__(self) -> None:
        self.found: dict[str, Stamp] = {}
        self.notices: list[str] = []
        self._folders: set[str] = set()

    def add(self, path: str) -> None:
        """Take one file; one that vanished meanwhile is left out."""
        try:
            status = os.stat(path)  # noqa: PTH116  # called for every file
        except OSError:
            return
        self.found[path] = Stamp(status.st_size, status.st_mtime_ns)

    def add_folder(self, folder: str) -> None:
        """Take every image file in a folder and in the folders below, each folder once."""
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            if current in self._folders:
                continue
            self._folders.add(current)
            try:
                with os.scandir(current) as entries:
                    waiting += [below for entry in entries if (below := self._take(entry))]
            except OSError as error:
                self.notices.append(f"{current} cannot be looked into: {error.strerror or error}")

    def _take(self, entry: os.DirEntry[str]) -> str | None:
        """Take a file; give back a folder to look into."""
        if entry.name.startswith("."):
            return None
        try:
            if entry.is_dir(follow_symlinks=False):
                return entry.path
            if is_image_name(entry.name) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                self.found[entry.path] = Stamp(status.st_size, status.st_mtime_ns)
        except OSError:
            return None  # gone since the folder was listed, or not to be looked at: no file to take
        return None
