"""The vector index of an open collection: in memory, in step with the catalog, kept on disk."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from blipsearch.catalog import Catalog, Changes
from blipsearch.records import CollectionInfo
from blipsearch.snapshots import Snapshots
from blipsearch.vectors import SnapshotStamp, VectorIndex

__all__ = ["LiveIndex"]

logger = logging.getLogger("blipsearch.collection")


class LiveIndex:
    """Loaded from the newest snapshot that holds, else built anew; safe to share between threads.

    `index` is what to search: as new as the last `refresh`.
    """

    def __init__(self, catalog: Catalog, info: CollectionInfo, directory: Path) -> None:
        self.index = VectorIndex.exact(info.checkpoint.dim)
        self._catalog = catalog
        self._id = info.id
        self._checkpoint = info.checkpoint
        self._snapshots = Snapshots(directory)
        self._lock = threading.RLock()
        self._change = 0
        self._snapshot: tuple[Path, int] | None = None
        self._load(info)

    def clear(self) -> None:
        """Let go of the vectors."""
        self.index = VectorIndex.exact(self._checkpoint.dim)

    def refresh(self) -> bool:
        """Follow what was written to the catalog; returns whether there was anything.

        Raises CollectionNotFoundError once the collection was removed.
        """
        with self._lock:
            newest = self._catalog.follower.newest(self._id)
            if newest == self._change:
                return False
            if newest < self._change:
                logger.warning("the catalog went back in time; building the index again")
                self._rebuild()
            else:
                self._replay()
            return True

    def snapshot(self) -> Path:
        """Write a snapshot, or return the last one where nothing changed. Raises SnapshotError."""
        with self._lock:
            if self._snapshot is not None:
                path, change = self._snapshot
                if change == self._change and path.is_file():
                    return path
            token = self._catalog.snapshots.new(self._id, self._change)
            stamp = SnapshotStamp(self._change, self._checkpoint.fingerprint, token)
            path = self._snapshots.write(self.index, stamp)
            self._snapshot = path, self._change
            return path

    def _load(self, info: CollectionInfo) -> None:
        own = self._checkpoint
        found = self._snapshots.newest(
            own.fingerprint,
            own.dim,
            is_known=lambda token: self._catalog.snapshots.knows(self._id, token),
        )
        if found is not None:
            self.index, self._change = found.index, found.change
            self._snapshot = found.path, found.change
            self._replay()
            return
        if info.indexed:
            logger.warning(
                "collection %r has no usable snapshot; building its index from the catalog",
                info.name,
            )
        self._rebuild()

    def _rebuild(self) -> None:
        index = VectorIndex.exact(self._checkpoint.dim)
        self._change = self._replay_into(index, after=0)
        self.index = index  # only now: searches meanwhile had the old one
        self._snapshot = None

    def _replay(self) -> None:
        self._change = self._replay_into(self.index, self._change)

    def _replay_into(self, index: VectorIndex, after: int) -> int:
        def apply(changes: Changes) -> None:
            index.remove(changes.gone)
            index.add(changes.ids, changes.embeddings)

        return self._catalog.follower.replay(self._id, self._checkpoint.dim, after, apply)
