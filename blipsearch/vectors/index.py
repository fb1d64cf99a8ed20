"""VectorIndex: an unchanging coded base, and beside it what was added or changed since."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from blipsearch.errors import QueryError, ShapeError
from blipsearch.records import Embeddings
from blipsearch.vectors.coded import CodedBase
from blipsearch.vectors.exact import ExactPart, Found
from blipsearch.vectors.files import Contents, read_snapshot, write_snapshot
from blipsearch.vectors.refining import Refined
from blipsearch.vectors.selection import Selection
from blipsearch.vectors.values import (
    ExactVectors,
    Ids,
    IndexInfo,
    Neighbours,
    SnapshotStamp,
    check_ids,
    check_unit_rows,
)

__all__ = ["VectorIndex"]


class VectorIndex:
    """Unit vectors under 64-bit ids, searched by inner product, which is their cosine.

    Made by `exact`, `over` or `load`. Safe to share between threads: a search sees each `add` and
    `remove` wholly or not at all.
    """

    def __init__(
        self, part: ExactPart, base: CodedBase | None = None, alive: Selection | None = None
    ) -> None:
        self._part = part
        self._base = base
        self._alive = base.members if base is not None and alive is None else alive
        self._lock = threading.Lock()

    @classmethod
    def exact(cls, dim: int) -> VectorIndex:
        """Make an empty index that compares a query with every vector."""
        return cls(ExactPart.empty(dim))

    @classmethod
    def over(cls, base: CodedBase) -> VectorIndex:
        """Make an index of what a base holds."""
        return cls(ExactPart.empty(base.facts.dim), base)

    @property
    def kind(self) -> str:
        """How neighbours are found: `exact`, or the kind of the base."""
        return "exact" if self._base is None else self._base.facts.kind

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self._part.dim

    @property
    def base(self) -> CodedBase | None:
        """The coded base; None for an exact index."""
        return self._base

    @property
    def info(self) -> IndexInfo:
        """What the index is now."""
        with self._lock:
            part, alive = len(self._part), self._alive
            size = self._part.nbytes
        if self._base is None or alive is None:
            return IndexInfo("exact", "exact", part, part, 0, 0, 0, 1.0, size)
        facts = self._base.facts
        return IndexInfo(
            kind=facts.kind,
            description=facts.description,
            vectors=part + alive.count,
            exact=part,
            tombstones=len(self._base) - alive.count,
            lists=facts.lists,
            probes=facts.probes,
            recall=facts.recall,
            bytes=size + self._base.nbytes + alive.bits.nbytes,
        )

    def __len__(self) -> int:
        return self.info.vectors

    def ids(self) -> Ids:
        """All ids, (n,) int64, ascending."""
        with self._lock:
            ids, alive = self._part.ids, self._alive
        if self._base is not None and alive is not None:
            ids = np.concatenate([ids, self._base.ids_of(alive.slots())])
        return np.sort(ids)

    def exact_part(self) -> tuple[Ids, Embeddings]:
        """What is held as it is: ids (n,) int64 in any order and copies of their vectors."""
        with self._lock:
            return self._part.contents()

    def add(self, ids: Ids, vectors: Embeddings) -> None:
        """Add n vectors (n, dim) float32 of unit norm under their ids (n,); replaces ids there.

        Raises ShapeError where shape, dtype or norm differ, an id is negative or comes twice.
        """
        check_ids(ids)
        check_unit_rows(vectors, self.dim)
        if len(ids) != len(vectors):
            raise ShapeError(f"{len(ids)} ids were given for {len(vectors)} vectors")
        if len(np.unique(ids)) != len(ids):
            raise ShapeError("each id may be given once; some come twice")
        with self._lock:
            self._bury(ids)
            self._part.add(ids, vectors)

    def remove(self, ids: Ids) -> int:
        """Remove these ids; ids not there are left alone. Returns how many were removed."""
        check_ids(ids)
        with self._lock:
            return self._bury(ids) + self._part.remove(ids)

    def search(
        self,
        queries: Embeddings,
        k: int,
        within: Ids | None = None,
        exact_vectors: ExactVectors | None = None,
    ) -> Neighbours:
        """Find the k nearest of each query (q, dim) float32 of unit norm, best first.

        With `within` (n,) int64 only those ids count; ids not in the index are left alone, and k
        neighbours come back whenever `within` holds k. An index with a base asks `exact_vectors`
        for the vectors of a shortlist; then order and cosines are exact among what was found, and
        ids it does not give are left out. Without it they are those of the codes. Raises ShapeError
        for other queries and QueryError for k < 1.
        """
        check_unit_rows(queries, self.dim)
        if k < 1:
            raise QueryError(f"k must be at least 1, not {k}")
        if within is not None:
            check_ids(within)
        queries = np.ascontiguousarray(queries)
        with self._lock:
            alive = self._alive
            found = self._part.search(queries, k, within)
        if self._base is None or alive is None:
            return _padded(found, k, probes=0)
        chosen = alive
        if within is not None:
            chosen = alive.both(self._base.selection_of(within))
        if exact_vectors is None:
            probes = self._base.probes(k, chosen)
            coded = self._base.search(queries, k, probes, chosen)
        else:
            refined = Refined(self._base, exact_vectors, chosen)
            partly = chosen.count < alive.count  # the trials tried no filter
            coded, probes = refined.search(queries, k, certain=partly)
        return _padded(_merged(found, coded), k, probes)

    def save(self, path: Path, stamp: SnapshotStamp) -> None:
        """Write the index to a file and wait until the disk has it; a base stays in its own.

        Raises SnapshotError.
        """
        with self._lock:
            base, alive = self._base, self._alive
            payload = [b"" if alive is None else alive.bits.tobytes(), *self._part.to_bytes()]
            count = len(self._part)
        token = None if base is None else base.facts.token
        write_snapshot(path, stamp, Contents(self.kind, self.dim, count, token, payload))

    @classmethod
    def load(cls, path: Path) -> tuple[VectorIndex, SnapshotStamp]:
        """Read a snapshot and the base it names, in the same directory.

        Raises SnapshotError where either is missing, torn, changed or of another version.
        """
        part, base, alive, stamp = read_snapshot(path)
        return cls(part, base, alive), stamp

    def _bury(self, ids: Ids) -> int:
        """Take these ids out of what may be found in the base; returns how many were there."""
        if self._base is None or self._alive is None:
            return 0
        slots = self._base.slots_of(np.unique(ids))
        slots = slots[self._alive.has(slots)]
        if len(slots):
            self._alive = self._alive.without(slots)
        return len(slots)


def _merged(first: Found, second: Found) -> Found:
    cosines = np.concatenate([first[0], second[0]], axis=1)
    ids = np.concatenate([first[1], second[1]], axis=1)
    best = np.argsort(-cosines, axis=1, kind="stable")
    return np.take_along_axis(cosines, best, axis=1), np.take_along_axis(ids, best, axis=1)


def _padded(found: Found, k: int, probes: int) -> Neighbours:
    cosines, ids = found[0][:, :k], found[1][:, :k]
    missing = k - ids.shape[1]
    return Neighbours(
        ids=np.pad(ids, ((0, 0), (0, missing)), constant_values=-1),
        cosines=np.pad(cosines, ((0, 0), (0, missing)), constant_values=-np.inf),
        probes=probes,
    )
