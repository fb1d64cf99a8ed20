"""Trials: how many lists to visit and how much to compare exactly, measured on held-out queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings
from blipsearch.vectors.coded import TUNED_FOR
from blipsearch.vectors.engine import faiss
from blipsearch.vectors.exact import nothing
from blipsearch.vectors.values import Ids

__all__ = ["TrialResult", "Trials", "away"]

_QUERIES = 128
"""Of each sort."""
_FACTORS = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_SPARE = 0.2
"""Other queries than those tried may fare worse: what may be missed is held to this much less."""
_APART = 0.9
_NOISE = 0.5
_VISITS_A_COMPARISON = 200
"""Comparing one more exactly, read from the catalog, takes as long as so many codes."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What was settled on, and the recall it reached among vectors of `dim` numbers."""

    dim: int
    probes: int
    factor: float
    recall: float


@dataclass(frozen=True, slots=True)
class _Tried:
    probes: int
    factor: float
    cost: float
    recall: float

    def suits_better(self, other: _Tried, wanted: float) -> bool:
        if self.recall >= wanted and other.recall >= wanted:
            return self.cost < other.cost
        return self.recall > other.recall


class Trials:
    """Queries, and their true neighbours among all vectors shown so far.

    Half are embeddings of images. Sentences lie apart from those and need more lists, but no
    sentence is in the catalog; the other half stand for them, see `away`.
    """

    def __init__(self, queries: Embeddings) -> None:
        self._queries = queries
        self._cosines, self._slots = nothing(len(queries))
        self._shown = 0

    @classmethod
    def of(cls, vectors: Embeddings, rng: np.random.Generator) -> Trials:
        """Make trials of queries like these vectors (n, dim) and of queries away from them."""
        near = rng.choice(vectors, size=min(_QUERIES, len(vectors)), replace=False)
        apart = rng.choice(vectors, size=min(_QUERIES, len(vectors)), replace=False)
        return cls(np.concatenate([near, away(apart, vectors.mean(axis=0), rng)]))

    def see(self, slots: Ids, vectors: Embeddings) -> None:
        """Count n more vectors (n, dim) among those there are."""
        # One more than tuned for, because a query of the first sort finds itself.
        k = min(TUNED_FOR + 1, len(vectors))
        metric = faiss.METRIC_INNER_PRODUCT
        cosines, rows = faiss.knn(self._queries, vectors, k, metric=metric)
        cosines = np.concatenate([self._cosines, cosines], axis=1)
        found = np.concatenate([self._slots, slots[rows]], axis=1)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : TUNED_FOR + 1]
        self._cosines = np.take_along_axis(cosines, best, axis=1)
        self._slots = np.take_along_axis(found, best, axis=1)
        self._shown += len(vectors)

    def settle(self, index: Any, recall: float) -> TrialResult:  # noqa: ANN401  # no types
        """Find the cheapest probes and factor whose recall holds for either sort of queries.

        Where none do, the ones with the highest recall are taken.
        """
        wanted = recall + _SPARE * (1 - recall)
        most = min(int(_FACTORS[-1] * TUNED_FOR), self._shown)
        best = _Tried(index.nlist, _FACTORS[-1], np.inf, 0.0)
        probes = min(4, index.nlist)
        while True:
            parameters = faiss.SearchParametersIVF(nprobe=probes)  # type: ignore[call-arg]
            _, found = index.search(self._queries, most, params=parameters)
            visits = probes * self._shown / index.nlist
            for factor in _FACTORS:
                cost = visits + factor * TUNED_FOR * _VISITS_A_COMPARISON
                tried = _Tried(probes, factor, cost, self._recall(found, factor))
                best = tried if tried.suits_better(best, wanted) else best
            # Twice the probes may do with a shorter shortlist, unless they alone cost too much.
            if probes == index.nlist or (best.recall >= wanted and 2 * visits >= best.cost):
                return TrialResult(self._queries.shape[1], best.probes, best.factor, best.recall)
            probes = min(2 * probes, index.nlist)

    def _recall(self, found: Ids, factor: float) -> float:
        """The recall of the sort of queries that fares worse."""
        within = found[:, : int(factor * TUNED_FOR)]
        shares = np.array(
            [np.isin(true, own).mean() for true, own in zip(self._slots, within, strict=True)]
        )
        half = len(shares) // 2
        return float(min(shares[:half].mean(), shares[half:].mean()))


def away(
    vectors: Embeddings, centre: npt.NDArray[np.float32], rng: np.random.Generator
) -> Embeddings:
    """Move unit vectors (n, dim) to where no image is, as embeddings of sentences lie.

    The centre that all images share is taken out, a direction of their own that nearly outweighs
    the rest is put in, and noise half as long as the rest is added.
    """
    rest = vectors - centre
    lengths = np.linalg.norm(rest, axis=1, keepdims=True)
    shared = rng.standard_normal((1, rest.shape[1]), dtype=np.float32)
    noise = rng.standard_normal(rest.shape, dtype=np.float32)
    scale = lengths / np.sqrt(np.float32(rest.shape[1]))
    moved = rest + scale * (_APART * shared + _NOISE * noise)
    unit: Embeddings = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit
