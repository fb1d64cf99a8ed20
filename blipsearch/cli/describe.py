"""`blipsearch caption` and `blipsearch ask`: what is in these pictures?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.edge import ExitCode
from blipsearch.options import DeviceOption, DtypeOption, JsonOption, MaxMegapixelsOption, make_app

if TYPE_CHECKING:
    from PIL import Image

    from blipsearch.settings import Settings

app = make_app()

ImagesArgument = Annotated[
    list[Path], typer.Argument(metavar="IMAGE", help="Image files.", show_default=False)
]
CheckpointOption = Annotated[
    str | None,
    typer.Option("--checkpoint", metavar="C", help="A Hub name, a directory or `builtin`."),
]
BeamsOption = Annotated[int, typer.Option("--beams", min=1, help="Beams; 1 decodes greedily.")]

CHUNK = 8
"""Images held in memory at once."""


@app.command()
def caption(  # noqa: PLR0913  # a command's options are its interface
    images: ImagesArgument,
    *,
    prompt: Annotated[str, typer.Option(help="How each caption begins.")] = "a picture of ",
    beams: BeamsOption = 3,
    max_length: Annotated[int, typer.Option(min=1, help="Tokens at most, prompt included.")] = 20,
    min_length: Annotated[int, typer.Option(min=0, help="Tokens at least, prompt included.")] = 5,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a caption for each image."""
    from blipsearch.blip import BlipCaptioner
    from blipsearch.settings import make_settings

    settings = make_settings(
        caption_checkpoint=checkpoint, device=device, dtype=dtype, max_megapixels=max_megapixels
    )
    captioner = BlipCaptioner.from_pretrained(
        settings.caption_checkpoint, device=settings.device, dtype=settings.dtype
    )
    sys.stderr.write(f"{captioner.description}\n")
    report = _Report("caption", as_json=as_json)
    for paths, pictures in _open_chunks(images, settings, report):
        captions = captioner.caption(
            pictures, prompt=prompt, num_beams=beams, max_length=max_length, min_length=min_length
        )
        report.add(paths, captions)
    report.finish()


@app.command()
def ask(  # noqa: PLR0913  # a command's options are its interface
    images: ImagesArgument,
    *,
    question: Annotated[str, typer.Option("--question", "-q", help="'what color is the car?'")],
    choice: Annotated[
        list[str] | None,
        typer.Option(help="An answer to choose from; give it once per answer."),
    ] = None,
    beams: BeamsOption = 3,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question about each image."""
    from blipsearch.blip import BlipAnswerer
    from blipsearch.settings import make_settings

    settings = make_settings(
        answer_checkpoint=checkpoint, device=device, dtype=dtype, max_megapixels=max_megapixels
    )
    answerer = BlipAnswerer.from_pretrained(
        settings.answer_checkpoint, device=settings.device, dtype=settings.dtype
    )
    sys.stderr.write(f"{answerer.description}\n")
    report = _Report("answer", as_json=as_json)
    for paths, pictures in _open_chunks(images, settings, report):
        questions = [question] * len(pictures)
        report.add(
            paths, answerer.answer(pictures, questions, choices=choice or None, num_beams=beams)
        )
    report.finish()


class _Report:
    """Prints a line per image as it comes, or everything as one JSON object at the end."""

    def __init__(self, kind: str, *, as_json: bool) -> None:
        self._kind = kind
        self._as_json = as_json
        self._texts: list[dict[str, str]] = []
        self._failed: list[dict[str, str]] = []

    def add(self, paths: list[Path], texts: list[str]) -> None:
        for path, text in zip(paths, texts, strict=True):
            self._texts.append({"path": str(path), self._kind: text})
            if not self._as_json:
                typer.echo(f"{path}\t{text}")

    def fail(self, path: Path, reason: str) -> None:
        self._failed.append({"path": str(path), "reason": reason})
        sys.stderr.write(f"failed: {path}: {reason}\n")

    def finish(self) -> None:
        if self._as_json:
            document = {f"{self._kind}s": self._texts, "failed": self._failed}
            typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        if self._failed:
            raise typer.Exit(ExitCode.SOME_IMAGES_FAILED)


def _open_chunks(
    paths: list[Path], settings: Settings, report: _Report
) -> Iterator[tuple[list[Path], list[Image.Image]]]:
    """Yield the readable images a few at a time; report each unreadable one."""
    from blipsearch.errors import ImageError
    from blipsearch.images import open_image

    for start in range(0, len(paths), CHUNK):
        good: list[Path] = []
        pictures: list[Image.Image] = []
        for path in paths[start : start + CHUNK]:
            try:
                opened = open_image(path, max_pixels=settings.max_pixels)
            except ImageError as error:
                report.fail(path, str(error))
                continue
            good.append(path)
            pictures.append(opened.image)
        if pictures:
            yield good, pictures
