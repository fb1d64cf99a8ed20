"""Trying a plan out on a bounded sample before anything is built."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blipsearch.records import Embeddings
from blipsearch.vectors.building import BuildSource, build_base
from blipsearch.vectors.index import VectorIndex
from blipsearch.vectors.planning import CODED_AT_LEAST, IndexKind, plan_of_kind
from blipsearch.vectors.values import ExactVectors, Ids, Neighbours

__all__ = ["Measured", "measure_kind"]

_SAMPLE_AT_MOST = 100_000
_QUERIES = 200
_NEAREST = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What a kind of index did on `vectors` of the collection, with `queries` held out of those.

    `recall` is the share of the 100 nearest found; the milliseconds are the median of one query,
    with what is read from the catalog for it, and those of comparing with every vector.
    """

    vectors: int
    queries: int
    recall: float
    milliseconds: float
    exact_milliseconds: float


def measure_kind(kind: IndexKind, ids: Ids, read: ExactVectors, recall: float) -> Measured | None:
    """Try a kind of index on at most 100,000 of these vectors; None where they are too few.

    The same sample and queries are taken each time. A few seconds; nothing is kept.
    """
    if len(ids) < CODED_AT_LEAST:
        return None
    picked = np.random.default_rng(0).permutation(ids)
    _, queries = read(picked[:_QUERIES])
    sample, vectors = read(np.sort(picked[_QUERIES : _QUERIES + _SAMPLE_AT_MOST]))
    if not len(sample) or not len(queries):
        return None
    exact = VectorIndex.exact(vectors.shape[1])
    exact.add(sample, vectors)
    k = min(_NEAREST, len(sample))
    truth, slow = _timed(queries, lambda query: exact.search(query, k))
    if kind == "exact":
        return Measured(len(sample), len(queries), 1.0, slow, slow)
    plan = plan_of_kind(kind, len(sample), vectors.shape[1])
    with tempfile.TemporaryDirectory(prefix="blipsearch-plan-") as folder:
        source = BuildSource(np.sort(sample), read, change=0, fingerprint="")
        base = build_base(source, plan, recall, Path(folder))
        if base is None:
            return None
        coded = VectorIndex.over(base)
        found, quick = _timed(queries, lambda query: coded.search(query, k, None, read))
    shares = [np.isin(true, own).mean() for true, own in zip(truth, found, strict=True)]
    return Measured(len(sample), len(queries), float(np.mean(shares)), quick, slow)


def _timed(queries: Embeddings, search: Callable[[Embeddings], Neighbours]) -> tuple[Ids, float]:
    """The ids found for each query, (q, k), and the median of what one took, in milliseconds."""
    found, seconds = [], []
    search(queries[:1])  # what is touched for the first time takes longer
    for query in queries:
        began = time.perf_counter()
        found.append(search(query[np.newaxis]).ids[0])
        seconds.append(time.perf_counter() - began)
    return np.stack(found), 1e3 * statistics.median(seconds)
