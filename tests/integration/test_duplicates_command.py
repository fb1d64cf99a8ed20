"""`blipsearch duplicates`: copies and near copies, as text, JSON and a contact sheet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from blipsearch.testing import sample_image
from tests.support import Command


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures, a copy of one, a smaller one of another, and two black frames."""
    folder = tmp_path_factory.mktemp("duplicates")
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(3):
        sample_image(number, size=(320, 240)).save(pictures / f"{number}.png")
    shutil.copy(pictures / "0.png", pictures / "copy of 0.png")
    sample_image(1, size=(320, 240)).resize((160, 120)).save(pictures / "small 1.jpg", quality=90)
    for number in range(2):
        Image.new("RGB", (100 + number, 80)).save(pictures / f"black {number}.png")
    from blipsearch.cli import run

    with pytest.raises(SystemExit) as exited:
        run(
            [
                *("index", str(pictures), "--library", str(folder / "library")),
                *("--checkpoint", "builtin", "--device", "cpu"),
            ]
        )
    assert exited.value.code == 0
    return folder / "library"


def test_exact_and_near_are_two_things(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("duplicates", "--library", library, "--json")
    found = finished.json
    assert finished.code == 0
    assert set(found) == {"exact", "near"}
    (exact,) = found["exact"]
    (near,) = found["near"]
    assert [one["path"] for one in exact] == ["0.png", "copy of 0.png"]
    assert [one["path"] for one in near] == ["1.png", "small 1.jpg"]
    assert set(near[0]) == {
        *("id", "source", "path", "width", "height", "size", "hash_distance", "cosine")
    }
    assert (near[0]["hash_distance"], near[0]["cosine"]) == (0, 1.0)
    assert near[1]["hash_distance"] <= 10
    assert 0.95 <= near[1]["cosine"] < 1
    assert "2 pictures of one colour" in finished.err


def test_either_kind_alone(blipsearch: Command, library: Path) -> None:
    assert set(blipsearch("duplicates", "--library", library, "--exact", "--json").json) == {
        "exact"
    }
    assert set(blipsearch("duplicates", "--library", library, "--near", "--json").json) == {"near"}


def test_narrower_limits_find_less(blipsearch: Command, library: Path) -> None:
    options = ("--near", "--cosine", "1.0", "--json")
    assert blipsearch("duplicates", "--library", library, *options).json == {"near": []}


def test_the_text_names_the_best_one_first(blipsearch: Command, library: Path) -> None:
    out = blipsearch("duplicates", "--library", library).out
    assert "exact: 1 group of 2 images" in out
    assert "near: 1 group of 2 images" in out
    best = next(line for line in out.splitlines() if line.endswith("/1.png"))
    assert best.startswith("* ")


def test_a_contact_sheet_is_drawn(blipsearch: Command, library: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    finished = blipsearch("duplicates", "--library", library, "--sheet", sheet)
    assert finished.code == 0
    assert str(sheet) in finished.err
    with Image.open(sheet) as image:
        assert image.width > 500


@pytest.mark.parametrize("option", [("--hash-distance", 65), ("--cosine", 2)])
def test_limits_that_cannot_be_are_usage_errors(
    blipsearch: Command, library: Path, option: tuple[str, int]
) -> None:
    assert blipsearch("duplicates", "--library", library, *option).code == 2


def test_a_collection_that_is_not_there_is_named(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("duplicates", "--library", library, "--collection", "other")
    assert finished.code == 1
    assert "'other'" in finished.err
