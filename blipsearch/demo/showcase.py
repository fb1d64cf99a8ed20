"""Runs the demo's six telling queries and draws what they found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from blipsearch.collection import Collection
from blipsearch.demo.gallery import DEMO_COLLECTION, gallery_folder
from blipsearch.describe import LoadedNetworks
from blipsearch.library import Library
from blipsearch.operations import Operations
from blipsearch.schemas import Hit, SearchRequest
from blipsearch.settings import Settings
from blipsearch.sheet import contact_sheet, save_sheet

__all__ = ["Asked", "Showcase", "Shown", "show"]

LIMIT = 5
MIN_MATCH = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of the demo, what it shows off, and a question put to its best hits."""

    query: str
    shows: str
    question: str


ASKED = (
    Asked("a dog right of a tree", "a relation", "what color is the tree?"),
    Asked("three trains", "a count", "how many trains are there?"),
    Asked("a red apple left of a yellow house", "two colors", "what color is the house?"),
    Asked("two butterflies by the sea", "a setting", "where are the butterflies?"),
)
NOT_THERE = Asked("a green elephant next to a pink rocket at night", "nothing matches", "")


@dataclass(frozen=True, slots=True)
class ShownHit:
    """A hit with its picture's file, a caption and an answer (empty where none was asked)."""

    hit: Hit
    file: Path
    caption: str
    answer: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One query with its hits, and the contact sheet that was drawn of them."""

    query: str
    shows: str
    question: str
    hits: tuple[ShownHit, ...]
    candidates: int
    sheet: Path


@dataclass(frozen=True, slots=True)
class Showcase:
    """All queries of the demo and the HTML page that shows them."""

    shown: tuple[Shown, ...]
    page: Path


class _Exhibitor:
    """Searches the demo's collection and describes what it finds."""

    def __init__(self, collection: Collection, settings: Settings, folder: Path) -> None:
        builtin = {"caption_checkpoint": "builtin", "answer_checkpoint": "builtin"}
        networks = LoadedNetworks(settings.model_copy(update=builtin))
        self._operations = Operations(collection, networks, max_pixels=settings.max_pixels)
        self._collection = collection
        self._folder = folder

    def show_text(self, asked: Asked, number: int) -> Shown:
        request = SearchRequest(
            query=asked.query,
            limit=LIMIT,
            min_match=MIN_MATCH,
            include=("caption",),
            ask=asked.question or None,
        )
        return self._shown(asked, request, number)

    def show_image(self, picture: Path, number: int) -> Shown:
        asked = Asked(picture.name, "an image as the query", "")
        request = SearchRequest(image=picture.read_bytes(), limit=LIMIT, include=("caption",))
        return self._shown(asked, request, number)

    def _shown(self, asked: Asked, request: SearchRequest, number: int) -> Shown:
        found = self._operations.search(request)
        entries = self._collection.images([hit.id for hit in found.hits])
        files = [entry.absolute_path for entry in entries]
        sheet = self._folder / f"query-{number}.jpg"
        save_sheet(contact_sheet(asked.query, found.hits, files), sheet)
        return Shown(
            query=asked.query,
            shows=asked.shows,
            question=asked.question,
            hits=tuple(
                ShownHit(hit, Path(file), hit.caption or "", hit.answer or "")
                for hit, file in zip(found.hits, files, strict=True)
            ),
            candidates=found.candidates,
            sheet=sheet,
        )


def show(settings: Settings) -> Showcase:
    """Run the six queries over the collection `demo`, draw a sheet of each and one page of all.

    The demo must have been built (`ensure_demo`). Files are written beside its pictures.
    """
    folder = gallery_folder(settings.library).parent
    with (
        Library.open(settings.library) as library,
        library.collection(DEMO_COLLECTION) as collection,
    ):
        exhibitor = _Exhibitor(collection, settings, folder)
        shown = [exhibitor.show_text(asked, number) for number, asked in enumerate(ASKED, start=1)]
        # What the text queries found serves as the image query; any picture does if they failed.
        found = [one.hits[0].file for one in reversed(shown) if one.hits]
        found += sorted(gallery_folder(settings.library).iterdir())[:1]
        shown.append(exhibitor.show_image(found[0], len(shown) + 1))
        shown.append(exhibitor.show_text(NOT_THERE, len(shown) + 1))
    page = folder / "index.html"
    environment = Environment(
        loader=PackageLoader("blipsearch.demo"), autoescape=select_autoescape(["html"])
    )
    html = environment.get_template("page.html").render(shown=shown, folder=folder)
    page.write_text(html, encoding="utf-8")
    return Showcase(tuple(shown), page)
