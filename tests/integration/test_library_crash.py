"""A writer killed at any moment leaves whole batches only, and all that it acknowledged.

Run as a program, this file is that writer.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np

from blipsearch.library import Library
from blipsearch.records import ImageEntry
from tests.unit.collection_makers import (
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
)

ROOT = Path(__file__).parents[2]
BATCH = 7
ROUNDS = 5


def _seed(batch: int, version: int, number: int) -> int:
    return (batch + 1) * 100 + version * 10 + number


def write_until_killed(directory: str) -> None:
    """Add batch after batch, each changing the one before it too; save a snapshot now and then."""
    with Library.open(directory) as library, library.collection("photos") as photos:
        source = photos.sources()[0]
        batch = len(photos.known_files(source.id)) // BATCH
        while True:
            new = [
                indexed_file(source.id, f"{batch}/{n}.jpg", _seed(batch, 0, n))
                for n in range(BATCH)
            ]
            changed = [
                indexed_file(source.id, f"{batch - 1}/{n}.jpg", _seed(batch - 1, 1, n))
                for n in range(BATCH)
            ]
            photos.write(new + (changed if batch else []))
            sys.stdout.write(f"{batch}\n")
            sys.stdout.flush()
            if batch % 3 == 0:
                photos.snapshot()
            batch += 1


def _kill_a_writer(directory: Path, acknowledgements: int, delay: float) -> int:
    """Kill a writer after so many acknowledgements and a while; returns the last batch it said."""
    command = [sys.executable, "-m", "tests.integration.test_library_crash", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        said = "".join(writer.stdout.readline() for _ in range(acknowledgements))
        time.sleep(delay)
        writer.kill()
        said += writer.stdout.read()
    # What follows the last line break was cut off with the process.
    return int(said.split("\n")[-2])


def test_a_killed_writer_leaves_whole_batches_and_all_it_acknowledged(tmp_path: Path) -> None:
    with new_collection(tmp_path) as photos:
        photos.add_source("/pictures")
    moments = random.Random(20)
    acknowledged = -1
    for _ in range(ROUNDS):
        said = _kill_a_writer(tmp_path, moments.randint(1, 12), moments.uniform(0, 0.03))
        assert said > acknowledged
        acknowledged = said
        _check_whole(tmp_path, acknowledged)


def _check_whole(directory: Path, acknowledged: int) -> None:
    with opened_collection(directory) as photos:
        batches: dict[int, dict[int, ImageEntry]] = defaultdict(dict)
        for entry in photos.entries():
            folder, name = entry.path.split("/")
            batches[int(folder)][int(name.removesuffix(".jpg"))] = entry
        count = len(batches)
        assert sorted(batches) == list(range(count))
        # One batch may have been committed and killed before it could be acknowledged.
        assert count in {acknowledged + 1, acknowledged + 2}
        for batch, entries in batches.items():
            version = 0 if batch == count - 1 else 1
            seeds = [_seed(batch, version, number) for number in range(BATCH)]
            assert [entries[n].size - 1000 for n in range(BATCH)] == seeds
            found = photos.search(np.stack([unit_row(seed) for seed in seeds]), 1)
            assert found.ids[:, 0].tolist() == [entries[n].id for n in range(BATCH)]
            np.testing.assert_allclose(found.cosines, 1.0, atol=1e-5)
        assert photos.info.indexed == count * BATCH
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


if __name__ == "__main__":
    write_until_killed(sys.argv[1])
