"""What a notebook shows of hits: a strip of pictures that stands by itself."""

import base64
from dataclasses import dataclass
from html.parser import HTMLParser

from blipsearch.strip import strip_html


@dataclass(frozen=True)
class Found:
    id: int
    match: float | None
    cosine: float
    path: str


class Read(HTMLParser):
    """Reads a strip: its pictures' bytes, its tags, its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pictures: list[bytes] = []
        self.alternatives: list[str | None] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "img":
            prefix, _, content = (given["src"] or "").partition(",")
            assert prefix == "data:image/jpeg;base64"
            self.pictures.append(base64.b64decode(content))
            self.alternatives.append(given["alt"])

    def handle_data(self, data: str) -> None:
        self.words += data


BOAT = Found(1, 0.987, 0.41, "sea/boat.jpg")
DOG = Found(2, None, 0.298, "dog.jpg")


def test_hits_are_shown_in_order_with_their_match_and_path() -> None:
    read = Read(strip_html([BOAT, DOG], {2: b"dog", 1: b"boat"}, "2 of 2 hits"))

    assert read.pictures == [b"boat", b"dog"]
    assert "2 of 2 hits" in read.words
    assert "98.7% sea/boat.jpg" in read.words


def test_a_hit_that_was_not_judged_shows_its_cosine() -> None:
    assert "cosine 0.298 dog.jpg" in Read(strip_html([DOG], {2: b"dog"}, "")).words


def test_a_hit_without_a_thumbnail_is_left_out() -> None:
    assert Read(strip_html([BOAT, DOG], {2: b"dog"}, "")).pictures == [b"dog"]


def test_names_of_files_and_queries_are_shown_as_they_are_and_run_nothing() -> None:
    hostile = '"><script>alert(1)</script>.jpg'
    read = Read(strip_html([Found(1, 0.5, 0.1, hostile)], {1: b"x"}, "<script>"))

    assert "script" not in read.tags
    assert read.alternatives == [hostile]
    assert hostile in read.words
    assert "<script>" in read.words
