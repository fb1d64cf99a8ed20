"""A store gives back exactly what was put under a key, and finds what other stores put."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from blipsearch.errors import LibraryError, ShapeError
from blipsearch.records import ImageStates, StateKey, StatesKind, StatesUsage
from blipsearch.states import StateStore
from tests.unit.states_makers import (
    AMPLE,
    PRINT,
    TOKENS,
    WIDTH,
    assert_same,
    disk_bytes,
    file_bytes,
    held,
    key,
    keys,
    opened,
    segments,
    states_of,
    usage_of,
)

KINDS: list[StatesKind] = ["float16", "int8", "merged"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_put_comes_back_to_the_bit(tmp_path: Path, kind: StatesKind) -> None:
    several = keys(range(1, 10))
    with opened(tmp_path / "made" / "when needed", kind=kind) as store:
        store.put(several, states_of(several, kind))
        found, states = store.get(several)
    assert found.tolist() == [True] * 9
    assert_same(states, states_of(several, kind))


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_merged_states_keep_the_dtype_they_have(tmp_path: Path, dtype: type) -> None:
    """An odd number of bytes of values puts no array askew."""
    states = ImageStates(
        values=np.arange(2 * 3 * 3).reshape(2, 3, 3).astype(dtype),
        scales=np.full((2, 3), 0.5, dtype=np.float32) if dtype is np.int8 else None,
        sizes=np.array([[1, 2, 0], [3, 0, 0]], dtype=np.uint16),
    )
    with opened(tmp_path, kind="merged") as store:
        store.put(keys([1, 2]), states)
        assert_same(store.get(keys([1, 2]))[1], states)


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_there_when_it_is_opened_again(tmp_path: Path, kind: StatesKind) -> None:
    several = keys(range(1, 100))
    with opened(tmp_path, kind=kind) as store:
        store.put(several, states_of(several, kind))
    with opened(tmp_path, kind=kind) as store:
        assert_same(store.get(several)[1], states_of(several, kind))


def test_states_come_in_the_order_of_the_keys_and_misses_are_left_out(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put(keys(range(1, 200)), states_of(keys(range(1, 200))))
        asked = keys([150, 3, 999, 70, 1, 500, 149])
        found, states = store.get(asked)
        assert found.tolist() == [True, True, False, True, True, False, True]
        assert_same(states, states_of(keys([150, 3, 70, 1, 149])))


def test_one_key_may_be_asked_for_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put([key(1)], states_of([key(1)]))
        assert held(store, [key(1), key(2), key(1)]) == [1, 1]


def test_what_comes_back_is_the_callers_own(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put([key(1)], states_of([key(1)]))
        _, states = store.get([key(1)])
        assert states is not None
        states.values[:] = 0
        assert held(store, [key(1)]) == [1]


def test_an_empty_store_finds_nothing_and_touches_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "none") as store:
        assert held(store, keys([1, 2])) == []
        assert held(store, []) == []
        store.put([], states_of([key(1)]).rows(slice(0, 0)))
        store.discard([1])
        assert store.usage() == usage_of(tmp_path / "none") == StatesUsage(0, 0)
    assert not (tmp_path / "none").exists()


def test_states_of_an_older_content_are_never_returned_and_are_replaced(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put([key(1)], states_of([key(1)]))
        assert held(store, [key(1, version=1)]) == []
        store.put([key(1, version=1)], states_of([key(1, version=1)]))
        assert held(store, [key(1)]) == []
        assert held(store, [key(1, version=1)]) == [1]
        assert store.usage().images == 1


def test_of_one_image_twice_in_a_put_the_last_counts(tmp_path: Path) -> None:
    several = [key(1), key(2), key(1, version=1)]
    with opened(tmp_path) as store:
        store.put(several, states_of(several))
        assert held(store, [*several]) == [2, 1]
        assert held(store, [key(1)]) == []


def test_discarded_images_are_forgotten_by_all(tmp_path: Path) -> None:
    with opened(tmp_path) as store, opened(tmp_path) as other:
        store.put(keys(range(1, 6)), states_of(keys(range(1, 6))))
        assert held(other, keys([2, 3])) == [2, 3]
        store.discard(image_id for image_id in (2, 4, 77))
        assert held(store, keys(range(1, 6))) == held(other, keys(range(1, 6))) == [1, 3, 5]
        assert store.usage() == StatesUsage(3, file_bytes(64))


def test_a_store_finds_what_another_puts_while_both_are_open(tmp_path: Path) -> None:
    with opened(tmp_path) as serving, opened(tmp_path) as indexing:
        assert held(serving, [key(1)]) == []
        for image_id in range(1, 201, 10):
            several = keys(range(image_id, image_id + 10))
            indexing.put(several, states_of(several))
            assert held(serving, several) == list(range(image_id, image_id + 10))


def test_two_stores_take_turns_in_one_directory(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        for image_id in range(1, 101):
            writer = (one, other)[image_id % 2]
            writer.put([key(image_id)], states_of([key(image_id)]))
        everything = list(range(1, 101))
        assert held(one, keys(everything)) == held(other, keys(everything)) == everything


def test_another_checkpoints_states_are_not_found_and_make_way(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put([key(1)], states_of([key(1)]))
    with StateStore(tmp_path, "e" * 64, "float16", AMPLE) as other:
        assert held(other, [key(1)]) == []
        assert other.usage() == StatesUsage(0, file_bytes(64))
        other.put([key(2)], states_of([key(2)]))
        assert held(other, keys([1, 2])) == [2]
    assert usage_of(tmp_path) == StatesUsage(1, file_bytes(64))
    with opened(tmp_path) as store:
        assert held(store, keys([1, 2])) == []


def test_another_kinds_states_are_not_found_and_make_way(tmp_path: Path) -> None:
    with opened(tmp_path) as store, opened(tmp_path, kind="int8") as other:
        store.put([key(1)], states_of([key(1)]))
        other.put([key(1)], states_of([key(1)], "int8"))
        assert_same(other.get([key(1)])[1], states_of([key(1)], "int8"))
        store.put([key(2)], states_of([key(2)]))
        assert held(store, keys([1, 2])) == [2]
        assert not other.get(keys([1, 2]))[0].all()
    assert len(segments(tmp_path)) == 1


def test_states_of_another_shape_make_way(tmp_path: Path) -> None:
    larger = ImageStates(np.ones((1, TOKENS + 1, WIDTH), dtype=np.float16))
    with opened(tmp_path) as store:
        store.put([key(1)], states_of([key(1)]))
        store.put([key(2)], larger)
        found, states = store.get(keys([1, 2]))
    assert found.tolist() == [False, True]
    assert_same(states, larger)


def test_kind_none_keeps_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "none", kind="none") as store:
        store.put([key(1)], states_of([key(1)]))
        assert held(store, [key(1)]) == []
    assert not (tmp_path / "none").exists()


def test_usage_tells_images_and_the_bytes_on_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put(keys(range(1, 71)), states_of(keys(range(1, 71))))
        expected = StatesUsage(70, file_bytes(64) + file_bytes(128))
        assert store.usage() == usage_of(tmp_path) == expected
    assert disk_bytes(tmp_path) == expected.bytes


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    several = keys(range(1, 41))
    wrong: list[object] = []

    def work(number: int) -> None:
        mine = several[number::4]
        for _ in range(15):
            store.put(mine, states_of(mine))
            if set(held(store, several)) < {one.image_id for one in mine}:
                wrong.append(number)

    with opened(tmp_path) as store:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert held(store, several) == list(range(1, 41))


@pytest.mark.parametrize(
    ("values", "scales", "sizes"),
    [
        (np.ones((2, 5), dtype=np.float16), None, None),
        (np.ones((2, 0, 8), dtype=np.float16), None, None),
        (np.ones((3, 5, 8), dtype=np.float16), None, None),
        (np.ones((2, 5, 8), dtype=np.float64), None, None),
        (np.ones((2, 5, 8), dtype=np.float32), None, None),
        (np.ones((2, 5, 8), dtype=np.int8), None, None),
        (np.ones((2, 5, 8), dtype=np.float16), np.ones((2, 5), dtype=np.float32), None),
        (np.ones((2, 5, 8), dtype=np.int8), np.ones((2, 4), dtype=np.float32), None),
        (np.ones((2, 5, 8), dtype=np.float16), None, np.ones((2, 5), dtype=np.int64)),
    ],
)
def test_arrays_that_are_no_float16_states_of_two_images_are_refused(
    tmp_path: Path, values: np.ndarray, scales: np.ndarray | None, sizes: np.ndarray | None
) -> None:
    with opened(tmp_path) as store, pytest.raises(ShapeError):
        store.put(keys([1, 2]), ImageStates(values, scales, sizes))


def test_states_are_joined_and_taken_apart_by_rows() -> None:
    for kind in KINDS:
        states = states_of(keys([1, 2, 3]), kind)
        parts = [states.rows(slice(0, 1)), states.rows(np.array([1, 2]))]
        assert [len(part) for part in parts] == [1, 2]
        assert_same(ImageStates.joined(parts), states)


@pytest.mark.parametrize("kinds", [(), ("float16", "int8"), ("float16", "merged")])
def test_states_of_different_kinds_cannot_be_joined(kinds: tuple[StatesKind, ...]) -> None:
    with pytest.raises(ValueError, match="join"):
        ImageStates.joined([states_of([key(1)], kind) for kind in kinds])


@pytest.mark.parametrize("wrong", [StateKey(0, "a" * 64), StateKey(1, ""), StateKey(1, "xy" * 32)])
def test_keys_that_cannot_be_are_refused(tmp_path: Path, wrong: StateKey) -> None:
    with opened(tmp_path) as store:
        with pytest.raises(ShapeError):
            store.get([wrong])
        with pytest.raises(ShapeError):
            store.put([wrong], states_of([key(1)]))


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put([key(1)], states_of([key(1)]))
    store.close()
    store.close()
    with pytest.raises(LibraryError, match="closed"):
        store.get([key(1)])
    with pytest.raises(LibraryError, match="closed"):
        store.put([key(1)], states_of([key(1)]))


def test_a_forgotten_store_warns() -> None:
    store = StateStore(Path("nowhere"), PRINT, "float16", AMPLE)
    with pytest.warns(ResourceWarning, match="states in nowhere was not closed"):
        del store


def test_nothing_is_logged_where_all_is_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "blipsearch.states"), opened(tmp_path) as store:
        store.put(keys(range(1, 100)), states_of(keys(range(1, 100))))
        store.discard([4])
        store.get(keys(range(1, 100)))
    assert not caplog.records
