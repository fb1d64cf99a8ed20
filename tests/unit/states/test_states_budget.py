"""A store stays within its budget, gives up the least recently used, and follows a new budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blipsearch.records import ImageStates
from blipsearch.states import store as store_module
from tests.unit.states_makers import (
    STRIDE,
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

MANY = list(range(1, 401))


def _fill(directory: Path, budget: int, ids: list[int]) -> None:
    """Put these images one by one, as so many uses in this order."""
    with opened(directory, budget) as store:
        for one in keys(ids):
            store.put([one], states_of([one]))


def test_segments_double_and_the_last_is_cut_to_the_budget(tmp_path: Path) -> None:
    budget = file_bytes(64) + file_bytes(128) + file_bytes(100) + STRIDE - 1
    with opened(tmp_path, budget) as store:
        for start in range(0, 400, 50):
            several = keys(MANY[start : start + 50])
            store.put(several, states_of(several))
            assert disk_bytes(tmp_path) <= budget
        assert held(store, keys(MANY)) == MANY[-292:]
    sizes = [path.stat().st_size for path in segments(tmp_path)]
    assert sizes == [file_bytes(64), file_bytes(128), file_bytes(100)]
    assert [path.name for path in segments(tmp_path)] == [f"states-00{n}.bin" for n in range(3)]


def test_no_segment_grows_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SEGMENT_BYTES", file_bytes(80))
    with opened(tmp_path) as store:
        store.put(keys(range(1, 201)), states_of(keys(range(1, 201))))
        assert held(store, keys(range(1, 201))) == list(range(1, 201))
    sizes = [path.stat().st_size for path in segments(tmp_path)]
    assert sizes == [file_bytes(64), file_bytes(80), file_bytes(80)]


def test_a_record_larger_than_the_limit_has_a_segment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SEGMENT_BYTES", 4096)
    with opened(tmp_path) as store:
        store.put(keys([1, 2]), states_of(keys([1, 2])))
        assert held(store, keys([1, 2])) == [1, 2]
    assert [path.stat().st_size for path in segments(tmp_path)] == [file_bytes(1)] * 2


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    budget = file_bytes(4)
    _fill(tmp_path, budget, [1, 2, 3, 4])
    with opened(tmp_path, budget) as store:
        assert held(store, keys([1, 3])) == [1, 3]
        store.put([key(5)], states_of([key(5)]))
        assert held(store, keys(range(1, 6))) == [1, 3, 4, 5]
        store.put([key(3)], states_of([key(3)]))
        store.put(keys([6, 7]), states_of(keys([6, 7])))
        assert held(store, keys(range(1, 8))) == [3, 5, 6, 7]


def test_a_use_in_one_store_counts_in_another(tmp_path: Path) -> None:
    budget = file_bytes(3)
    with opened(tmp_path, budget) as indexing, opened(tmp_path, budget) as serving:
        for image_id in (1, 2, 3):
            indexing.put([key(image_id)], states_of([key(image_id)]))
        assert held(serving, [key(1)]) == [1]
        indexing.put([key(4)], states_of([key(4)]))
        assert held(indexing, keys(range(1, 5))) == [1, 3, 4]


def test_of_more_than_fit_in_one_put_the_last_are_kept(tmp_path: Path) -> None:
    with opened(tmp_path, file_bytes(5)) as store:
        store.put(keys([1, 2, 3]), states_of(keys([1, 2, 3])))
        again = [*keys([1, 2, 3], version=1), *keys(range(10, 14))]
        store.put(again, states_of(again))
        assert held(store, again) == [3, 10, 11, 12, 13]
        assert held(store, keys([1, 2, 3])) == []


@pytest.mark.parametrize("budget", [-1, 0, file_bytes(1) - 1])
def test_a_budget_too_small_for_one_image_keeps_nothing(tmp_path: Path, budget: int) -> None:
    with opened(tmp_path / "none", budget) as store:
        store.put([key(1)], states_of([key(1)]))
        assert held(store, [key(1)]) == []
    assert not (tmp_path / "none").exists()


def test_without_a_budget_what_lies_there_goes_at_the_next_put(tmp_path: Path) -> None:
    _fill(tmp_path, file_bytes(4), [1, 2])
    with opened(tmp_path, 0) as store:
        assert held(store, keys([1, 2])) == []
        store.put([key(3)], states_of([key(3)]))
    assert usage_of(tmp_path).bytes == disk_bytes(tmp_path) == 0


def test_the_least_budget_holds_one_image(tmp_path: Path) -> None:
    _fill(tmp_path, file_bytes(1), [1, 2])
    with opened(tmp_path, file_bytes(1)) as store:
        assert held(store, keys([1, 2])) == [2]
    assert disk_bytes(tmp_path) == file_bytes(1)


def test_a_lower_budget_keeps_the_most_recently_used(tmp_path: Path) -> None:
    """Some of them lay in the segment that goes, and take the places of older ones that stay."""
    _fill(tmp_path, file_bytes(64) + file_bytes(128), MANY[:150])
    budget = file_bytes(64)
    with opened(tmp_path, budget) as store:
        assert held(store, keys([5, 70])) == [5, 70]
        store.put([key(400)], states_of([key(400)]))
        assert disk_bytes(tmp_path) <= budget
        assert held(store, keys(MANY)) == [5, 70, *range(90, 151), 400]


def test_what_stays_is_filled_up_to_a_lower_budget(tmp_path: Path) -> None:
    _fill(tmp_path, file_bytes(64) + file_bytes(128), MANY[:192])
    budget = file_bytes(64) + file_bytes(20)
    with opened(tmp_path, budget) as store:
        store.put([key(400)], states_of([key(400)]))
        assert disk_bytes(tmp_path) <= budget
        assert held(store, keys(MANY)) == [*range(110, 193), 400]


def test_a_budget_below_the_first_segment_keeps_the_most_recently_used(tmp_path: Path) -> None:
    _fill(tmp_path, file_bytes(64), MANY[:64])
    with opened(tmp_path, file_bytes(9)) as store, opened(tmp_path, file_bytes(9)) as other:
        assert held(other, [key(1)]) == [1]
        store.put([key(400)], states_of([key(400)]))
        assert disk_bytes(tmp_path) == file_bytes(9)
        expected = [1, *range(58, 65), 400]
        assert held(store, keys(MANY)) == held(other, keys(MANY)) == expected


def test_discarded_places_are_used_first_when_a_budget_is_lowered(tmp_path: Path) -> None:
    _fill(tmp_path, file_bytes(64) + file_bytes(8), MANY[:72])
    with opened(tmp_path, file_bytes(64)) as store:
        store.discard(range(1, 21))
        store.put([key(400)], states_of([key(400)]))
        assert held(store, keys(MANY)) == [*range(21, 73), 400]


def test_a_higher_budget_is_used(tmp_path: Path) -> None:
    _fill(tmp_path, file_bytes(4), MANY[:4])
    budget = file_bytes(4) + file_bytes(30)
    _fill(tmp_path, budget, MANY[4:40])
    with opened(tmp_path, budget) as store:
        assert held(store, keys(MANY)) == list(range(7, 41))
    assert disk_bytes(tmp_path) == budget


def test_records_of_the_largest_checkpoints_fit_as_reckoned(tmp_path: Path) -> None:
    """577 tokens of 768 in float16 take 886272 bytes, and the file a page and a table more."""
    states = ImageStates(np.ones((1, 577, 768), dtype=np.float16))
    with opened(tmp_path, 2 * 4096 + 886_272) as store:
        store.put([key(1)], states)
        assert store.get([key(1)])[0].all()
    assert disk_bytes(tmp_path) == 2 * 4096 + 886_272
