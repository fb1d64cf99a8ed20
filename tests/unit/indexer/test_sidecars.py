"""What lies beside an image is read as what is said of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from blipsearch.errors import SourceError
from blipsearch.records import Given
from indexer.sources import FoundFile, list_files, resolve_sources

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
  xmp:Rating="4"><dc:subject><rdf:Bag><rdf:li>boat</rdf:li><rdf:li>sea</rdf:li></rdf:Bag>
  </dc:subject><dc:description><rdf:Alt><rdf:li xml:lang="de">zwei Boote</rdf:li>
  <rdf:li xml:lang="x-default">two boats</rdf:li></rdf:Alt></dc:description>
  <xmp:Label>Red</xmp:Label></rdf:Description></rdf:RDF></x:xmpmeta>"""

BOMB = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><a>&c;</a>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


def files(folder: Path) -> dict[str, FoundFile]:
    (listing,) = list_files(resolve_sources([folder]))
    return {file.path: file for file in listing.files}


def said(folder: Path, name: str = "photo.jpg") -> Given | None:
    given = files(folder)[name].given
    return None if given is None else given.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one image."""
    (tmp_path / "photo.jpg").write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize("name", ["photo.json", "photo.jpg.json", "photo.JSON"])
def test_json_gives_tags_captions_and_metadata(folder: Path, name: str) -> None:
    content = {"tags": ["boat", "sea", "boat"], "caption": "two  boats\n", "year": 2024, "x": None}
    (folder / name).write_text(json.dumps(content))

    assert said(folder) == Given({"year": 2024}, ("boat", "sea"), ("two boats",))


@pytest.mark.parametrize("name", ["photo.xmp", "photo.jpg.xmp"])
def test_xmp_gives_subjects_the_description_rating_and_label(folder: Path, name: str) -> None:
    (folder / name).write_text(XMP)

    assert said(folder) == Given({"rating": 4, "label": "Red"}, ("boat", "sea"), ("two boats",))


def test_a_text_gives_a_caption_a_line(folder: Path) -> None:
    (folder / "photo.txt").write_text("\ufeffa boat\n\n  on the sea \n", encoding="utf-8")

    assert said(folder) == Given({}, (), ("a boat", "on the sea"))


@pytest.mark.parametrize("text", ["", " \n", "x" * 1000, "line\n" * 50, "y" * 3_000_000])
def test_a_text_that_is_no_caption_says_nothing(folder: Path, text: str) -> None:
    (folder / "photo.txt").write_text(text)

    assert said(folder) == Given()


def test_what_is_said_of_one_file_counts_before_what_is_said_of_several(folder: Path) -> None:
    (folder / "photo.png").write_bytes(b"x")
    (folder / "photo.json").write_text('{"tags": "a; b", "place": "sea", "year": 1}')
    (folder / "photo.jpg.json").write_text('{"tags": ["c"], "year": 2}')
    (folder / "photo.txt").write_text("a boat")

    assert said(folder) == Given({"place": "sea", "year": 2}, ("a", "b", "c"), ("a boat",))
    assert said(folder, "photo.png") == Given({"place": "sea", "year": 1}, ("a", "b"), ("a boat",))


def test_files_of_other_names_are_nobodys_sidecars(folder: Path) -> None:
    for name in ("other.json", "photo.jpg.md", "photo.tar.json", "metadata.json", ".photo.json"):
        (folder / name).write_text("{}")
    (folder / "link.json").symlink_to(folder / "other.json")
    (folder / "photo.xmp").mkdir()

    assert files(folder)["photo.jpg"].given is None


def test_the_stamp_shows_a_change_without_a_look_inside(folder: Path) -> None:
    path = folder / "photo.json"
    path.write_text("no json at all")

    def stamp() -> str:
        given = files(folder)["photo.jpg"].given
        assert given is not None
        return given.stamp

    first = stamp()
    assert stamp() == first
    os.utime(path, ns=(5, 5))
    second = stamp()
    assert second != first
    path.write_text("no json at all, still")
    os.utime(path, ns=(5, 5))
    assert stamp() not in {first, second}
    (folder / "photo.txt").write_text("")
    third = stamp()
    path.unlink()
    assert stamp() != third


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.json", b"{"),
        ("photo.json", b"[1]"),
        ("photo.json", b'"text"'),
        ("photo.json", b"[" * 100_000),
        ("photo.json", b'{"a": NaN, "b": ' + b'{"a":' * 40 + b"1" + b"}" * 41),
        ("photo.json", b"\xff\xfe{}"),
        ("photo.json", b'{"a": "' + b"x" * 200_000 + b'"}'),
        ("photo.json", b" " * 2_000_000 + b"{}"),
        ("photo.txt", b"\xff\xfe\x00"),
        ("photo.xmp", b"no xml"),
        ("photo.xmp", BOMB.encode()),
        ("photo.xmp", OUTSIDE.encode()),
        ("photo.xmp", b"<a>" * 100_000),
        ("photo.xmp", b""),
    ],
)
def test_a_sidecar_that_cannot_be_used_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)

    with pytest.raises(SourceError, match=rf"sidecar .*/{name}"):
        said(folder)


def test_a_sidecar_that_is_gone_by_then_is_named(folder: Path) -> None:
    path = folder / "photo.json"
    path.write_text("{}")
    given = files(folder)["photo.jpg"].given
    assert given is not None
    path.unlink()
    with pytest.raises(SourceError, match=r"photo\.json"):
        given.read()


def test_odd_values_become_what_can_be_kept(folder: Path) -> None:
    content = '{"tags": ["a", 7, null, {}, "", "' + "t" * 300 + '"], "caption": [1, null, ""],'
    content += '"n": NaN, "i": -Infinity, "nul": "a\\u0000b", "half": "\\ud800", "": 1}'
    (folder / "photo.json").write_text(content)

    assert said(folder) == Given({"nul": "ab", "half": "?", "": 1}, ("a", "7", "t" * 100), ("1",))
