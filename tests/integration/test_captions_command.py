"""`blipsearch index --captions`: from pictures to captions that a search finds by their words."""

from __future__ import annotations

from pathlib import Path

import pytest

from blipsearch.library import Library
from blipsearch.picturebook import gallery, render
from tests.support import Command

COUNT = 6


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for number, scene in enumerate(gallery(COUNT, 7)):
        render(scene, 256).save(folder / f"{number}.png")
    return folder


def test_captions_are_written_while_indexing_and_found_by_their_words(
    blipsearch: Command, scenes: Path, tmp_path: Path
) -> None:
    where = ("--library", tmp_path / "library", "--device", "cpu")
    asked = ("--checkpoint", "builtin", "--captions")
    finished = blipsearch("index", scenes, *where, *asked, "--json")
    assert finished.code == 0
    said = finished.json["captions"]
    assert said["captioned"] == COUNT
    assert said["match"] >= said["first_match"]
    assert said["match"] > 0.5  # the built-in checkpoints know this world

    with Library.open(tmp_path / "library") as library, library.collection("default") as found:
        captions = found.captions(range(1, COUNT + 1))
    assert {one.checkpoint for some in captions.values() for one in some} == {"builtin"}
    text = captions[1][0].text
    word = max(text.split(), key=len)
    expected = {number for number, some in captions.items() if word in some[0].text.split()}

    only = ("--hybrid", "only", "--no-rerank", "--json")
    hits = blipsearch("search", word, *where, *only).json["hits"]
    assert {hit["id"] for hit in hits} >= expected
    filtered = blipsearch("search", "a picture", "-f", f"caption:{word}", *where, "--json")
    assert {hit["id"] for hit in filtered.json["hits"]} >= expected

    again = blipsearch("index", *where, "--captions", "--json")
    assert again.json["captions"]["captioned"] == 0
    assert "captioning" not in again.err


def test_a_run_without_captions_does_not_speak_of_them(
    blipsearch: Command, scenes: Path, tmp_path: Path
) -> None:
    where = ("--library", tmp_path / "library", "--device", "cpu", "--checkpoint", "builtin")
    assert "captions" not in blipsearch("index", scenes, *where, "--json").json


def test_a_threshold_over_all_matches_draws_all_again(
    blipsearch: Command, scenes: Path, tmp_path: Path
) -> None:
    where = ("--library", tmp_path / "library", "--device", "cpu", "--checkpoint", "builtin")
    asked = ("--captions", "--caption-threshold", "1", "--caption-checkpoint", "builtin")
    finished = blipsearch("index", scenes, *where, *asked)
    assert finished.code == 0
    assert f"captioned {COUNT:>9} " in finished.out
    assert f"{COUNT} drawn again" in finished.out


def test_a_caption_checkpoint_that_is_none_is_refused_before_anything_is_indexed(
    blipsearch: Command, scenes: Path, tmp_path: Path, golden: Path
) -> None:
    where = ("--library", tmp_path / "library", "--device", "cpu", "--checkpoint", "builtin")
    asked = ("--captions", "--caption-checkpoint", golden / "itm")
    finished = blipsearch("index", scenes, *where, *asked)
    assert finished.code == 1
    assert "caption" in finished.err
    with Library.open(tmp_path / "library") as library, library.collection("default") as found:
        assert found.info.indexed == 0
