"""`blipsearch sources`, `switch`, and what `index` does with sources that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blipsearch.library import Library
from blipsearch.testing import write_sample_images, write_tiny_checkpoint
from tests.holding import held_elsewhere
from tests.support import Command


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_sample_images(tmp_path / "photos", 4)
    return tmp_path / "photos"


@pytest.fixture
def library(blipsearch: Command, golden: Path, photos: Path, tmp_path: Path) -> Path:
    """A library whose collection has one source, called trip."""
    library = tmp_path / "library"
    made = blipsearch(
        *("index", f"trip={photos}", "--library", library, "--checkpoint", golden / "itm")
    )
    assert made.code == 0, made.err
    return library


def test_the_sources_are_listed_with_their_counts(
    blipsearch: Command, library: Path, photos: Path
) -> None:
    listed = blipsearch("sources", "list", "--library", library)
    assert listed.out == f"trip: folder {photos}, 4 images, 0 failed, 0 missing\n"
    document = blipsearch("sources", "list", "--library", library, "--json").json
    assert document == {
        "collection": "default",
        "sources": [
            {
                "name": "trip",
                "kind": "folder",
                "root": str(photos),
                "indexed": 4,
                "failed": 0,
                "missing": 0,
            }
        ],
    }


def test_a_source_that_moved_is_told_and_nothing_is_embedded_again(
    blipsearch: Command, library: Path, photos: Path, tmp_path: Path
) -> None:
    photos.rename(tmp_path / "elsewhere")
    away = blipsearch("index", "--library", library, "--json")
    assert (away.code, away.json["missing"]) == (0, 4)
    assert "nothing is deleted" in away.err

    moved = blipsearch("sources", "move", "trip", tmp_path / "elsewhere", "--library", library)

    assert moved.code == 0
    again = blipsearch("index", "trip", "--library", library, "--json").json
    assert (again["unchanged"], again["added"], again["missing"]) == (4, 0, 0)


def test_a_root_that_is_not_there_is_taken_and_said(
    blipsearch: Command, library: Path, tmp_path: Path
) -> None:
    moved = blipsearch("sources", "move", "trip", tmp_path / "later", "--library", library)
    assert moved.code == 0
    assert "is not there now" in moved.err


def test_a_source_is_renamed_and_an_unknown_one_lists_those_there_are(
    blipsearch: Command, library: Path
) -> None:
    assert blipsearch("sources", "rename", "trip", "journey", "--library", library).code == 0
    refused = blipsearch("sources", "rename", "trip", "other", "--library", library)
    assert refused.code == 1
    assert "(there are: journey)" in refused.err


def test_gone_images_go_for_good_when_asked(
    blipsearch: Command, library: Path, photos: Path
) -> None:
    next(photos.iterdir()).unlink()
    assert blipsearch("index", "--library", library, "--json").json["missing"] == 1
    pruned = blipsearch("index", "--library", library, "--prune")
    assert "pruned            1" in pruned.out
    with Library.open(library) as opened, opened.collection("default") as collection:
        assert len(list(collection.entries())) == 3


def test_a_collection_is_embedded_beside_itself_and_the_names_are_changed(
    blipsearch: Command, library: Path, tmp_path: Path
) -> None:
    other = write_tiny_checkpoint(tmp_path / "other", "itm", seed=5)
    refused = blipsearch("index", "--library", library, "--checkpoint", other)
    assert refused.code == 1
    assert "`blipsearch index --collection default --into default-2 --checkpoint" in refused.err
    with Library.open(library) as opened, opened.collection("default") as collection:
        collection.set_tags(1, ["mine"])

    into = ["index", "--library", library, "--into", "default-2"]
    unsaid = blipsearch(*into)
    assert (unsaid.code, "with --checkpoint" in unsaid.err) == (1, True)
    made = blipsearch(*into, "--checkpoint", other, "--json")
    assert (made.code, made.json["collection"], made.json["added"]) == (0, "default-2", 4)
    assert "`blipsearch switch default default-2`" in made.err
    assert blipsearch(*into, "--json").json["unchanged"] == 4

    switched = blipsearch("switch", "default", "default-2", "--library", library)
    assert switched.code == 0
    with Library.open(library) as opened, opened.collection("default") as collection:
        assert collection.checkpoint.name == str(other)
        assert [entry.tags for entry in collection.entries()].count(("mine",)) == 1


def test_into_takes_no_sources(blipsearch: Command, library: Path, photos: Path) -> None:
    refused = blipsearch("index", photos, "--library", library, "--into", "other")
    assert refused.code == 2
    assert "leave out SOURCE" in refused.err
    itself = blipsearch("index", "--library", library, "--into", "default")
    assert (itself.code, "is the collection itself" in itself.err) == (1, True)


def test_switching_what_is_not_there_lists_what_is(blipsearch: Command, library: Path) -> None:
    refused = blipsearch("switch", "default", "other", "--library", library)
    assert refused.code == 1
    assert "(there are: default)" in refused.err


def test_a_second_indexer_leaves_at_once_and_says_who_the_first_is(
    blipsearch: Command, library: Path
) -> None:
    with held_elsewhere(library / "collections" / "1") as process:
        refused = blipsearch("index", "--library", library)
        assert refused.code == 1
        assert f"being indexed by process {process.pid} on " in refused.err
        assert len(refused.err.splitlines()) == 1
        status = blipsearch("status", "--library", library)
        assert f"being indexed by process {process.pid}" in status.out


def test_status_tells_of_the_last_run_and_of_one_that_was_killed(
    blipsearch: Command, library: Path
) -> None:
    assert "4 added" in blipsearch("status", "--library", library).out
    with Library.open(library) as opened, opened.collection("default") as collection:
        collection.begin_run()
    assert "was ended from outside" in blipsearch("status", "--library", library).out


def test_no_sources_and_no_collection_is_a_clear_error(blipsearch: Command, tmp_path: Path) -> None:
    refused = blipsearch("index", "--library", tmp_path / "library")
    assert refused.code == 1
    assert "there is no collection 'default' yet; name a folder" in refused.err
    assert not (tmp_path / "library").exists()


def test_the_json_of_a_run_is_one_object(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("index", "--library", library, "--json")
    assert json.loads(finished.out)["unchanged"] == 4
