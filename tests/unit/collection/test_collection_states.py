"""A collection remembers how it keeps image states, and drops those of images that go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from blipsearch.collection import Collection
from blipsearch.errors import CollectionNotFoundError, LibraryError, SettingsError
from blipsearch.library import Library
from blipsearch.records import StatesKind, StatesUsage
from tests.unit.collection_makers import indexed_file, new_collection, opened_collection
from tests.unit.states_makers import AMPLE, held, keys, segments, states_of

DEFAULTS = ("float16", 20_000_000_000)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    """A collection of the images 1 to 4, which have no states yet."""
    with new_collection(tmp_path) as collection:
        source = collection.add_source("/pictures")
        collection.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(4)])
        yield collection


def _settings(photos: Collection) -> tuple[StatesKind, int]:
    return photos.info.states_kind, photos.info.states_budget


def _put(photos: Collection, ids: range) -> None:
    photos.states.put(keys(ids), states_of(keys(ids), photos.info.states_kind))


def _folder(library: Path) -> Path:
    return library / "collections" / "1" / "states"


def test_a_new_collection_keeps_float16_states_in_20_gb(photos: Collection) -> None:
    assert _settings(photos) == DEFAULTS


def test_each_setting_is_set_by_itself_and_lasts(tmp_path: Path, photos: Collection) -> None:
    photos.set_states("int8")
    assert _settings(photos) == ("int8", DEFAULTS[1])
    photos.set_states(budget=0)
    photos.set_states()
    with opened_collection(tmp_path) as reopened:
        assert _settings(reopened) == ("int8", 0)
    with Library.open(tmp_path) as library:
        assert library.collections() == [photos.info]


def test_the_settings_of_one_collection_are_not_those_of_another(
    tmp_path: Path, photos: Collection
) -> None:
    with (
        Library.open(tmp_path) as library,
        library.create_collection("others", photos.info.checkpoint) as others,
    ):
        others.set_states("merged", 5)
        assert _settings(others) == ("merged", 5)
    assert _settings(photos) == DEFAULTS


@pytest.mark.parametrize(
    ("kind", "budget", "said"),
    [
        ("float64", 5, "as 'float64': choose one of float16, int8, merged, none"),
        ("int8", -1, "in -1 bytes"),
        ("int8", 2**63, f"in {2**63} bytes"),
    ],
)
def test_a_setting_that_cannot_be_is_said_and_changes_neither(
    photos: Collection, kind: StatesKind, budget: int, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        photos.set_states(kind, budget)
    assert _settings(photos) == DEFAULTS


def test_setting_states_is_no_change_that_others_follow(photos: Collection) -> None:
    before = photos.info.change
    photos.set_states("merged", 5)
    assert photos.info.change == before


def test_the_settings_of_a_removed_collection_cannot_be_set(
    tmp_path: Path, photos: Collection
) -> None:
    with Library.open(tmp_path) as library:
        library.remove_collection("photos")
    with pytest.raises(CollectionNotFoundError, match="was removed"):
        photos.set_states("int8")
    with pytest.raises(CollectionNotFoundError, match="was removed"):
        _ = photos.states


def test_the_states_folder_may_be_deleted_without_losing_a_setting(
    tmp_path: Path, photos: Collection
) -> None:
    photos.set_states("int8", AMPLE)
    _put(photos, range(1, 5))
    photos.close()
    shutil.rmtree(_folder(tmp_path))
    with opened_collection(tmp_path) as reopened:
        assert _settings(reopened) == ("int8", AMPLE)
        assert reopened.states.usage() == StatesUsage(0, 0)


def test_the_next_use_of_the_states_has_the_new_settings(
    tmp_path: Path, photos: Collection
) -> None:
    photos.set_states(budget=AMPLE)
    before = photos.states
    _put(photos, range(1, 5))
    photos.set_states("none")
    with pytest.raises(LibraryError, match="closed; open them again"):
        before.usage()
    _put(photos, range(1, 5))
    assert photos.states.usage().images == 0
    assert not _folder(tmp_path).exists()
    photos.set_states("float16", 0)
    _put(photos, range(1, 5))
    assert held(photos.states, keys(range(1, 5))) == []
    photos.set_states(budget=AMPLE)
    _put(photos, range(1, 5))
    assert held(photos.states, keys(range(1, 5))) == [1, 2, 3, 4]
    assert segments(_folder(tmp_path))


def test_usage_counts_states_of_the_kind_that_is_set_and_all_bytes(
    tmp_path: Path, photos: Collection
) -> None:
    photos.set_states(budget=AMPLE)
    _put(photos, range(1, 4))
    with Library.open(tmp_path) as library:
        kept = library.states_usage(photos.info)
        assert (kept.images, kept) == (3, photos.states.usage())
        photos.set_states("int8")
        assert library.states_usage(photos.info) == StatesUsage(0, kept.bytes)
        summary = library.summary(photos.info).states
    assert (summary.kind, summary.images, summary.bytes, summary.budget) == (
        *("int8", 0),
        *(kept.bytes, AMPLE),
    )


def test_looking_at_the_usage_makes_no_folder(tmp_path: Path, photos: Collection) -> None:
    with Library.open(tmp_path) as library:
        assert library.states_usage(photos.info) == StatesUsage(0, 0)
    assert not _folder(tmp_path).exists()


def test_removed_images_lose_their_states(photos: Collection) -> None:
    photos.set_states(budget=AMPLE)
    _put(photos, range(1, 5))
    assert photos.remove(iter(np.array([2, 4], dtype=np.int64))) == 2
    assert held(photos.states, keys(range(1, 5))) == [1, 3]


def test_removing_images_that_have_no_states_makes_no_folder(
    tmp_path: Path, photos: Collection
) -> None:
    assert photos.remove([1, 99]) == 1
    assert not _folder(tmp_path).exists()


def test_threads_share_one_store(photos: Collection) -> None:
    with ThreadPoolExecutor(max_workers=4) as threads:
        stores = list(threads.map(lambda _: photos.states, range(16)))
    assert {id(store) for store in stores} == {id(photos.states)}


def test_closing_a_collection_closes_its_states(photos: Collection) -> None:
    store = photos.states
    photos.close()
    with pytest.raises(LibraryError, match="closed; open them again"):
        store.usage()
    with pytest.raises(LibraryError, match="collection 1 is closed"):
        _ = photos.states
    with pytest.raises(LibraryError, match="collection 1 is closed"):
        photos.set_states("int8")
