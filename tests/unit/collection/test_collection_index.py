"""A collection builds the index that suits, and searches are answered all the while."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from blipsearch.collection import Collection
from blipsearch.errors import LibraryBusyError
from blipsearch.records import Embedding
from blipsearch.vectors import IndexNeeds
from tests.unit.collection_makers import (
    assert_is_brute_force,
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
    unit_rows,
)

ROOT = Path(__file__).parents[3]
MODULE = "tests.unit.collection.test_collection_index"
COUNT = 1200
CODED = IndexNeeds(60_000)
"""Less than so many vectors take as they are, more than their codes do."""
COMPACT = IndexNeeds(30_000)
MAPPED = IndexNeeds(15_000)
EXACT = IndexNeeds(10**9)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    with new_collection(tmp_path) as collection:
        source = collection.add_source("/pictures")
        collection.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(COUNT)])
        yield collection


def _truth(photos: Collection) -> dict[int, Embedding]:
    return {entry.id: photos.embedding(entry.id) for entry in photos.entries(status="indexed")}


def _assert_finds_all(photos: Collection, truth: dict[int, Embedding]) -> None:
    """With as many neighbours asked for as there are, nothing may be missed."""
    queries = unit_rows(2, 4242)
    assert_is_brute_force(photos.search(queries, 2 * COUNT), queries, 2 * COUNT, truth)
    within = np.array(sorted(truth)[::3], dtype=np.int64)
    inside = {int(i): truth[int(i)] for i in within}
    assert_is_brute_force(photos.search(queries, 50, within), queries, 50, inside)


@pytest.mark.parametrize(
    ("needs", "kind"), [(CODED, "coded"), (COMPACT, "compact"), (MAPPED, "mapped")]
)
def test_every_kind_finds_what_is_there_before_and_after_changes(
    photos: Collection, tmp_path: Path, needs: IndexNeeds, kind: str
) -> None:
    assert photos.index_info.kind == "exact"
    assert photos.wants_build(needs)
    plan = photos.build_index(needs)
    assert plan is not None
    assert plan.kind == photos.index_info.kind == kind
    assert not photos.wants_build(needs)
    _assert_finds_all(photos, _truth(photos))
    source = photos.sources()[0]
    photos.remove(range(1, 30))
    photos.mark_missing(range(30, 40))
    photos.write([indexed_file(source.id, f"{n}.jpg", 5000 + n) for n in range(50, 70)])
    photos.write([indexed_file(source.id, f"new/{n}.jpg", 7000 + n) for n in range(5)])
    truth = _truth(photos)
    _assert_finds_all(photos, truth)
    info = photos.index_info
    assert (info.vectors, info.exact, info.tombstones) == (len(truth), 25, 59)
    photos.snapshot()
    with opened_collection(tmp_path) as again:
        assert again.index_info == info
        _assert_finds_all(again, truth)


def test_an_index_that_aged_wants_to_be_built_and_is_tidy_then(photos: Collection) -> None:
    photos.build_index(CODED)
    photos.remove(range(1, 100))
    assert not photos.wants_build(CODED)
    photos.remove(range(100, 200))
    assert photos.wants_build(CODED)
    photos.build_index(CODED)
    info = photos.index_info
    assert (info.vectors, info.exact, info.tombstones) == (COUNT - 199, 0, 0)


def test_a_higher_recall_than_was_built_for_wants_a_build(photos: Collection) -> None:
    photos.build_index(IndexNeeds(CODED.memory, 0.9))
    assert not photos.wants_build(IndexNeeds(CODED.memory, 0.8))
    assert photos.wants_build(IndexNeeds(CODED.memory, 0.99))


def test_with_more_memory_an_exact_index_comes_back(photos: Collection) -> None:
    photos.build_index(COMPACT)
    assert photos.wants_build(EXACT)
    photos.build_index(EXACT)
    assert photos.index_info.kind == "exact"
    assert not photos.wants_build(EXACT)
    _assert_finds_all(photos, _truth(photos))


def test_another_process_takes_over_a_newly_built_index(photos: Collection, tmp_path: Path) -> None:
    with opened_collection(tmp_path) as other:
        photos.build_index(CODED)
        assert other.index_info.kind == "exact"
        assert not other.refresh()
        assert other.index_info == photos.index_info
        assert other.index_info.kind == "coded"
        photos.remove([1, 2, 3])
        photos.build_index(COMPACT)
        assert other.refresh()
        assert other.index_info.kind == "compact"
        _assert_finds_all(other, _truth(photos))


def test_an_older_index_does_not_come_back(photos: Collection, tmp_path: Path) -> None:
    """One process saves what it has while another has built something newer."""
    photos.build_index(CODED)
    source = photos.sources()[0]
    with opened_collection(tmp_path) as other:
        photos.write([indexed_file(source.id, "new.jpg", 7000)])
        photos.build_index(COMPACT)
        other.write([indexed_file(source.id, "newer.jpg", 7001)])
        other.snapshot()
        assert other.index_info.kind == "compact"
        photos.refresh()
        assert photos.index_info.kind == "compact"
    with opened_collection(tmp_path) as again:
        assert again.index_info.kind == "compact"


def test_what_is_written_during_a_build_is_in_the_new_index(photos: Collection) -> None:
    source = photos.sources()[0]

    def meddle(stage: str, done: int, total: int) -> None:
        del done, total
        if stage == "trying":
            photos.remove([7])
            photos.write([indexed_file(source.id, "9.jpg", 6000)])
            photos.write([indexed_file(source.id, f"during/{time.time_ns()}.jpg", 6001)])

    photos.build_index(CODED, meddle)
    truth = _truth(photos)
    assert 7 not in truth
    _assert_finds_all(photos, truth)


def test_searches_are_answered_while_a_build_runs(photos: Collection) -> None:
    photos.build_index_in_background(CODED)
    answered = 0
    while photos.building:
        assert photos.search(unit_row(5)[np.newaxis], 1).ids.tolist() == [[6]]
        answered += 1
    assert answered > 0
    assert photos.build_error is None
    assert photos.index_info.kind == "coded"
    assert photos.search(unit_row(5)[np.newaxis], 1).ids.tolist() == [[6]]


def test_a_second_build_at_the_same_time_is_refused(photos: Collection) -> None:
    photos.build_index_in_background(CODED)
    with pytest.raises(LibraryBusyError, match="being built already"):
        photos.build_index_in_background(CODED)


def test_a_build_beside_another_process_is_refused(
    photos: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FileLock(tmp_path / "collections" / "1" / "build.lock"):
        with pytest.raises(LibraryBusyError, match="being built already"):
            photos.build_index(CODED)
        photos.build_index_in_background(CODED)
        while photos.building:
            time.sleep(0.01)
    assert isinstance(photos.build_error, LibraryBusyError)
    assert "the index was not built" in caplog.text
    assert photos.index_info.kind == "exact"


def test_closing_a_collection_ends_its_build(tmp_path: Path) -> None:
    with ExitStack() as stack:
        photos = stack.enter_context(new_collection(tmp_path))
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(COUNT)])
        photos.build_index_in_background(CODED)
        photos.close()
        assert not photos.building
        assert not [thread for thread in threading.enumerate() if thread.name == "build-index"]


def test_a_stopped_build_leaves_the_index_as_it_was(photos: Collection) -> None:
    stop = threading.Event()
    assert photos.build_index(CODED, lambda *_: stop.set(), stop) is None
    assert photos.index_info.kind == "exact"


def test_a_build_killed_at_any_moment_leaves_the_old_index_working(
    photos: Collection, tmp_path: Path
) -> None:
    photos.build_index(COMPACT)
    truth = _truth(photos)
    photos.close()
    for delay in (0.0, 0.05, 0.15, 0.3, 0.5):
        command = [sys.executable, "-m", MODULE, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as builder:
            assert builder.stdout is not None
            assert builder.stdout.readline() == b"building\n"
            time.sleep(delay)
            builder.kill()
        with opened_collection(tmp_path) as again:
            assert again.index_info.kind in {"compact", "coded"}
            _assert_finds_all(again, truth)


def build_until_killed(directory: str) -> None:
    """Build one index after another."""
    with opened_collection(Path(directory)) as photos:
        sys.stdout.write("building\n")
        sys.stdout.flush()
        while True:
            for needs in (CODED, COMPACT):
                photos.build_index(needs)


if __name__ == "__main__":
    build_until_killed(sys.argv[1])
