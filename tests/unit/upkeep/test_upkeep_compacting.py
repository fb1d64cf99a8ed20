"""Compacting gives the disk back what nobody needs, and nobody who searches notices."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from blipsearch.catalog.files import pack
from blipsearch.errors import LibraryBusyError
from blipsearch.library import Library
from blipsearch.records import StateKey
from blipsearch.upkeep.compacting import CompactReport, compact
from blipsearch.upkeep.verifying import verify
from tests.unit.collection_makers import indexed_file, unit_row
from tests.unit.states_makers import states_of
from tests.unit.upkeep_makers import COUNT, execute, make_library, opened_photos

MANY = 600


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of which most was removed, two days ago."""
    directory = tmp_path / "library"
    make_library(directory, tmp_path / "pictures")
    with opened_photos(directory) as photos:
        other = photos.add_source("/elsewhere")
        files = [indexed_file(other.id, f"{n}.jpg", n + 100) for n in range(MANY)]
        ids = photos.write(files)
        photos.set_metadata(ids[0], {"text": "x" * 90_000})
        keys = [StateKey(one, file.sha256) for one, file in zip(ids, files, strict=True)]
        photos.keep_states(keys, states_of(keys), photos.states_kind)
        photos.snapshot()
        photos.remove(ids)
        photos.remove_source(other.id)
    execute(directory, "UPDATE deletions SET deleted_at = datetime('now', '-2 days')")
    return directory


def compacted(library: Path) -> CompactReport:
    with Library.open(library) as opened:
        return compact(opened)


@contextmanager
def reading(library: Path) -> Iterator[None]:
    """Another process in the middle of a long look at the catalog."""
    with closing(sqlite3.connect(library / "catalog.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM images").fetchone()
        yield


def test_what_was_removed_takes_no_room_any_more(library: Path) -> None:
    report = compacted(library)
    assert report.before - report.after > 500_000
    assert (report.deletions, report.is_packed) == (MANY, True)
    found = verify(library, contents=True)
    assert found.is_sound
    assert found.states == COUNT
    assert len(list((library / "collections" / "1").glob("vectors-*.faiss"))) == 1
    with opened_photos(library) as photos:
        assert photos.search(unit_row(3)[np.newaxis], 1).ids.tolist() == [[4]]


def test_states_of_images_that_stay_are_kept_in_fewer_files(library: Path) -> None:
    states = library / "collections" / "1" / "states"
    assert len(list(states.glob("states-*.bin"))) > 1
    compacted(library)
    assert len(list(states.glob("states-*.bin"))) == 1
    with opened_photos(library) as photos:
        keys = [StateKey(one.id, one.sha256) for one in photos.entries()]
        whole, _ = photos.stored_states(keys)
        assert whole.all()


def test_compacting_again_finds_nothing_more(library: Path) -> None:
    compacted(library)
    again = compacted(library)
    assert again.deletions == again.files == 0
    assert again.before == again.after


def test_deletions_of_today_are_kept_for_who_follows(library: Path) -> None:
    with opened_photos(library) as follower, opened_photos(library) as photos:
        photos.remove([1])
        assert compacted(library).deletions == MANY
        assert follower.refresh()
        assert 1 not in follower.search(unit_row(0)[np.newaxis], COUNT).ids
    assert verify(library).is_sound


def test_an_open_collection_goes_on_searching(library: Path) -> None:
    with opened_photos(library) as photos:
        compacted(library)
        assert photos.search(unit_row(3)[np.newaxis], 1).ids.tolist() == [[4]]
        source = photos.sources()[0]
        photos.write([indexed_file(source.id, "new.jpg", 300)])
        assert photos.search(unit_row(300)[np.newaxis], 1).ids.tolist() == [[613]]


def test_while_somebody_reads_the_file_is_packed_later(library: Path) -> None:
    with reading(library):
        assert not compacted(library).is_packed
    assert compacted(library).is_packed
    assert verify(library).is_sound


def test_while_somebody_writes_for_long_it_says_so(library: Path) -> None:
    with closing(sqlite3.connect(library / "catalog.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryBusyError, match="another process is writing"):
            pack(library / "catalog.sqlite", busy_seconds=0.1)
    assert verify(library).is_sound
