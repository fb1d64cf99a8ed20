"""`blipsearch finetune` on a user's own pictures, from the command line to a search."""

import json
from pathlib import Path

import pytest

from blipsearch.testing import write_sample_images, write_tiny_checkpoint
from tests.support import Command

CAPTIONS = ("a dog", "a red car", "two trees", "a house by the sea")


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    pictures = write_sample_images(tmp_path / "pictures", len(CAPTIONS))
    file = tmp_path / "pictures" / "captions.jsonl"
    rows = [
        {"image": picture.name, "caption": caption}
        for picture, caption in zip(pictures, CAPTIONS, strict=True)
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def test_a_fine_tuned_checkpoint_can_be_indexed_and_searched_with(
    blipsearch: Command, examples: Path, tmp_path: Path
) -> None:
    start = write_tiny_checkpoint(tmp_path / "start", "itm")
    output = tmp_path / "tuned"

    tuned = blipsearch(
        *("finetune", examples, "--checkpoint", start, "--output", output),
        *("--epochs", 2, "--batch-size", 4, "--device", "cpu"),
    )
    library = ("--library", tmp_path / "library")
    indexed = blipsearch("index", examples.parent, "--checkpoint", output, *library, "--json")
    found = blipsearch("search", "a dog", *library, "--json")

    assert tuned.code == 0
    assert "4 examples, 2 steps" in tuned.out
    assert "step 2 of 2" in tuned.err
    assert indexed.json["added"] == len(CAPTIONS)
    assert len(found.json["hits"]) == len(CAPTIONS)
    assert blipsearch("status", *library, "--json").json["collections"][0]["checkpoint"] == str(
        output
    )


def test_a_line_that_cannot_be_used_is_named_before_anything_is_trained(
    blipsearch: Command, examples: Path, tmp_path: Path
) -> None:
    examples.write_text('{"image": "none.png", "caption": "a dog"}\n')

    finished = blipsearch("finetune", examples, "--output", tmp_path / "tuned")

    assert finished.code == 1
    assert "line 1 of" in finished.err
    assert not (tmp_path / "tuned").exists()
