"""Filtered searches: how much of the ten nearest inside a filter is found, and how fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embedding, Embeddings
from blipsearch.vectors import ExactVectors, Ids, VectorIndex

__all__ = ["FilterRow", "filter_table", "measure_filters"]

SHARES = (1.0, 0.1, 0.01, 0.001, 0.0001)
K = 10
SORTS = ("random", "far clusters", "cut by cosine")
"""Any vectors; whole clusters, those furthest from the query; the vectors furthest from it."""


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One index with one sort of filter: recall of the ten nearest, and the median milliseconds."""

    index: str
    sort: str
    share: float
    recall: float
    off: float
    milliseconds: float

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def measure_filters(
    indexes: dict[str, VectorIndex],
    read: ExactVectors,
    vectors: Embeddings,
    clusters: npt.NDArray[np.int64],
    queries: Embeddings,
) -> Iterator[FilterRow]:
    """Search each index inside every sort of filter, held against comparing with all members."""
    for sort in SORTS:
        for share in SHARES:
            recalls: dict[str, list[float]] = {name: [] for name in indexes}
            seconds: dict[str, list[float]] = {name: [] for name in indexes}
            off: dict[str, float] = dict.fromkeys(indexes, 0.0)
            for number, query in enumerate(queries):
                cosines = vectors @ query
                within = _members(sort, share, cosines, clusters, number)
                inside = cosines[within - 1]
                best = np.sort(inside)[::-1][:K]
                true = set(within[np.argsort(-inside)[:K]].tolist())
                for name, index in indexes.items():
                    began = time.perf_counter()
                    found = index.search(query[np.newaxis], K, within, read)
                    seconds[name].append(time.perf_counter() - began)
                    recalls[name].append(len(true & set(found.ids[0].tolist())) / len(true))
                    count = len(best)
                    off[name] = max(off[name], float((best - found.cosines[0, :count]).max()))
            for name in indexes:
                recall = statistics.fmean(recalls[name])
                took = 1e3 * statistics.median(seconds[name])
                yield FilterRow(name, sort, share, recall, off[name], took)


def filter_table(rows: list[FilterRow]) -> str:
    """Lay the rows out by sort and share."""
    lines = [
        "| filter | share | index | recall@10 | worst cosine short by | p50 ms |",
        "|---|---:|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row.sort} | {row.share:.2%} | {row.index} | {row.recall:.4f} | {row.off:.5f} | "
        f"{row.milliseconds:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def _members(
    sort: str,
    share: float,
    cosines: Embedding,
    clusters: npt.NDArray[np.int64],
    seed: int,
) -> Ids:
    """The ids of the members, ascending, as a filter in SQL gives them."""
    count = max(K, int(share * len(cosines)))
    if sort == "random":
        rows = np.random.default_rng(seed).permutation(len(cosines))[:count]
    elif sort == "cut by cosine":
        rows = np.argpartition(cosines, count - 1)[:count]
    else:
        means = np.bincount(clusters, cosines) / np.maximum(np.bincount(clusters), 1)
        rank = np.empty(len(means), dtype=np.int64)
        rank[np.argsort(means)] = np.arange(len(means))
        rows = np.argsort(rank[clusters], kind="stable")[:count]
    ids: Ids = np.sort(rows).astype(np.int64) + 1
    return ids
