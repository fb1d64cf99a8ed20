"""Pairs of hashes that differ in few bits, against comparing all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blipsearch.errors import QueryError, ShapeError
from blipsearch.vectors import hamming, near_pairs

Hashes = npt.NDArray[np.uint64]


def every_pair(hashes: Hashes, distance: int) -> set[tuple[int, int, int]]:
    """The truth: each pair of rows with its distance."""
    values = hashes.tolist()
    return {
        (left, right, bits)
        for left, one in enumerate(values)
        for right, other in enumerate(values[:left])
        if (bits := (one ^ other).bit_count()) <= distance
    }


def found_pairs(hashes: Hashes, distance: int) -> list[tuple[int, int, int]]:
    return [
        pair
        for pairs in near_pairs(hashes, distance)
        for pair in zip(
            pairs.left.tolist(), pairs.right.tolist(), pairs.distances.tolist(), strict=True
        )
    ]


@given(
    values=st.lists(st.integers(0, 7) | st.integers(0, (1 << 64) - 1), max_size=30),
    distance=st.integers(0, 64),
)
def test_all_pairs_within_the_distance_are_found_once(values: list[int], distance: int) -> None:
    hashes = np.array(values, dtype=np.uint64)
    found = found_pairs(hashes, distance)
    assert len(found) == len(set(found))
    assert set(found) == every_pair(hashes, distance)


def test_small_blocks_find_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.random.default_rng(0).integers(0, 1 << 6, 200, dtype=np.uint64)
    wanted = every_pair(hashes, 2)
    monkeypatch.setattr(hamming, "BLOCK_BYTES", 1)
    found = found_pairs(hashes, 2)
    assert len(found) == len(wanted)
    assert set(found) == wanted


def test_each_row_has_its_nearest_first() -> None:
    hashes = np.array([0b111, 0b001, 0b000], dtype=np.uint64)
    assert found_pairs(hashes, 64) == [(1, 0, 2), (2, 1, 1), (2, 0, 3)]


def test_what_is_no_list_of_hashes_is_refused() -> None:
    with pytest.raises(ShapeError, match="uint64"):
        list(near_pairs(np.zeros(3, dtype=np.int64), 1))
    with pytest.raises(QueryError, match="0 to 64"):
        list(near_pairs(np.zeros(3, dtype=np.uint64), 65))
