"""VectorIndex finds what comparing with every vector finds, whatever was added and removed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blipsearch.errors import QueryError, ShapeError
from blipsearch.records import Embedding
from blipsearch.vectors import VectorIndex
from tests.unit.collection_makers import DIM, assert_is_brute_force, unit_rows

_ids = st.integers(0, 60)
_operation = st.one_of(
    st.tuples(st.just("add"), st.lists(_ids, unique=True, max_size=20)),
    st.tuples(st.just("remove"), st.lists(_ids, max_size=20)),
)


def _array(ids: object) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(ids, dtype=np.int64)


@settings(max_examples=60, deadline=None)
@given(
    operations=st.lists(_operation, max_size=8),
    within=st.none() | st.lists(st.integers(0, 80), max_size=60),
    k=st.integers(1, 30),
    seed=st.integers(0, 1000),
)
def test_any_sequence_of_add_and_remove_searches_like_brute_force(
    operations: list[tuple[str, list[int]]], within: list[int] | None, k: int, seed: int
) -> None:
    index = VectorIndex.exact(DIM)
    truth: dict[int, Embedding] = {}
    for step, (operation, ids) in enumerate(operations):
        if operation == "add":
            vectors = unit_rows(len(ids), seed + step)
            index.add(_array(ids), vectors)
            truth.update(zip(ids, vectors, strict=True))
        else:
            present = set(ids) & set(truth)
            assert index.remove(_array(ids)) == len(present)
            for number in present:
                del truth[number]
    assert len(index) == len(truth)
    assert index.ids().tolist() == sorted(truth)
    queries = unit_rows(3, seed + 99)
    allowed = None if within is None else _array(within)
    expected = {i: v for i, v in truth.items() if within is None or i in within}
    assert_is_brute_force(index.search(queries, k, allowed), queries, k, expected)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.13, 0.12, 0.01, 0.001])
def test_a_filtered_search_returns_k_neighbours_whenever_the_filter_holds_k(share: float) -> None:
    vectors, queries = unit_rows(3000, 1), unit_rows(4, 2)
    ids = np.arange(3000, dtype=np.int64) * 7 + 1_000_000_000_000
    index = VectorIndex.exact(DIM)
    index.add(ids, vectors)
    rows = np.random.default_rng(3).permutation(3000)[: max(1, int(3000 * share))]
    within = np.concatenate([ids[rows], _array([5, 2**62])])
    truth = {int(ids[row]): vectors[row] for row in rows}
    assert_is_brute_force(index.search(queries, 10, within), queries, 10, truth)


def test_adding_an_id_again_replaces_its_vector() -> None:
    index = VectorIndex.exact(DIM)
    old, new = unit_rows(2, 1), unit_rows(2, 2)
    index.add(_array([4, 9]), old)
    index.add(_array([9, 11]), new)
    found = index.search(new[:1], 1)
    assert found.ids.tolist() == [[9]]
    assert found.cosines[0, 0] == pytest.approx(1.0, abs=1e-5)
    assert index.ids().tolist() == [4, 9, 11]


def test_an_empty_index_pads_everything() -> None:
    found = VectorIndex.exact(DIM).search(unit_rows(2, 1), 3)
    assert found.ids.tolist() == [[-1] * 3] * 2
    assert np.all(np.isneginf(found.cosines))


def test_an_empty_filter_finds_nothing() -> None:
    index = VectorIndex.exact(DIM)
    index.add(_array([1]), unit_rows(1, 1))
    assert index.search(unit_rows(1, 1), 2, _array([])).ids.tolist() == [[-1, -1]]


def test_no_query_gives_no_row() -> None:
    index = VectorIndex.exact(DIM)
    index.add(_array([1]), unit_rows(1, 1))
    assert index.search(unit_rows(0, 1), 2).ids.shape == (0, 2)


def test_views_into_larger_arrays_are_welcome() -> None:
    index = VectorIndex.exact(DIM)
    wide = np.repeat(unit_rows(6, 1), 2, axis=0)
    index.add(_array(range(6)), wide[::2])
    assert index.search(np.asfortranarray(wide[::2]), 1).ids[:, 0].tolist() == list(range(6))


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (unit_rows(2, 1, dim=8), r"shape \(n, 16\)"),
        (unit_rows(1, 1)[0], r"shape \(n, 16\)"),
        (unit_rows(2, 1).astype(np.float64), "float32"),
        (unit_rows(2, 1) * 1.01, "unit norm"),
        (np.zeros((2, DIM), np.float32), "unit norm"),
        (np.full((2, DIM), np.nan, np.float32), "unit norm"),
        (np.full((2, DIM), np.inf, np.float32), "unit norm"),
    ],
)
def test_vectors_out_of_contract_are_refused(
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]], says: str
) -> None:
    index = VectorIndex.exact(DIM)
    with pytest.raises(ShapeError, match=says):
        index.add(_array([1, 2]), vectors)
    with pytest.raises(ShapeError, match=says):
        index.search(vectors, 1)
    assert len(index) == 0


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([1], "1 ids were given for 2 vectors"),
        ([1, 1], "come twice"),
        ([1, -2], "negative"),
        ([[1], [2]], r"\(n,\) int64"),
    ],
)
def test_ids_out_of_contract_are_refused(ids: object, says: str) -> None:
    index = VectorIndex.exact(DIM)
    with pytest.raises(ShapeError, match=says):
        index.add(_array(ids), unit_rows(2, 1))
    assert len(index) == 0


def test_ids_of_another_dtype_are_refused() -> None:
    index = VectorIndex.exact(DIM)
    with pytest.raises(ShapeError, match="int64"):
        index.search(unit_rows(1, 1), 1, np.array([1], dtype=np.int32))


def test_a_search_for_no_neighbour_is_refused() -> None:
    with pytest.raises(QueryError, match="at least 1"):
        VectorIndex.exact(DIM).search(unit_rows(1, 1), 0)


def test_searches_during_writes_see_whole_states_only() -> None:
    """A block of ids comes and goes as one; no search may see a part of it."""
    index = VectorIndex.exact(DIM)
    index.add(_array(range(100)), unit_rows(100, 1))
    block, vectors = np.arange(100, 150, dtype=np.int64), unit_rows(50, 2)
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            index.add(block, vectors)
            index.remove(block)

    writer = threading.Thread(target=come_and_go)
    writer.start()
    try:
        for _ in range(300):
            found = index.search(vectors[:1], 150).ids[0]
            assert np.count_nonzero(found >= 100) in {0, 50}
    finally:
        stop.set()
        writer.join()
