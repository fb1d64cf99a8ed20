"""Errors: every ImageSearch raises the same ones, for the same reasons."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from blipsearch.errors import (
    BlipSearchError,
    CollectionNotFoundError,
    ImageNotFoundError,
    ImageTooLargeError,
    ImageUnreadableError,
    InvalidCursorError,
    InvalidFilterError,
    QueryError,
)
from blipsearch.image_search import ImageSearch
from blipsearch.query import Query
from blipsearch.schemas import SearchRequest, Term

Ask = Callable[[ImageSearch], object]
MISSING = 999

ERRORS: dict[str, tuple[type[BlipSearchError], Ask]] = {
    "an empty sentence": (QueryError, lambda s: s.search("")),
    "nothing to search for": (QueryError, lambda s: s.search()),
    "two things to search for": (QueryError, lambda s: s.search("a boat", image_id=1)),
    "a sentence that is too long": (QueryError, lambda s: s.search("x" * 1001)),
    "text that is no Unicode": (QueryError, lambda s: s.search("\ud800")),
    "a limit of 0": (QueryError, lambda s: s.search("a boat", limit=0)),
    "an unknown option": (QueryError, lambda s: s.search("a boat", nonsense=1)),  # type: ignore[call-arg]
    "an unknown option of text": (
        QueryError,
        lambda s: s.search_text("a boat", nonsense=1),  # type: ignore[call-arg]
    ),
    "an option beside a whole request": (
        QueryError,
        lambda s: s.search(SearchRequest(query="a boat"), limit=3),
    ),
    "a match above 1": (QueryError, lambda s: s.search("a boat", min_match=1.5)),
    "a match without rerank": (
        QueryError,
        lambda s: s.search("a boat", min_match=0.5, rerank=False),
    ),
    "a vector of 3 numbers": (QueryError, lambda s: s.search(vector=[1.0, 2.0, 3.0])),
    "a vector of words": (QueryError, lambda s: s.search(vector=["a"])),  # type: ignore[list-item]
    "a wrong query in the small syntax": (QueryError, lambda s: s.search_text("a boat + + people")),
    "an empty query in the small syntax": (QueryError, lambda s: s.search_text("")),
    "a sort without a field": (
        QueryError,
        lambda s: s.search("a boat", sort="beauty"),  # type: ignore[arg-type]
    ),
    "a filter that is none": (
        InvalidFilterError,
        lambda s: s.search("a boat", filter="nonsense:1"),
    ),
    "a filter that is none of text": (
        InvalidFilterError,
        lambda s: s.search_text("a boat", filter="width>"),
    ),
    "a cursor that is none": (InvalidCursorError, lambda s: s.more("made-up")),
    "a query image that is not there": (ImageNotFoundError, lambda s: s.search(image_id=MISSING)),
    "an image that is not there": (ImageNotFoundError, lambda s: s.image(MISSING)),
    "an image id of 0": (QueryError, lambda s: s.image(0)),
    "its file": (ImageNotFoundError, lambda s: s.file(MISSING)),
    "its thumbnail": (ImageNotFoundError, lambda s: s.thumbnail(MISSING)),
    "its heat map": (ImageNotFoundError, lambda s: s.heat_map(MISSING, "a boat")),
    "its caption": (ImageNotFoundError, lambda s: s.caption(MISSING)),
    "its answer": (ImageNotFoundError, lambda s: s.ask(MISSING, "what is it?")),
    "its change": (ImageNotFoundError, lambda s: s.change_image(MISSING, tags=["a"])),
    "its removal": (ImageNotFoundError, lambda s: s.remove_image(MISSING)),
    "a thumbnail of 1 pixel": (QueryError, lambda s: s.thumbnail(1, 1)),
    "a heat map of no words": (QueryError, lambda s: s.heat_map(1, "")),
    "a heat map of too many words": (QueryError, lambda s: s.heat_map(1, "x" * 100_000)),
    "a prompt that is no Unicode": (QueryError, lambda s: s.caption(1, "\ud800")),
    "a query of no Unicode in the small syntax": (QueryError, lambda s: s.search_text("\ud800")),
    "a heat map of no Unicode": (QueryError, lambda s: s.heat_map(1, "\ud800")),
    "a collection of no Unicode": (CollectionNotFoundError, lambda s: s.collection("\ud800")),
    "a tag that is no Unicode": (QueryError, lambda s: s.change_image(1, tags=["\ud800"])),
    "a prompt that is too long": (QueryError, lambda s: s.caption(1, "x" * 201)),
    "an empty question": (QueryError, lambda s: s.ask(1, " ")),
    "no choices": (QueryError, lambda s: s.ask(1, "what is it?", [])),
    "tags that are too long": (QueryError, lambda s: s.change_image(1, tags=["x" * 101])),
    "metadata that JSON cannot hold": (
        QueryError,
        lambda s: s.change_image(1, metadata={"a": float("nan")}),
    ),
    "metadata that is an object": (
        QueryError,
        lambda s: s.change_image(1, metadata={"a": object()}),
    ),
    "metadata that is too large": (
        QueryError,
        lambda s: s.change_image(1, metadata={"a": "x" * 200_000}),
    ),
    "bytes that are no picture": (ImageUnreadableError, lambda s: s.search(image=b"no picture")),
    "a caption of no picture": (ImageUnreadableError, lambda s: s.caption(b"no picture")),
    "an answer about no picture": (ImageUnreadableError, lambda s: s.ask(b"no picture", "what?")),
    "an addition of no picture": (ImageUnreadableError, lambda s: s.add_image(b"no picture")),
    "a path that is not there": (ImageUnreadableError, lambda s: s.search(image="/no/such.jpg")),
    "a caption of such a path": (ImageUnreadableError, lambda s: s.caption("/no/such.jpg")),
    "an addition of such a path": (ImageUnreadableError, lambda s: s.add_image("/no/such.jpg")),
    "an object that is no picture": (
        ImageUnreadableError,
        lambda s: s.add_image(3.5),  # type: ignore[arg-type]
    ),
    "a URL for the library": (
        BlipSearchError,
        lambda s: s.search(image_url="http://example.org/boat.jpg"),
    ),
}

IN_A_COLLECTION: dict[str, Ask] = {
    "search": lambda s: s.search("a boat", collection="nowhere"),
    "search of a query": lambda s: s.search(Query((Term(text="a"),)), collection="nowhere"),
    "search by text": lambda s: s.search_text("a boat", collection="nowhere"),
    "many searches": lambda s: list(s.search_many(["a boat"], collection="nowhere")),
    "progressive search": lambda s: list(s.search_stream("a boat", collection="nowhere")),
    "another page": lambda s: s.more("a cursor", collection="nowhere"),
    "pages": lambda s: list(s.iter_pages("a boat", collection="nowhere")),
    "hits": lambda s: list(s.iter_hits("a boat", collection="nowhere")),
    "caption": lambda s: s.caption(1, collection="nowhere"),
    "answer": lambda s: s.ask(1, "what is it?", collection="nowhere"),
    "heat map": lambda s: s.heat_map(1, "a boat", collection="nowhere"),
    "file": lambda s: s.file(1, collection="nowhere"),
    "thumbnail": lambda s: s.thumbnail(1, collection="nowhere"),
    "image": lambda s: s.image(1, collection="nowhere"),
    "addition": lambda s: s.add_image(_picture(), collection="nowhere"),
    "change": lambda s: s.change_image(1, tags=[], collection="nowhere"),
    "removal": lambda s: s.remove_image(1, collection="nowhere"),
    "collection": lambda s: s.collection("nowhere"),
    "collection without a name": lambda s: s.collection(""),
    "collection above": lambda s: s.collection(".."),
    "collection in a folder": lambda s: s.collection("default/images"),
    "collection with a space": lambda s: s.collection("no where?"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_what_is_wrong_raises_the_same_error(searched: ImageSearch, what: str) -> None:
    kind, ask = ERRORS[what]
    with pytest.raises(kind) as raised:
        ask(searched)

    assert str(raised.value)
    assert kind is BlipSearchError or type(raised.value) is kind


@pytest.mark.parametrize("what", IN_A_COLLECTION)
def test_a_collection_that_is_not_there_is_named(searched: ImageSearch, what: str) -> None:
    with pytest.raises(CollectionNotFoundError):
        IN_A_COLLECTION[what](searched)


def test_a_wrong_filter_says_where(searched: ImageSearch) -> None:
    with pytest.raises(InvalidFilterError) as by_text:
        searched.search("a boat", filter="width>3 nonsense:1")

    assert by_text.value.position == 8


def test_a_picture_with_too_many_pixels_is_refused(searched: ImageSearch, tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    huge.write_bytes(_png_of(60_000, 60_000))

    for ask in (
        lambda: searched.add_image(huge),
        lambda: searched.caption(huge),
        lambda: searched.search(image=huge),
    ):
        with pytest.raises(ImageTooLargeError):
            ask()


def test_an_error_leaves_everything_as_it_was(searched: ImageSearch) -> None:
    before = searched.image(1)
    for tags, metadata in ((["new"], {"a": object()}), (["x" * 101], {"a": 1})):
        with pytest.raises(QueryError):
            searched.change_image(1, tags=tags, metadata=metadata)

    assert searched.image(1) == before
    assert searched.collection().images == 8


def _picture() -> bytes:
    return _png_of(8, 8)


def _png_of(width: int, height: int) -> bytes:
    """A PNG's head and its first row: who only looks at the size reads no further."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + b"\0" * 3 * width)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
