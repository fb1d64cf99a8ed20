"""Indexing that is killed again and again loses nothing, starts nothing over, and ends the same."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.crash import Rounds, Trial, crash
from benchmarks.crash_folder import WorkedFolder
from benchmarks.crash_process import Moment, Processes
from blipsearch.blip import BlipRetriever
from blipsearch.library import Library
from blipsearch.vectors import IndexNeeds
from tests.unit.collection_makers import indexed_file

ROUNDS = 25
MANY = 1_000
"""So many images that another index than the exact one can be built of them."""


def test_a_library_that_was_killed_25_times_is_as_one_that_never_was(
    tmp_path: Path, golden: Path, victim: tuple[str]
) -> None:
    arguments = ("--checkpoint", str(golden / "itm"))

    outcome = crash(tmp_path, Trial(ROUNDS, seed=8, images=24, arguments=arguments), victim)

    assert outcome.wrong == []
    assert outcome.killed == ROUNDS


def test_an_index_whose_build_was_killed_is_built_by_the_next_run(
    tmp_path: Path, golden: Path, victim: tuple[str]
) -> None:
    library = tmp_path / "library"
    retriever = BlipRetriever.from_pretrained(golden / "itm")
    with (
        Library.open(library, create=True) as opened,
        opened.create_collection("default", retriever.identity) as collection,
    ):
        source = collection.add_source("/elsewhere")
        collection.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(MANY)])
    folder = WorkedFolder(tmp_path / "photos", seed=1)
    folder.add(3)
    folder.spoil()
    processes = Processes(library, tmp_path / "told", os.environ, victim)
    rounds = Rounds(folder, processes, ("--vector-memory", "1"))

    # One file after the other takes its name, and before the next the process is killed.
    moments = (Moment("os.rename", number) for number in range(1, 20))
    while not rounds.kill(next(moments)).finished:
        pass

    assert rounds.outcome.wrong == []
    assert rounds.outcome.killed >= 4
    with Library.open(library) as opened, opened.collection("default") as collection:
        assert collection.index_info.kind != "exact"
        assert not collection.wants_build(IndexNeeds(1, 0.99))
