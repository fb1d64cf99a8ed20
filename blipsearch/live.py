"""The vector index of an open collection: in memory, in step with the catalog, kept on disk."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from blipsearch.catalog import Catalog, Changes
from blipsearch.errors import LibraryBusyError
from blipsearch.records import CollectionInfo, Embeddings
from blipsearch.snapshots import Snapshots
from blipsearch.vectors import (
    EXACT_AT_MOST,
    BuildProgress,
    BuildSource,
    IndexNeeds,
    IndexPlan,
    Neighbours,
    SnapshotStamp,
    VectorIndex,
    build_base,
    plan_index,
)

__all__ = ["LiveIndex"]

_STALE_SHARE = 0.1
"""A base is built again once so much of it, or so many beside it, changed since."""

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
        self._directory = directory
        self._snapshots = Snapshots(directory)
        self._lock = threading.RLock()
        self._change = 0
        self._snapshot: tuple[Path, int] | None = None
        self._seen: Path | None = None  # the newest snapshot file whose base was looked at
        self._load(info)

    @property
    def change(self) -> int:
        """The number of the last change that the index has."""
        return self._change

    def clear(self) -> None:
        """Let go of the vectors."""
        self.index = VectorIndex.exact(self._checkpoint.dim)

    def search(
        self, vectors: Embeddings, k: int, within: npt.NDArray[np.int64] | None = None
    ) -> Neighbours:
        """Find the k nearest of each vector, their cosines exact; see VectorIndex.search."""
        return self.index.search(vectors, k, within, self.embeddings)

    def embeddings(self, ids: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Embeddings]:
        """Those of these ids that are indexed, (n,), and the catalog's vectors of them (n, dim)."""
        return self._catalog.entries.embeddings(self._id, self._checkpoint.dim, ids)

    def indexed_ids(self) -> npt.NDArray[np.int64]:
        """The ids of all indexed images as the catalog has them now, (n,), ascending."""
        return self._catalog.entries.indexed_ids(self._id)

    def refresh(self) -> bool:
        """Follow what was written to the catalog; returns whether there was anything.

        A base that another process built meanwhile is taken over; that changes no result. Raises
        CollectionNotFoundError once the collection was removed.
        """
        with self._lock:
            before = self._change
            self._follow_base()
            newest = self._catalog.follower.newest(self._id)
            if newest < self._change:
                logger.warning("the catalog went back in time; building the index again")
                self._rebuild()
            elif newest > self._change:
                self._replay()
            return self._change != before

    def snapshot(self) -> Path:
        """Write a snapshot, or return the last one where nothing changed. Raises SnapshotError."""
        with self._lock:
            if self._snapshot is not None:
                path, change = self._snapshot
                if change == self._change and path.is_file():
                    return path
            self._follow_base()  # an older base must not come after a newer one
            token = self._catalog.snapshots.new(self._id, self._change)
            stamp = SnapshotStamp(self._change, self._checkpoint.fingerprint, token)
            path = self._snapshots.write(self.index, stamp)
            self._snapshot = path, self._change
            self._seen = path
            return path

    def wants_build(self, needs: IndexNeeds) -> bool:
        """Whether a build would make another kind of index, or tidy up a base that aged."""
        base, info = self.index.base, self.index.info
        plan = plan_index(info.vectors, self._checkpoint.dim, needs)
        if base is None:
            return plan.kind != "exact"
        if plan.kind == "exact" and needs.recall < 1:
            # Near the border a few images more or less are no reason to go back and forth.
            return info.vectors < EXACT_AT_MOST // 2
        aged = info.exact + info.tombstones > _STALE_SHARE * len(base)
        return aged or plan.kind != base.facts.kind or needs.recall > base.facts.wanted

    def build(
        self, needs: IndexNeeds, on_progress: BuildProgress | None, stop: threading.Event
    ) -> IndexPlan | None:
        """Build the index that suits, switch to it and save it; returns its plan, None if stopped.

        Searches are answered by the old one until then. Raises LibraryBusyError where another
        process builds this collection's index, SnapshotError where the disk does not take it.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._directory / "build.lock", timeout=0):
                return self._build(needs, on_progress, stop)
        except Timeout as error:
            raise LibraryBusyError(
                f"the index in {self._directory} is being built already; wait for it, searches "
                "take it over by themselves"
            ) from error

    def _build(
        self, needs: IndexNeeds, on_progress: BuildProgress | None, stop: threading.Event
    ) -> IndexPlan | None:
        change = self._catalog.follower.newest(self._id)
        ids = self.indexed_ids()
        plan = plan_index(len(ids), self._checkpoint.dim, needs)
        if plan.kind == "exact":
            index, change = VectorIndex.exact(self._checkpoint.dim), 0
        else:
            source = BuildSource(ids, self.embeddings, change, self._checkpoint.fingerprint)
            base = build_base(source, plan, needs.recall, self._directory, on_progress, stop)
            if base is None:
                return None
            index = VectorIndex.over(base)
        change = self._replay_into(index, change)
        with self._lock:
            if stop.is_set():
                return None
            self._change = self._replay_into(index, change)
            self.index = index
            self._snapshot = None
            self.snapshot()
        return plan

    def _load(self, info: CollectionInfo) -> None:
        own = self._checkpoint
        self._seen = self._snapshots.newest_path()
        found = self._snapshots.newest(own.fingerprint, own.dim, self._is_known)
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

    def _follow_base(self) -> None:
        """Take over the newest snapshot where another process took it over a newer base."""
        path = self._snapshots.newest_path()
        if path is None or path == self._seen:
            return
        self._seen = path
        own = self._checkpoint
        found = self._snapshots.over_newer_base(
            self.index.base, own.fingerprint, own.dim, self._is_known
        )
        if found is None or found.change > self._catalog.follower.newest(self._id):
            return
        change = self._replay_into(found.index, found.change)
        self.index, self._change = found.index, change
        self._snapshot = found.path, found.change

    def _is_known(self, token: str) -> bool:
        return self._catalog.snapshots.knows(self._id, token)

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
