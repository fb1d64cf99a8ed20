"""Whatever lies in the directory or becomes of it, a store returns right states or none."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from blipsearch.records import StatesUsage
from blipsearch.states import StateStore, check_states, folder
from blipsearch.states import store as store_module
from tests.unit.states_makers import (
    PRINT,
    STRIDE,
    file_bytes,
    held,
    key,
    keys,
    opened,
    segments,
    states_of,
    usage_of,
)

TABLE = 4096
RECORDS = 2 * 4096
EVERY = list(range(1, 65))


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A directory whose one segment is full of images 1 to 64, in the order of the slots."""
    with opened(tmp_path) as store:
        store.put(keys(EVERY), states_of(keys(EVERY)))
    return tmp_path


def _flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def test_a_file_let_go_of_while_it_is_checked_is_no_damage(full: Path) -> None:
    def contents() -> dict[int, str]:
        segments(full)[0].unlink()
        return {}

    report = check_states(full, PRINT, "float16", contents)
    assert (report.records, report.bad, report.unfit) == (0, (), ())


def _put_all_anew(store: StateStore) -> None:
    store.put(keys(EVERY), states_of(keys(EVERY)))
    assert held(store, keys(EVERY)) == EVERY


@pytest.mark.parametrize("offset", [0, 41, 79])
@pytest.mark.parametrize("open_before", [True, False])
def test_a_torn_record_is_not_returned_and_is_replaced(
    full: Path, offset: int, open_before: bool
) -> None:
    with opened(full) as store:
        if open_before:
            assert held(store, keys(EVERY)) == EVERY
        _flip(segments(full)[0], RECORDS + 2 * STRIDE + offset)
        assert held(store, keys(EVERY)) == [1, 2, *range(4, 65)]
        store.put([key(3)], states_of([key(3)]))
        assert held(store, keys(EVERY)) == EVERY


@pytest.mark.parametrize("field", [0, 7, 16, 23, 24, 55])
@pytest.mark.parametrize("open_before", [True, False])
def test_a_torn_entry_costs_its_image_and_no_other(
    full: Path, field: int, open_before: bool
) -> None:
    """A byte of the id, the checksum or the content."""
    with opened(full) as store:
        if open_before:
            assert held(store, keys(EVERY)) == EVERY
        _flip(segments(full)[0], TABLE + 2 * 64 + field)
        found = held(store, keys(EVERY))
        assert 3 not in found
        # An id may turn into that of another image, which then is in two places, one wrong.
        assert len(found) >= 62
        _put_all_anew(store)


def test_a_time_of_use_to_come_does_not_keep_a_place_for_ever(full: Path) -> None:
    with (segments(full)[0]).open("r+b") as file:
        file.seek(TABLE + 8)
        file.write((1 << 62).to_bytes(8, "little"))
    with opened(full, file_bytes(64)) as store:
        store.put([key(99)], states_of([key(99)]))
        assert held(store, keys([1, 2, 99])) == [2, 99]


@pytest.mark.parametrize("offset", [0, 8, 16, 48, 64, 72, 96, 111, 119])
def test_a_torn_header_makes_the_segment_worthless(full: Path, offset: int) -> None:
    _flip(segments(full)[0], offset)
    assert usage_of(full) == StatesUsage(0, file_bytes(64))
    with opened(full) as store:
        assert held(store, keys(EVERY)) == []
        _put_all_anew(store)
    assert usage_of(full) == StatesUsage(64, file_bytes(64))


@pytest.mark.parametrize("size", [0, 1, 100, TABLE, RECORDS + 5, file_bytes(64) - 1])
@pytest.mark.parametrize("open_before", [True, False])
def test_a_file_cut_short_is_made_anew(full: Path, size: int, open_before: bool) -> None:
    with opened(full) as store:
        if open_before:
            assert held(store, keys(EVERY)) == EVERY
        os.truncate(segments(full)[0], size)
        assert usage_of(full).images == 0
        assert held(store, keys(EVERY)) == []
        _put_all_anew(store)


def test_garbage_is_ignored_and_deleted_and_a_directory_left_alone(full: Path) -> None:
    (full / "states-001.bin").write_bytes(os.urandom(10_000))
    (full / "states-002.bin").write_bytes(b"")
    (full / "states-003.bin").mkdir()
    (full / "states-004.bin.tmp").write_bytes(b"half a segment")
    (full / "notes.txt").write_text("someone's own")
    assert usage_of(full) == StatesUsage(64, file_bytes(64) + 10_000 + 14)
    with opened(full) as store:
        assert held(store, keys(EVERY)) == EVERY
        more = keys(range(1, 100))
        store.put(more, states_of(more))
        assert held(store, more) == list(range(1, 100))
    assert sorted(path.name for path in full.iterdir()) == [
        *("generation", "lock", "notes.txt"),
        *("states-000.bin", "states-003.bin", "states-004.bin"),
    ]


def test_garbage_all_over_the_tables_and_records_is_survived(full: Path) -> None:
    path = segments(full)[0]
    header = path.read_bytes()[:TABLE]
    path.write_bytes(header + os.urandom(file_bytes(64) - TABLE))
    with opened(full) as store:
        assert held(store, keys(EVERY)) == []
        assert usage_of(full).images <= 64
        _put_all_anew(store)


