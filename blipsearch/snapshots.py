"""The snapshot files of one collection: finding the newest that holds, replacing it safely."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blipsearch.errors import SnapshotError
from blipsearch.vectors import (
    CodedBase,
    SnapshotStamp,
    VectorIndex,
    base_named,
    base_paths,
    sync_directory,
)

__all__ = ["Loaded", "Snapshots"]

_NAME = re.compile(r"vectors-(\d+)\.faiss")
_BASE = re.compile(r"base-([0-9a-f]+)\.(?:faiss|head)")
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
    """`vectors-<generation>.faiss` and the bases they name; all of it can be deleted."""

    directory: Path

    def newest(self, fingerprint: str, dim: int, is_known: Callable[[str], bool]) -> Loaded | None:
        """Load the newest valid snapshot; None without one.

        A snapshot of another checkpoint, or with a token that the catalog does not know, belongs to
        another catalog. Each file that is passed over is logged with the reason.
        """
        return next(self._valid(self.paths(), fingerprint, dim, is_known), None)

    def paths(self) -> list[Path]:
        """The snapshot files, newest first."""
        if not self.directory.is_dir():
            return []
        found = [(_generation(path), path) for path in self.directory.iterdir()]
        return [path for generation, path in sorted(found, reverse=True) if generation]

    def newest_path(self) -> Path | None:
        """The newest snapshot's file, whatever is in it."""
        return next(iter(self.paths()), None)

    def over_newer_base(
        self, base: CodedBase | None, fingerprint: str, dim: int, is_known: Callable[[str], bool]
    ) -> Loaded | None:
        """Load the newest snapshot if it was taken over a newer base than this one; else None."""
        path = self.newest_path()
        if path is None:
            return None
        try:
            token = base_named(path)
        except SnapshotError:
            return None  # whoever opens the collection next says so
        if token is None or (base is not None and token == base.facts.token):
            return None
        found = next(self._valid([path], fingerprint, dim, is_known), None)
        if found is None or found.index.base is None:
            return None
        newer = base is None or found.index.base.facts.age > base.facts.age
        return found if newer else None

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
            sync_directory(self.directory)
            self._prune()
        except OSError as error:
            raise SnapshotError(
                f"cannot write a snapshot to {self.directory}: {error}; the catalog is complete "
                "without it, the next opening rebuilds the index"
            ) from error
        return path

    def _valid(
        self, paths: list[Path], fingerprint: str, dim: int, is_known: Callable[[str], bool]
    ) -> Iterator[Loaded]:
        for path in paths:
            try:
                index, stamp = VectorIndex.load(path)
            except SnapshotError as error:
                logger.warning("%s; trying an older one or the catalog", error)
                continue
            if stamp.fingerprint != fingerprint or index.dim != dim or not is_known(stamp.token):
                logger.warning("the snapshot %s was taken of another catalog; left alone", path)
                continue
            yield Loaded(index, stamp.change, path)

    def _next_generation(self) -> int:
        return max((_generation(path) for path in self.paths()), default=0) + 1

    def _prune(self) -> None:
        for path in self.paths()[_KEPT:]:
            path.unlink(missing_ok=True)
        named = set()
        for path in self.paths():
            with suppress(SnapshotError):
                token = base_named(path)
                named |= set() if token is None else set(base_paths(self.directory, token))
        # Another process may be writing its own, or a base that no snapshot names yet; what is an
        # hour old was left by a killed one, or by a snapshot that is gone. A process that still
        # has such a base mapped keeps it until it lets go.
        for pattern in ("vectors-*.tmp", "base-*"):
            for path in self.directory.glob(pattern):
                own = path.suffix == ".tmp" or _BASE.fullmatch(path.name) is not None
                if own and path not in named and _age(path) > _ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)


def _generation(path: Path) -> int:
    matched = _NAME.fullmatch(path.name)
    return int(matched[1]) if matched else 0


def _age(path: Path) -> float:
    """How many seconds ago a file was written; 0 for one that is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
