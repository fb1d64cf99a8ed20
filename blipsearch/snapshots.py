"""The snapshot files of one collection: finding the newest that holds, replacing it safely."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blipsearch.errors import SnapshotError
from blipsearch.vectors import SnapshotStamp, VectorIndex

__all__ = ["Loaded", "Snapshots"]

_NAME = re.compile(r"vectors-(\d+)\.faiss")
_KEPT = 2
_ABANDONED_SECONDS = 3600.0

logger = logging.getLogger("blipsearch.collection")


@dataclass(frozen=True, slots=True)
class Loaded:
    """An index as a snapshot had it, and the change number it reaches."""

    index: VectorIndex
    change: int
    path: Path


@dataclass(frozen=True, slots=True)
class Snapshots:
    """`vectors-<generation>.faiss` in a collection's directory; all of it can be deleted."""

    directory: Path

    def newest(self, fingerprint: str, dim: int, is_known: Callable[[str], bool]) -> Loaded | None:
        """Load the newest valid snapshot; None without one.

        A snapshot of another checkpoint, or with a token that the catalog does not know, belongs to
        another catalog. Each file that is passed over is logged with the reason.
        """
        for path in self._paths():
            try:
                index, stamp = VectorIndex.load(path)
            except SnapshotError as error:
                logger.warning("%s; trying an older one or the catalog", error)
                continue
            if stamp.fingerprint != fingerprint or index.dim != dim or not is_known(stamp.token):
                logger.warning("the snapshot %s was taken of another catalog; left alone", path)
                continue
            return Loaded(index, stamp.change, path)
        return None

    def write(self, index: VectorIndex, stamp: SnapshotStamp) -> Path:
        """Write the next generation and keep the newest two. Raises SnapshotError.

        The file takes its name only once the disk has all of it, so that no moment of a power cut
        leaves a half-written snapshot under a name that counts.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            path = self.directory / f"vectors-{self._next_generation()}.faiss"
            unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
            index.save(unfinished, stamp)
            unfinished.replace(path)
            _sync_directory(self.directory)
            self._prune()
        except OSError as error:
            raise SnapshotError(
                f"cannot write a snapshot to {self.directory}: {error}; the catalog is complete "
                "without it, the next opening rebuilds the index"
            ) from error
        return path

    def _paths(self) -> list[Path]:
        """The snapshot files, newest first."""
        if not self.directory.is_dir():
            return []
        found = [(_generation(path), path) for path in self.directory.iterdir()]
        return [path for generation, path in sorted(found, reverse=True) if generation]

    def _next_generation(self) -> int:
        return max((_generation(path) for path in self._paths()), default=0) + 1

    def _prune(self) -> None:
        for path in self._paths()[_KEPT:]:
            path.unlink(missing_ok=True)
        # Another process may be writing its own; what is an hour old was left by a killed one.
        for path in self.directory.glob("vectors-*.tmp"):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)


def _generation(path: Path) -> int:
    matched = _NAME.fullmatch(path.name)
    return int(matched[1]) if matched else 0


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":
        return  # Windows syncs a rename by itself and cannot open a directory
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
