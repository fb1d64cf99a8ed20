"""Reading a user's pictures with captions."""

from pathlib import Path

import pytest
from PIL import Image

from blipsearch.blip.pretraining.examples import Example, read_examples
from blipsearch.errors import SourceError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat.png", "dog.JPG", "bare.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "cat.txt").write_text("a cat\n\n a grey cat \n")
    (tmp_path / "dog.txt").write_text("a dog\n")
    return tmp_path


def test_a_folder_gives_a_caption_for_every_line_beside_a_picture(folder: Path) -> None:
    cat, dog = folder / "cat.png", folder / "dog.JPG"
    assert read_examples(folder) == [
        Example(cat, "a cat"),
        Example(cat, "a grey cat"),
        Example(dog, "a dog"),
    ]


def test_a_jsonl_file_names_pictures_relative_to_itself(folder: Path) -> None:
    lines = folder / "captions.jsonl"
    lines.write_text('{"image": "cat.png", "caption": "a cat"}\n\n')
    assert read_examples(lines) == [Example(folder / "cat.png", "a cat")]


@pytest.mark.parametrize(
    "line",
    ["no json", '{"image": "cat.png"}', '{"image": "no.png", "caption": "x"}', "[1]"],
)
def test_a_line_that_cannot_be_used_is_named(folder: Path, line: str) -> None:
    lines = folder / "captions.jsonl"
    lines.write_text('{"image": "cat.png", "caption": "a cat"}\n' + line)
    with pytest.raises(SourceError, match="line 2 of"):
        read_examples(lines)


def test_a_source_without_examples_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"\.txt file of the same name"):
        read_examples(tmp_path)
    with pytest.raises(SourceError, match="neither a JSONL file nor a folder"):
        read_examples(tmp_path / "absent")
