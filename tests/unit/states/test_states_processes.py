"""Processes share a directory: each finds right states or none, whoever writes or is killed."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.unit.states_makers import (
    die_within_a_put,
    disk_bytes,
    file_bytes,
    held,
    key,
    keys,
    opened,
    put_on_and_on,
    segments,
    states_of,
    usage_of,
)

BUDGET = file_bytes(20)
ALL = [key(image_id, version) for image_id in range(1, 41) for version in range(3)]


def _started(target: Callable[..., None], directory: Path, *arguments: float) -> BaseProcess:
    spawning = multiprocessing.get_context("spawn")
    process = spawning.Process(target=target, args=(directory, BUDGET, *arguments))
    process.start()
    return process


def _wait_for_segment(directory: Path) -> None:
    end = time.monotonic() + 240
    while not segments(directory):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_reader_follows_two_writers_and_only_finds_what_they_put(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writers = [_started(put_on_and_on, tmp_path, seed, 1.5) for seed in (1, 2)]
    hits: set[int] = set()
    with opened(tmp_path, BUDGET) as store:
        while any(writer.is_alive() for writer in writers):
            hits.update(held(store, ALL))
            assert disk_bytes(tmp_path) <= BUDGET
        assert len(hits) > 30
        found = held(store, ALL)
        assert len(found) == len(set(found)) == store.usage().images
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert not caplog.records


def test_a_writer_killed_at_any_moment_leaves_nothing_wrong(tmp_path: Path) -> None:
    with opened(tmp_path, BUDGET) as store:
        for seed in range(4):
            writer = _started(put_on_and_on, tmp_path, seed, 60)
            _wait_for_segment(tmp_path)
            time.sleep(0.05 + 0.013 * seed)
            writer.kill()
            writer.join()
            held(store, ALL)
            several = keys(range(1, 21), version=seed % 3)
            store.put(several, states_of(several))
            assert held(store, several) == list(range(1, 21))
            for path in segments(tmp_path):
                path.unlink()


def test_what_a_killed_writer_told_nobody_of_is_still_known_to_the_next(tmp_path: Path) -> None:
    """Else the image had two places, and the one of the killed writer outlived the other."""
    with opened(tmp_path, BUDGET) as store:
        store.put(keys(range(1, 21)), states_of(keys(range(1, 21))))
        dying = _started(die_within_a_put, tmp_path, 30)
        dying.join()
        assert dying.exitcode == 9
        store.put([key(30, 1)], states_of([key(30, 1)]))
        assert held(store, [key(30), key(30, 1)]) == [30]
        store.discard([30])
        assert usage_of(tmp_path).images == 19
    with opened(tmp_path, BUDGET) as store:
        assert held(store, [key(30), *keys(range(1, 21))]) == list(range(2, 21))
