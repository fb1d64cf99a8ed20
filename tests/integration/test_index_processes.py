"""Indexers in processes of their own: one at a time, and one that watches until it is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from benchmarks.crash_compare import rows_of
from benchmarks.crash_process import Processes, indexed_rows, is_alive
from blipsearch.testing import sample_image, write_sample_images
from tests.support import Command

Start = Callable[[str], Processes]


@pytest.fixture
def processes(tmp_path: Path, victim: tuple[str]) -> Start:
    """Makes who starts processes on the test's library, by a name of their own."""
    return lambda name: Processes(tmp_path / "library", tmp_path / name, os.environ, victim)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_sample_images(tmp_path / "photos", 3)
    return tmp_path / "photos"


@pytest.fixture
def arguments(photos: Path, tmp_path: Path, golden: Path) -> tuple[object, ...]:
    return (
        *("index", photos, "--library", tmp_path / "library"),
        *("--device", "cpu", "--checkpoint", golden / "itm"),
    )


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_second_indexer_says_who_is_there_and_leaves(
    processes: Start, arguments: tuple[object, ...]
) -> None:
    first, second = processes("first"), processes("second")
    refused = []

    def meet(pid: int) -> None:
        wait_for(lambda: indexed_rows(first.library) == 3)
        refused.append((pid, second.run(arguments)))

    killed = first.kill_after([*arguments, "--watch"], meet)
    afterwards = second.run(arguments)

    ((pid, ended),) = refused
    assert ended.code == 1
    assert re.search(
        rf"error: .*process {pid} on {re.escape(socket.gethostname())} since \d\d\d\d-", ended.err
    )
    assert "Traceback" not in ended.err
    assert not ended.embedded
    # A process that was killed lets go of the lock at once.
    assert not killed.finished
    assert killed.left_behind == ()
    assert (afterwards.code, afterwards.embedded) == (0, ())


def test_two_that_make_the_same_library_at_once_make_one(
    processes: Start, arguments: tuple[object, ...], photos: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(processes(name).run, arguments) for name in ("first", "second")]
    ended = [one.result() for one in both]

    assert "Traceback" not in ended[0].err + ended[1].err
    codes = sorted(one.code for one in ended)
    assert codes in ([0, 0], [0, 1])
    if codes == [0, 1]:
        refused = max(ended, key=lambda one: one.code)
        assert "this collection is being indexed by" in refused.err
    rows = rows_of(photos.parent / "library")
    assert [row.status for row in rows] == ["indexed"] * 3
    assert sum(sum(one.embedded) for one in ended) == 3


def test_decoders_end_with_the_process_that_was_killed(
    processes: Start, arguments: tuple[object, ...], photos: Path
) -> None:
    write_sample_images(photos, 200)
    seen = []

    def look(pid: int) -> None:
        wait_for(lambda: indexed_rows(photos.parent / "library") > 0 or not is_alive(pid))
        seen.extend(psutil.Process(pid).children(recursive=True))

    ended = processes("first").kill_after(arguments, look)

    assert seen
    assert not ended.finished
    assert ended.left_behind == ()


def test_what_is_watched_is_found_within_seconds_until_ctrl_c(
    blipsearch: Command,
    processes: Start,
    arguments: tuple[object, ...],
    photos: Path,
    tmp_path: Path,
) -> None:
    watching = processes("watching")
    told: list[dict[str, object]] = []

    def read() -> None:
        *lines, _unfinished = (watching.place / "out").read_text().split("\n")
        told[:] = [json.loads(line) for line in lines]

    def has_told(count: int) -> bool:
        read()
        return len(told) >= count

    def change(pid: int) -> None:
        wait_for(lambda: has_told(1))
        sample_image(50).save(photos / "new.png")
        wait_for(lambda: has_told(2))
        found = blipsearch(
            *("search", "shapes", "--library", tmp_path / "library", "--device", "cpu", "--json"),
        )
        assert found.code == 0, found.err
        assert "new.png" in [hit["path"] for hit in found.json["hits"]]
        (photos / "new.png").rename(photos / "moved.png")
        wait_for(lambda: has_told(3))
        (photos / "moved.png").unlink()
        wait_for(lambda: has_told(4))
        os.kill(pid, signal.SIGINT)
        wait_for(lambda: not is_alive(pid))

    ended = watching.kill_after([*arguments, "--watch", "--json"], change)
    read()

    assert ended.finished
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err
    looks = [(one["event"], one["added"], one["moved"], one["missing"]) for one in told]
    assert looks == [
        ("everything", 3, 0, 0),
        ("changes", 1, 0, 0),
        ("changes", 0, 1, 0),
        ("changes", 0, 0, 1),
        ("end", 4, 1, 1),
    ]
