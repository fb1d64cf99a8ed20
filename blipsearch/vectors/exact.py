"""ExactPart: vectors kept as they are and compared one by one; it can be changed in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings
from blipsearch.vectors.engine import faiss
from blipsearch.vectors.values import Ids

__all__ = ["ExactPart", "Found", "nothing"]

Found = tuple[npt.NDArray[np.float32], Ids]
"""Cosines and ids, both (q, n), best first; an id of -1 is a place left empty."""


class ExactPart:
    """Unit vectors in slots of one array, under their ids. Its owner locks."""

    def __init__(self, flat: Any, ids: Ids) -> None:  # noqa: ANN401  # faiss ships no types
        self._flat = flat
        self.ids = ids  # slot in `flat` -> id

    @classmethod
    def empty(cls, dim: int) -> ExactPart:
        """Make a part that holds nothing yet."""
        return cls(faiss.IndexFlatIP(dim), np.empty(0, dtype=np.int64))

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return int(self._flat.d)

    @property
    def nbytes(self) -> int:
        """What vectors and ids take in memory."""
        return len(self.ids) * (4 * self.dim + 8)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Ids, vectors: Embeddings) -> None:
        """Add n vectors under ids, each given once; replaces ids there."""
        slots = np.flatnonzero(np.isin(self.ids, ids))
        order = np.argsort(ids)
        rows = order[np.searchsorted(ids, self.ids[slots], sorter=order)]
        self._vectors()[slots] = vectors[rows]
        new = np.ones(len(ids), dtype=np.bool_)
        new[rows] = False
        self._flat.add(np.ascontiguousarray(vectors[new]))
        self.ids = np.concatenate([self.ids, ids[new]])

    def remove(self, ids: Ids) -> int:
        """Remove these ids; ids not there are left alone. Returns how many were removed."""
        removed = np.isin(self.ids, ids)
        count = int(np.count_nonzero(removed))
        if not count:
            return 0
        # The last vectors move into the holes, so the cost is that of what is removed.
        kept = len(self.ids) - count
        holes = np.flatnonzero(removed[:kept])
        movers = kept + np.flatnonzero(~removed[kept:])
        vectors = self._vectors()
        vectors[holes] = vectors[movers]
        self.ids[holes] = self.ids[movers]
        self._flat.remove_ids(faiss.IDSelectorRange(kept, kept + count))
        self.ids = self.ids[:kept].copy()
        return count

    def search(self, queries: Embeddings, k: int, within: Ids | None) -> Found:
        """Find the min(k, how many there are) nearest."""
        if within is None:
            k = min(k, len(self.ids))
            if not k:
                return nothing(len(queries))
            cosines, slots = self._flat.search(queries, k)
            return cosines, self.ids[slots]
        allowed = np.isin(self.ids, within)
        slots = np.flatnonzero(allowed)
        k = min(k, len(slots))
        if not k:
            return nothing(len(queries))
        # Copying out the few is faster than skipping the many; measured to cross near a tenth.
        if len(slots) * 8 <= len(self.ids):
            few = self._vectors()[slots]
            cosines, rows = faiss.knn(queries, few, k, metric=faiss.METRIC_INNER_PRODUCT)
            return cosines, self.ids[slots[rows]]
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.SearchParameters(  # type: ignore[call-arg]  # faiss's stub lacks it
            sel=faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg,arg-type]
        )
        cosines, found = self._flat.search(queries, k, params=selector)
        return cosines, self.ids[found]

    def contents(self) -> tuple[Ids, Embeddings]:
        """Copies of the ids (n,) and of their vectors (n, dim)."""
        return self.ids.copy(), self._vectors().copy()

    def to_bytes(self) -> list[bytes]:
        """The ids and faiss's own bytes, as `from_bytes` takes them."""
        return [self.ids.astype("<i8").tobytes(), faiss.serialize_index(self._flat).tobytes()]

    @classmethod
    def from_bytes(cls, payload: memoryview, count: int) -> ExactPart:
        """Read what `to_bytes` wrote, joined. Raises RuntimeError where this faiss cannot."""
        ids = np.frombuffer(payload, dtype="<i8", count=count).astype(np.int64)
        rest = np.frombuffer(payload, dtype=np.uint8, offset=ids.nbytes)
        return cls(faiss.deserialize_index(rest), ids)

    def _vectors(self) -> Embeddings:
        """The index's own memory as (n, dim), to be written in place."""
        count = int(self._flat.ntotal)
        if not count:
            return np.empty((0, self.dim), dtype=np.float32)
        flat = faiss.rev_swig_ptr(self._flat.get_xb(), count * self.dim)
        vectors: Embeddings = flat.reshape(count, self.dim)
        return vectors


def nothing(queries: int) -> Found:
    """Nothing found for any of the queries."""
    return np.empty((queries, 0), dtype=np.float32), np.empty((queries, 0), dtype=np.int64)