def test_of_an_image_in_two_places_the_newer_one_counts(full: Path) -> None:
    """As a process leaves it that was killed while it moved records."""
    path = segments(full)[0]
    old = path.read_bytes()
    with opened(full) as store:
        store.put([key(1, 1)], states_of([key(1, 1)]))
    with path.open("r+b") as file:  # the older state of image 1 in place of image 2
        file.seek(TABLE + 64)
        file.write(old[TABLE : TABLE + 64])
        file.seek(RECORDS + STRIDE)
        file.write(old[RECORDS : RECORDS + STRIDE])
    with opened(full) as store:
        assert held(store, [key(1, 0), key(1, 1), key(2)]) == [1]
        assert held(store, [key(1, 1)]) == [1]
        store.put([key(1, 2)], states_of([key(1, 2)]))
        assert held(store, [key(1, 2)]) == [1]
        store.discard([1])
    with opened(full) as store:
        assert held(store, [key(1, 0)]) == []
        assert store.usage().images == 62


def test_a_folder_deleted_under_an_open_store_is_started_afresh(full: Path) -> None:
    with opened(full) as store, opened(full) as other:
        assert held(store, keys(EVERY)) == held(other, keys(EVERY)) == EVERY
        shutil.rmtree(full)
        assert held(store, keys(EVERY)) == []
        store.discard([1])
        assert not full.exists()
        store.put(keys([7, 8]), states_of(keys([7, 8])))
        assert held(store, keys(EVERY)) == held(other, keys(EVERY)) == [7, 8]
        assert store.usage() == StatesUsage(2, file_bytes(64))


def test_a_segment_deleted_under_an_open_store_costs_its_images(full: Path) -> None:
    with opened(full) as store:
        more = keys(range(65, 80))
        store.put(more, states_of(more))
        segments(full)[0].unlink()
        assert held(store, [*keys(EVERY), *more]) == list(range(65, 80))
        store.put([key(1)], states_of([key(1)]))
        assert held(store, [*keys(EVERY), *more]) == [1, *range(65, 80)]


def test_a_lost_generation_is_only_read_again(full: Path) -> None:
    with opened(full) as store, opened(full) as other:
        assert held(other, keys(EVERY)) == EVERY
        (full / "generation").unlink()
        store.put([key(99)], states_of([key(99)]))
        assert held(other, [key(99)]) == [99]
        (full / "generation").write_bytes(b"\xff" * 8)
        store.put([key(98)], states_of([key(98)]))
        assert held(other, keys([98, 99])) == [98, 99]


def test_a_place_that_is_no_directory_keeps_nothing_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with opened(tmp_path / "file") as store:
        for _ in range(3):
            store.put([key(1)], states_of([key(1)]))
            store.discard([1])
            assert held(store, [key(1)]) == []
        assert store.usage() == StatesUsage(0, 0)
    assert [record.name for record in caplog.records] == ["blipsearch.states"]
    assert "searches compute again" in caplog.text


@contextmanager
def _no_room(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size`; it fails as on a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_full_disk_keeps_nothing_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as store:
        with _no_room(4096):
            for _ in range(3):
                store.put([key(1)], states_of([key(1)]))
                assert held(store, [key(1)]) == []
        assert not list(tmp_path.glob("states-*"))
        assert len(caplog.records) == 1
        store.put([key(1)], states_of([key(1)]))
        assert held(store, [key(1)]) == [1]


def test_on_a_disk_that_fills_up_the_least_recently_used_go(full: Path) -> None:
    with opened(full) as store:
        with _no_room(4096):
            more = keys(range(65, 70))
            store.put(more, states_of(more))
        assert held(store, [*keys(EVERY), *more]) == list(range(6, 70))
    assert len(segments(full)) == 1


def test_the_reserve_of_the_disk_is_not_touched(
    full: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(folder, "RESERVE_BYTES", 1 << 60)
    with opened(full) as store:
        store.put([key(65)], states_of([key(65)]))
        assert held(store, [key(1), key(2), key(65)]) == [2, 65]
    with opened(full / "below") as store:
        for _ in range(2):
            store.put([key(1)], states_of([key(1)]))
        assert held(store, [key(1)]) == []
    assert "MiB of the disk are free" in caplog.text
    assert not segments(full / "below")


def test_a_lock_that_is_held_for_long_only_costs_that_nothing_is_kept(
    full: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module, "_LOCK_SECONDS", 0.05)
    with opened(full) as store:
        with FileLock(full / "lock"):
            store.put([key(99)], states_of([key(99)]))
            assert held(store, keys([1, 99])) == [1]
        assert "lock" in caplog.text
        store.put([key(99)], states_of([key(99)]))
        assert held(store, keys([1, 99])) == [1, 99]


def test_blocks_are_set_aside_where_the_system_has_no_call_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    with opened(tmp_path) as store:
        _put_all_anew(store)
    status = segments(tmp_path)[0].stat()
    assert status.st_size == file_bytes(64)
    assert status.st_blocks * 512 >= status.st_size


@contextmanager
def _unprivileged(directory: Path) -> Iterator[None]:
    """Be somebody who may read what is in the directory and change nothing there."""
    for path in directory.iterdir():
        path.chmod(0o444)
    directory.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o755)


def test_who_may_only_read_finds_what_is_there(caplog: pytest.LogCaptureFixture) -> None:
    # pytest's own temporary directories are closed to anybody else.
    with tempfile.TemporaryDirectory() as name, opened(Path(name)) as owner:
        owner.put(keys(EVERY), states_of(keys(EVERY)))
        Path(name).chmod(0o755)
        with _unprivileged(Path(name)), opened(Path(name)) as store:
            assert held(store, keys(EVERY)) == EVERY
            for _ in range(2):
                store.put([key(99)], states_of([key(99)]))
                store.discard([1])
            assert held(store, keys([1, 99])) == [1]
            assert len(caplog.records) == 1
