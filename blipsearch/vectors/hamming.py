"""Pairs of 64-bit hashes that differ in few bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.errors import QueryError, ShapeError
from blipsearch.vectors.engine import faiss

__all__ = ["HashPairs", "near_pairs"]

BITS = 64
BLOCK_BYTES = 256 << 20
"""What the pairs of a block may take if all of its hashes are near to all others."""
PAIR_BYTES = 12
LEAST_BLOCK, MOST_BLOCK = 16, 4096
"""Hashes compared with all before them at a time."""


@dataclass(frozen=True, slots=True)
class HashPairs:
    """m pairs, as row numbers `left` > `right` (m,) int64, and the bits they differ in (m,) int32.

    Sorted by `left`, the nearest first.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int32]


def near_pairs(hashes: npt.NDArray[np.uint64], distance: int) -> Iterator[HashPairs]:
    """Yield all pairs of n hashes (n,) uint64 that differ in at most `distance` bits, each once.

    They come a block of left rows at a time, so that memory stays bounded however many there are.
    Every hash is compared with every other one: 100,000 take seconds on two cores.

    Raises ShapeError for other hashes, QueryError for a distance that is not from 0 to 64.
    """
    if hashes.ndim != 1 or hashes.dtype != np.uint64:
        raise ShapeError(f"hashes are (n,) uint64, not {hashes.shape} {hashes.dtype}")
    if not 0 <= distance <= BITS:
        raise QueryError(f"a distance of hashes is from 0 to {BITS} bits, not {distance}")
    rows = np.ascontiguousarray(hashes).view(np.uint8).reshape(len(hashes), BITS // 8)
    index = faiss.IndexBinaryFlat(BITS)
    block = BLOCK_BYTES // (PAIR_BYTES * max(1, len(rows)))
    block = max(LEAST_BLOCK, min(block, MOST_BLOCK))
    for start in range(0, len(rows), block):
        queries = rows[start : start + block]
        index.add(queries)  # only what came so far: each pair is found once
        # faiss's own limit is one that must stay below.
        ends, distances, right = index.range_search(queries, distance + 1)
        counts = ends[1:].astype(np.int64) - ends[:-1].astype(np.int64)
        left = start + np.repeat(np.arange(len(queries)), counts)
        new = right < left
        if new.any():
            yield _sorted(left[new], right[new], distances[new])


def _sorted(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], distances: npt.NDArray[np.int32]
) -> HashPairs:
    order = np.lexsort((right, distances, left))
    return HashPairs(left[order], right[order].astype(np.int64), distances[order].astype(np.int32))
