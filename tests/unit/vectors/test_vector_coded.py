"""An index over a coded base finds what comparing with every vector finds, with exact cosines."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blipsearch.records import Embedding
from blipsearch.vectors import CodedBase, SnapshotStamp, VectorIndex
from tests.unit.collection_makers import DIM, assert_is_brute_force, unit_rows
from tests.unit.vectors.coded_makers import CODED, build, index_over, reader_of

STAMP = SnapshotStamp(change=7, fingerprint="f" * 64, token="t")  # noqa: S106  # no secret
COUNT = 3000

_ids = st.lists(st.integers(1, 90), unique=True, max_size=20)
_operation: st.SearchStrategy[tuple[str, list[int]]] = st.one_of(
    st.tuples(st.just("add"), _ids),
    st.tuples(st.just("remove"), _ids),
    st.tuples(st.sampled_from(["coded", "mapped"]), st.just([])),
    st.tuples(st.just("reload"), st.just([])),
)


def _array(ids: object) -> npt.NDArray[np.int64]:
    return np.array(ids, dtype=np.int64)


def _many(seed: int, count: int = COUNT) -> dict[int, Embedding]:
    """Vectors under ids with gaps."""
    ids = np.random.default_rng(seed).permutation(4 * count)[:count] + 10
    return dict(zip(ids.tolist(), unit_rows(count, seed), strict=True))


@pytest.fixture(scope="module")
def truth() -> dict[int, Embedding]:
    return _many(1)


@pytest.fixture(scope="module", params=CODED)
def base(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    truth: dict[int, Embedding],
) -> CodedBase:
    """A base of each kind over `truth`; no index changes it."""
    return build(tmp_path_factory.mktemp(request.param), truth, request.param)


@settings(max_examples=25, deadline=None)
@given(
    operations=st.lists(_operation, min_size=1, max_size=8),
    within=st.none() | st.lists(st.integers(1, 120), max_size=60),
    k=st.integers(1, 30),
    seed=st.integers(0, 1000),
)
def test_any_sequence_of_changes_builds_and_reloads_searches_like_brute_force(
    operations: list[tuple[str, list[int]]], within: list[int] | None, k: int, seed: int
) -> None:
    """So few vectors are all on the shortlist, whose cosines are exact."""
    truth = dict(zip(range(1, 41), unit_rows(40, seed), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        index = index_over(Path(folder), truth, "coded")
        for step, (operation, ids) in enumerate(operations):
            if operation == "add":
                vectors = unit_rows(len(ids), seed + step)
                index.add(_array(ids), vectors)
                truth.update(zip(ids, vectors, strict=True))
            elif operation == "remove":
                present = set(ids) & set(truth)
                assert index.remove(_array(ids)) == len(present)
                truth = {i: vector for i, vector in truth.items() if i not in present}
            elif operation == "reload":
                index.save(Path(folder) / "saved", STAMP)
                index, _ = VectorIndex.load(Path(folder) / "saved")
            elif truth:
                index = index_over(Path(folder), truth, operation)  # type: ignore[arg-type]
        assert len(index) == len(truth)
        assert index.ids().tolist() == sorted(truth)
        queries = unit_rows(3, seed + 99)
        allowed = None if within is None else _array(within)
        expected = {i: v for i, v in truth.items() if within is None or i in within}
        found = index.search(queries, k, allowed, reader_of(truth))
        assert_is_brute_force(found, queries, k, expected)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01, 0.001])
def test_a_filtered_search_gives_k_hits_whenever_the_filter_holds_k(
    base: CodedBase, truth: dict[int, Embedding], share: float
) -> None:
    index = VectorIndex.over(base)
    ids = np.random.default_rng(2).permutation(_array(sorted(truth)))
    within = np.concatenate([ids[: max(1, int(COUNT * share))], _array([1, 2**62])])
    k = min(10, len(within) - 2)
    for read in (reader_of(truth), None):
        found = index.search(unit_rows(4, 3), k, within, read)
        assert np.all(np.isin(found.ids, within))
        assert all(len(set(row)) == k for row in found.ids.tolist())


@pytest.mark.parametrize("share", [0.9, 0.3, 0.05])
def test_a_filter_that_leaves_out_all_that_is_near_still_finds_the_nearest_of_the_rest(
    base: CodedBase, truth: dict[int, Embedding], share: float
) -> None:
    index = VectorIndex.over(base)
    queries = unit_rows(6, 5)
    ids, vectors = _array(sorted(truth)), np.stack([truth[i] for i in sorted(truth)])
    for query in queries:
        far = ids[np.argsort(vectors @ query)[: int(COUNT * share)]]
        expected = {int(i): truth[int(i)] for i in far}
        found = index.search(query[np.newaxis], 10, far, reader_of(truth))
        best = sorted(expected, key=lambda i: -float(expected[i] @ query))[:10]
        assert len(set(best) & set(found.ids[0].tolist())) >= 9


def test_the_recall_that_was_wanted_is_reached(
    base: CodedBase, truth: dict[int, Embedding]
) -> None:
    index = VectorIndex.over(base)
    queries = unit_rows(40, 7)
    ids, vectors = _array(sorted(truth)), np.stack([truth[i] for i in sorted(truth)])
    best = ids[np.argsort(-(queries @ vectors.T), axis=1)[:, :100]]
    found = index.search(queries, 100, None, reader_of(truth)).ids
    recall = np.mean([np.isin(row, own).mean() for row, own in zip(best, found, strict=True)])
    assert recall >= 0.98
    assert index.info.recall >= 0.99


def test_cosines_are_those_of_the_vectors_not_of_the_codes(
    base: CodedBase, truth: dict[int, Embedding]
) -> None:
    index = VectorIndex.over(base)
    query = unit_rows(1, 9)
    found = index.search(query, 20, None, reader_of(truth))
    own = [float(truth[i] @ query[0]) for i in found.ids[0].tolist()]
    np.testing.assert_allclose(found.cosines[0], own, atol=1e-6)
    assert np.all(np.diff(found.cosines[0]) <= 0)


def test_what_was_removed_or_changed_is_not_found_as_it_was(
    base: CodedBase, truth: dict[int, Embedding]
) -> None:
    index = VectorIndex.over(base)
    ids = sorted(truth)[:600]
    old = np.stack([truth[i] for i in ids])
    assert index.remove(_array(ids[:300])) == 300
    new = unit_rows(300, 11)
    index.add(_array(ids[300:]), new)
    after = {i: v for i, v in truth.items() if i not in ids[:300]}
    after |= dict(zip(ids[300:], new, strict=True))
    for read in (reader_of(after), None):
        gone = index.search(old[:300], 5, None, read)
        assert not np.isin(gone.ids, _array(ids[:300])).any()
        moved = index.search(new, 1, None, read)
        assert moved.ids[:, 0].tolist() == ids[300:]
        before = index.search(old[300:], 1, None, read)
        assert np.all((before.ids[:, 0] != _array(ids[300:])) | (before.cosines[:, 0] < 0.99))
    info = index.info
    assert (info.vectors, info.exact, info.tombstones) == (COUNT - 300, 300, 600)


def test_an_id_that_the_catalog_lost_meanwhile_is_left_out(
    base: CodedBase, truth: dict[int, Embedding]
) -> None:
    index = VectorIndex.over(base)
    lost = min(truth)
    query = truth[lost][np.newaxis]
    assert index.search(query, 1, None, reader_of(truth)).ids.tolist() == [[lost]]
    rest = {i: v for i, v in truth.items() if i != lost}
    found = index.search(query, 5, None, reader_of(rest)).ids[0]
    assert lost not in found
    assert np.all(found >= 0)


def test_a_base_whose_members_all_went_finds_nothing(
    base: CodedBase, truth: dict[int, Embedding]
) -> None:
    index = VectorIndex.over(base)
    index.remove(_array(sorted(truth)))
    found = index.search(unit_rows(2, 1), 3, None, reader_of({}))
    assert found.ids.tolist() == [[-1] * 3] * 2
    assert len(index) == 0


def test_near_lists_that_were_emptied_do_not_hide_what_is_left(tmp_path: Path) -> None:
    """All of a cluster goes; its neighbours are then in lists that were far before."""
    rng = np.random.default_rng(14)
    centres = unit_rows(20, 15)
    rows = centres[rng.integers(0, 20, COUNT)] + 0.1 * unit_rows(COUNT, 16)
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    truth = dict(zip(range(1, COUNT + 1), unit, strict=True))
    index = index_over(tmp_path, truth, "coded")
    near = _array([i for i, v in truth.items() if float(v @ centres[0]) > 0.9])
    index.remove(near)
    rest = {i: v for i, v in truth.items() if i not in set(near.tolist())}
    found = index.search(centres[:1], 10, None, reader_of(rest))
    assert_is_brute_force(found, centres[:1], 10, rest)


def test_the_index_says_what_it_is(base: CodedBase) -> None:
    index = VectorIndex.over(base)
    assert (index.kind, index.dim) == (base.facts.kind, DIM)
    info = index.info
    assert info.description == f"IVF{info.lists},{'PQ4' if index.kind == 'compact' else 'SQ8'}"
    assert (info.vectors, info.exact, info.tombstones) == (COUNT, 0, 0)
    assert 0 < info.bytes < COUNT * 60
    found = index.search(unit_rows(1, 1), 10)
    assert found.probes == info.probes


def test_an_exact_index_says_that_it_is() -> None:
    exact = VectorIndex.exact(DIM)
    exact.add(_array([1]), unit_rows(1, 1))
    assert exact.info.kind == exact.info.description == "exact"
    assert exact.search(unit_rows(1, 1), 1).probes == 0
