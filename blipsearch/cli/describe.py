"""`blipsearch caption` and `blipsearch ask`: what is in these pictures?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.edge import ExitCode
from blipsearch.options import (
    CollectionOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LibraryOption,
    MaxMegapixelsOption,
    ServerOption,
    make_app,
)

if TYPE_CHECKING:
    from PIL import Image

    from blipsearch.client import Client
    from blipsearch.collection import Collection
    from blipsearch.places import Place
    from blipsearch.settings import Settings

app = make_app()

ImagesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE", help="Image files, or id:17 for an indexed image.", show_default=False
    ),
]
CheckpointOption = Annotated[
    str | None,
    typer.Option("--checkpoint", metavar="C", help="A Hub name, a directory or `builtin`."),
]
BeamsOption = Annotated[
    int | None, typer.Option("--beams", min=1, help="Beams; 1 decodes greedily (default: 3).")
]

BEAMS = 3
CHUNK = 8
"""Images held in memory at once."""
ID = "id:"


@app.command()
def caption(  # noqa: PLR0913  # a command's options are its interface
    images: ImagesArgument,
    *,
    prompt: Annotated[str, typer.Option(help="How each caption begins.")] = "a picture of ",
    beams: BeamsOption = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens at most, prompt included (default: 20).")
    ] = None,
    min_length: Annotated[
        int | None, typer.Option(min=0, help="Tokens at least, prompt included (default: 5).")
    ] = None,
    checkpoint: CheckpointOption = None,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    server: ServerOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a caption for each image."""
    from blipsearch.cli.answering import check_local_options
    from blipsearch.settings import make_settings

    settings = make_settings(
        caption_checkpoint=checkpoint,
        collection=collection,
        library=library,
        server=server,
        device=device,
        dtype=dtype,
        max_megapixels=max_megapixels,
    )
    local = {
        "--beams": beams,
        "--max-length": max_length,
        "--min-length": min_length,
        "--checkpoint": checkpoint,
        "--library": library,
        "--device": device,
        "--dtype": dtype,
        "--max-megapixels": max_megapixels,
    }
    check_local_options(settings, local)
    report = _Report("caption", as_json=as_json)
    if settings.server is not None:
        _ask_service(
            images, settings, report, lambda client, image: client.caption(image, prompt).text
        )
        return
    from blipsearch.blip import BlipCaptioner

    captioner = BlipCaptioner.from_pretrained(
        settings.caption_checkpoint, device=settings.device, dtype=settings.dtype
    )
    sys.stderr.write(f"{captioner.description}\n")
    for names, pictures in _open_chunks(images, settings, report):
        captions = captioner.caption(
            pictures,
            prompt=prompt,
            num_beams=beams or BEAMS,
            max_length=20 if max_length is None else max_length,
            min_length=5 if min_length is None else min_length,
        )
        report.add(names, captions)
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
    beams: BeamsOption = None,
    checkpoint: CheckpointOption = None,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    server: ServerOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question about each image."""
    from blipsearch.cli.answering import check_local_options
    from blipsearch.settings import make_settings

    settings = make_settings(
        answer_checkpoint=checkpoint,
        collection=collection,
        library=library,
        server=server,
        device=device,
        dtype=dtype,
        max_megapixels=max_megapixels,
    )
    local = {
        "--beams": beams,
        "--checkpoint": checkpoint,
        "--library": library,
        "--device": device,
        "--dtype": dtype,
        "--max-megapixels": max_megapixels,
    }
    check_local_options(settings, local)
    report = _Report("answer", as_json=as_json)
    choices = choice or None
    if settings.server is not None:
        _ask_service(
            images,
            settings,
            report,
            lambda client, image: client.ask(image, question, choices).answer,
        )
        return
    from blipsearch.blip import BlipAnswerer

    answerer = BlipAnswerer.from_pretrained(
        settings.answer_checkpoint, device=settings.device, dtype=settings.dtype
    )
    sys.stderr.write(f"{answerer.description}\n")
    for names, pictures in _open_chunks(images, settings, report):
        questions = [question] * len(pictures)
        answers = answerer.answer(pictures, questions, choices=choices, num_beams=beams or BEAMS)
        report.add(names, answers)
    report.finish()


class _Report:
    """Prints a line per image as it comes, or everything as one JSON object at the end."""

    def __init__(self, kind: str, *, as_json: bool) -> None:
        self._kind = kind
        self._as_json = as_json
        self._texts: list[dict[str, str]] = []
        self._failed: list[dict[str, str]] = []

    def add(self, names: Sequence[str], texts: Sequence[str]) -> None:
        for name, text in zip(names, texts, strict=True):
            self._texts.append({"path": name, self._kind: text})
            if not self._as_json:
                typer.echo(f"{name}\t{text}")

    def fail(self, name: str, reason: str) -> None:
        self._failed.append({"path": name, "reason": reason})
        sys.stderr.write(f"failed: {name}: {reason}\n")

    def finish(self) -> None:
        if self._as_json:
            document = {f"{self._kind}s": self._texts, "failed": self._failed}
            typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        if self._failed:
            raise typer.Exit(ExitCode.SOME_IMAGES_FAILED)


def _ask_service(
    images: Sequence[str],
    settings: Settings,
    report: _Report,
    say: Callable[[Client, int | str], str],
) -> None:
    """Let the settings' service say something of each image, one after the other."""
    from blipsearch.cli.answering import opened_service
    from blipsearch.errors import ImageError

    with opened_service(settings, settings.server or "") as client:
        for name in images:
            number = _id_of(name)
            try:
                report.add([name], [say(client, name if number is None else number)])
            except ImageError as error:
                report.fail(name, str(error))
    report.finish()


def _open_chunks(
    images: Sequence[str], settings: Settings, report: _Report
) -> Iterator[tuple[list[str], list[Image.Image]]]:
    """Yield the readable images a few at a time; report each unreadable one."""
    from blipsearch.contents import open_picture
    from blipsearch.errors import ImageError
    from blipsearch.images import open_image

    found = _found(images, settings, report)
    while some := list(islice(found, CHUNK)):
        good: list[str] = []
        pictures: list[Image.Image] = []
        for name, place in some:
            try:
                if place is None:
                    opened = open_image(name, max_pixels=settings.max_pixels)
                else:
                    opened = open_picture(place, max_pixels=settings.max_pixels)
            except ImageError as error:
                report.fail(name, str(error))
                continue
            good.append(name)
            pictures.append(opened.image)
        if pictures:
            yield good, pictures


def _found(
    images: Sequence[str], settings: Settings, report: _Report
) -> Iterator[tuple[str, Place | None]]:
    """Each image's name, and the place of one that an id names: only for it is the library opened.

    Other names are those of files.
    """
    from blipsearch.errors import ImageError
    from blipsearch.library import Library

    with ExitStack() as resources:
        collection: Collection | None = None
        for name in images:
            number = _id_of(name)
            if number is None:
                yield name, None
                continue
            if collection is None:
                library = resources.enter_context(Library.open(settings.library))
                collection = resources.enter_context(library.collection(settings.collection))
            try:
                yield name, collection.image(number).place
            except ImageError as error:
                report.fail(name, str(error))


def _id_of(name: str) -> int | None:
    """The id in `id:17`; None for a file. A file of that name is `./id:17`."""
    number = name.removeprefix(ID)
    return int(number) if name.startswith(ID) and number.isdecimal() else None
