"""A full disk ends a run with a clear error; once there is room the next one completes it."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.crash_compare import differences, rows_of
from tests.support import Command, Finished

KIB = 1024
ROOM = 64 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own whose size a test sets."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process become larger: a disk full for files that grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@dataclass(frozen=True)
class Places:
    pictures: Path
    golden: Path


@pytest.fixture
def places(pictures: Path, golden: Path) -> Places:
    return Places(pictures, golden)


def index(blipsearch: Command, library: Path, places: Places) -> Finished:
    return blipsearch(
        *("index", places.pictures, "--library", library, "--batch-size", 1, "--json"),
        *("--device", "cpu", "--checkpoint", places.golden / "itm"),
    )


def assert_clear(finished: Finished) -> None:
    """The run went on without what can be made again, or said in a line what is wrong."""
    assert "Traceback" not in finished.err
    if finished.code == 0:
        return
    assert finished.code == 1
    error = finished.err.splitlines()[-1]
    assert error.startswith("error: ")
    assert "disk" in error
    assert "space" in error


def assert_completed(blipsearch: Command, cut_short: Path, whole: Path, places: Places) -> None:
    """Another run adds just what is not there yet, and then all is as it ought to be."""
    acknowledged = {row.id: row.path for row in rows_of(cut_short) if row.status == "indexed"}
    finished = index(blipsearch, cut_short, places)
    assert finished.code == 0, finished.err
    assert finished.json["added"] == finished.json["images"] - len(acknowledged)
    there = {row.id: row.path for row in rows_of(cut_short)}
    assert acknowledged.items() <= there.items()
    assert differences(cut_short, whole, places.pictures) == []


@pytest.mark.parametrize("size", [64, 256, 384, 512])
def test_a_full_disk_is_said_and_with_room_the_next_run_completes(
    blipsearch: Command, small_disk: Path, places: Places, library: Path, size: int
) -> None:
    resize(small_disk, size * KIB)
    assert_clear(index(blipsearch, small_disk / "library", places))

    resize(small_disk, ROOM)
    assert_completed(blipsearch, small_disk / "library", library, places)


@pytest.mark.parametrize("size", [4, 64, 256, 512])
def test_files_that_may_not_grow_are_said_and_with_room_the_next_run_completes(
    blipsearch: Command, tmp_path: Path, places: Places, library: Path, size: int
) -> None:
    with largest_file(size * KIB):
        cut_short = index(blipsearch, tmp_path / "library", places)
    assert_clear(cut_short)

    assert_completed(blipsearch, tmp_path / "library", library, places)
