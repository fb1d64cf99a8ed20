"""A user's own pictures with captions: read from a JSONL file or a folder."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blipsearch.errors import SourceError
from blipsearch.images import SUFFIXES

__all__ = ["Example", "read_examples"]


@dataclass(frozen=True, slots=True)
class Example:
    """A picture and a sentence that is true of it."""

    image: Path
    caption: str


def read_examples(source: Path) -> list[Example]:
    """The examples of a JSONL file, or of a folder.

    A line of a JSONL file is {"image": path, "caption": text}, the path relative to the file's
    folder. In a folder, also below it, every picture with a .txt file of the same name beside it
    counts; each line of that is a caption.

    Raises SourceError when `source` is neither, a line cannot be read, a picture is not there, or
    there are no examples.
    """
    if source.is_dir():
        examples = list(_from_folder(source))
        wanted = "pictures with a .txt file of the same name beside them"
    elif source.is_file():
        examples = list(_from_lines(source))
        wanted = 'lines such as {"image": "cat.jpg", "caption": "a cat on a chair"}'
    else:
        raise SourceError(f"{source} is neither a JSONL file nor a folder; give one that exists")
    if not examples:
        raise SourceError(f"{source} holds no examples; it should hold {wanted}")
    return examples


def _from_folder(folder: Path) -> Iterator[Example]:
    for image in sorted(folder.rglob("*")):
        captions = image.with_suffix(".txt")
        if image.suffix.lower() in SUFFIXES and captions.is_file():
            for line in captions.read_text(encoding="utf-8").splitlines():
                if line.strip():
                    yield Example(image, line.strip())


def _from_lines(file: Path) -> Iterator[Example]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            yield _from_line(line, file, number)


def _from_line(line: str, file: Path, number: int) -> Example:
    try:
        row = json.loads(line)
        image, caption = row["image"], row["caption"]
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(
            f'line {number} of {file} is not {{"image": path, "caption": text}}: {line[:60]!r}'
        ) from error
    if not isinstance(image, str) or not isinstance(caption, str) or not caption.strip():
        raise SourceError(
            f"line {number} of {file}: image and caption must be text, and the caption not empty"
        )
    path = file.parent / image
    if not path.is_file():
        raise SourceError(f"line {number} of {file}: there is no picture {path}")
    return Example(path, caption.strip())
