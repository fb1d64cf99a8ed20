"""`blipsearch failures`: what could not be indexed and why, and trying it again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blipsearch.testing import write_sample_images
from tests.support import Command


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    write_sample_images(folder, 2)
    (folder / "bad.jpg").write_bytes(b"no picture")
    shutil.copy(folder / "000.png", folder / "torn.png")
    data = (folder / "torn.png").read_bytes()
    (folder / "torn.png").write_bytes(data[: len(data) // 2])
    return folder


@pytest.fixture
def library(tmp_path: Path, pictures: Path, golden: Path, blipsearch: Command) -> Path:
    library = tmp_path / "library"
    checkpoint = ("--checkpoint", golden / "itm", "--device", "cpu")
    assert blipsearch("index", pictures, "--library", library, *checkpoint).code == 3
    return library


def test_failures_are_listed_with_their_reasons(blipsearch: Command, library: Path) -> None:
    listed = blipsearch("failures", "--library", library)
    assert listed.code == 0
    assert "bad.jpg: not an image" in listed.out
    assert "2 files of collection 'default' failed" in listed.out
    rows = blipsearch("failures", "--library", library, "--json").json["failures"]
    assert [Path(row["path"]).name for row in rows] == ["bad.jpg", "torn.png"]
    assert all(row["lasting"] and row["reason"] for row in rows)


def test_status_says_how_to_see_them(blipsearch: Command, library: Path) -> None:
    out = blipsearch("status", "--library", library).out
    assert "2 failed" in out
    assert "`blipsearch failures --collection default`" in out


def test_a_retry_says_what_became_of_each(
    blipsearch: Command, library: Path, pictures: Path
) -> None:
    write_sample_images(pictures / "new", 1, seed=9)
    (pictures / "new" / "000.png").replace(pictures / "torn.png")
    finished = blipsearch("failures", "--library", library, "--retry", "--json")
    assert finished.code == 3  # one still fails
    became = finished.json
    assert became["retried"] == 2
    assert [Path(row["path"]).name for row in became["indexed"]] == ["torn.png"]
    assert [Path(row["path"]).name for row in became["failed"]] == ["bad.jpg"]
    (pictures / "bad.jpg").unlink()
    text = blipsearch("failures", "--library", library, "--retry")
    assert text.code == 0
    assert "tried 1 file again: 0 indexed, 0 failed, 1 missing" in text.out


def test_a_retry_tries_files_that_did_not_change(
    blipsearch: Command, library: Path, pictures: Path
) -> None:
    """A file as it was is left alone by `index`, and may be fine for this version of a decoder."""
    limit = ("--max-megapixels", "0.001")
    assert blipsearch("index", pictures, "--library", library, *limit).code == 3
    again = blipsearch("failures", "--library", library, "--retry", "--json")
    assert len(again.json["failed"]) == 2
    assert again.code == 3


def test_nothing_failed_is_nothing_to_do(
    blipsearch: Command, tmp_path: Path, golden: Path, library: Path
) -> None:
    write_sample_images(tmp_path / "good", 2)
    arguments = ("--library", library, "--collection", "good")
    checkpoint = ("--checkpoint", golden / "itm", "--device", "cpu")
    assert blipsearch("index", tmp_path / "good", *arguments, *checkpoint).code == 0
    assert "0 files" in blipsearch("failures", *arguments).out
    finished = blipsearch("failures", *arguments, "--retry")
    assert (finished.code, finished.err) == (0, "")  # no checkpoint was loaded for it
