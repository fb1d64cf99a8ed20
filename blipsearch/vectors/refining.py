"""Comparing a base's approximate neighbours exactly, with vectors that the catalog gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings
from blipsearch.vectors.coded import CodedBase
from blipsearch.vectors.exact import Found, nothing
from blipsearch.vectors.selection import Selection
from blipsearch.vectors.values import ExactVectors, Ids

__all__ = ["Refined"]

_FEW = 500
"""So many are compared exactly at once: as quick as looking for the nearest among their codes."""
_CERTAIN_AT_MOST = 8192
"""How far a shortlist grows; reading more takes longer than a person waits."""
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Refined:
    """A search of what is chosen in a base that ends with exact cosines."""

    base: CodedBase
    exact_vectors: ExactVectors
    chosen: Selection

    def search(self, queries: Embeddings, k: int, *, certain: bool) -> tuple[Found, int]:
        """Find at least k neighbours, in no order, and how many lists were to be visited.

        The shortlist has the length that the base's trials settled on. Those tried no filter: with
        `certain` it grows until no code left out could, erring as much as any on the list did,
        belong among the k nearest.
        """
        count = self.base.shortlist(k)
        if not self.chosen.count or not len(queries):
            return nothing(len(queries)), 0
        if self.chosen.count <= max(count, _FEW):
            ids = self.base.ids_of(self.chosen.slots())
            return self._compared(queries, np.tile(ids, (len(queries), 1))), 0
        probes = self.base.probes(k, self.chosen)
        while True:
            approximate, ids = self.base.search(queries, count, probes, self.chosen)
            found = self._compared(queries, ids)
            most = min(self.chosen.count, max(_CERTAIN_AT_MOST, k))
            if not certain or count >= most or _is_certain(approximate, found[0], k):
                return found, probes
            count = min(_GROWTH * count, most)

    def _compared(self, queries: Embeddings, ids: Ids) -> Found:
        """Compare each query with the vectors of its own ids (q, n); -1 for those that are gone."""
        known, vectors = self.exact_vectors(np.unique(ids[ids >= 0]))
        if not len(known):
            return nothing(len(queries))
        order = np.argsort(known)
        rows = order[np.minimum(np.searchsorted(known, ids, sorter=order), len(known) - 1)]
        there = known[rows] == ids
        cosines = np.full(ids.shape, -np.inf, dtype=np.float32)
        for number, query in enumerate(queries):
            own = there[number]
            cosines[number, own] = vectors[rows[number, own]] @ query
        return cosines, np.where(there, ids, -1)


def _is_certain(
    approximate: npt.NDArray[np.float32], exact: npt.NDArray[np.float32], k: int
) -> bool:
    """Whether for each query (q, n) what is behind the list's end cannot reach the k nearest."""
    if approximate.shape != exact.shape or exact.shape[1] < k:
        return True  # there are no more
    for codes, cosines in zip(approximate, exact, strict=True):
        known = np.isfinite(cosines) & np.isfinite(codes)
        if np.count_nonzero(known) < k:
            return False
        error = np.abs(codes[known] - cosines[known]).max()
        if np.partition(cosines, -k)[-k] < codes[known].min() + error:
            return False
    return True
