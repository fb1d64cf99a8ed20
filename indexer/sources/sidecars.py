"""Sidecars: files beside an image that say something about it, paired by their names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from blipsearch.contents import open_content
from blipsearch.errors import ImageError, SourceError
from blipsearch.places import Place
from blipsearch.records import Given
from indexer.sources.given import given_of, joined
from indexer.sources.names import suffix_of

__all__ = ["SIDECARS", "Side", "Sidecars", "paired", "possible_sides", "sidecars_of"]

SIDECARS = (".txt", ".json", ".xmp")
"""What may lie beside an image, in the order in which they are read."""

MOST_BYTES = 1 << 20
LONGEST_LINE = 1000
MOST_LINES = 20
"""A text of more lines, or longer ones, is no caption but something that lies there by chance."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class Side(NamedTuple):
    """A sidecar as its folder shows it."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Sidecars:
    """All sidecars of one image, to be read when that is wanted."""

    places: tuple[Place, ...]
    stamp: str

    def read(self) -> Given:
        """What they say together: where two say the same thing, the last one counts.

        Raises SourceError, naming the sidecar, where it cannot be read or understood.
        """
        return joined([_read(place) for place in self.places])


def paired(images: Iterable[str], sides: Iterable[str]) -> dict[str, list[str]]:
    """Say which sidecars each image has, by the names in one folder.

    `photo.jpg.json` belongs to that one file and `photo.json` to every image called `photo`; what
    is said of one file comes behind what is said of several.
    """
    by_name: dict[str, list[str]] = {}
    for name in images:
        by_name.setdefault(name, []).append(name)
        by_name.setdefault(name[: len(name) - len(suffix_of(name))], []).append(name)
    found: dict[str, list[str]] = {}
    for side in sides:
        for image in by_name.get(side[: len(side) - len(suffix_of(side))], ()):
            found.setdefault(image, []).append(side)
    for image, belonging in found.items():
        belonging.sort(key=lambda side: (side.startswith(image), _order(side), side))
    return found


def possible_sides(image: str) -> list[str]:
    """The usual names of an image's sidecars, whether they are there or not."""
    stem = image[: len(image) - len(suffix_of(image))]
    return [f"{start}{suffix}" for start in (stem, image) for suffix in SIDECARS]


def sidecars_of(folder: Place, sides: Sequence[Side]) -> Sidecars:
    """The sidecars of an image, in their order; `folder` is the place of the folder they are in."""
    said = "\n".join(f"{side.name}\0{side.size}\0{side.mtime_ns}" for side in sides)
    stamp = hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    below = f"{folder.path}/" if folder.path else ""
    return Sidecars(
        tuple(Place(folder.kind, folder.root, f"{below}{side.name}") for side in sides), stamp
    )


def _order(side: str) -> int:
    return SIDECARS.index(suffix_of(side))


def _read(place: Place) -> Given:
    try:
        with open_content(place) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ImageError) as error:
        raise SourceError(f"sidecar {place.address} cannot be read: {error}") from error
    suffix = suffix_of(place.path)
    try:
        if len(content) > MOST_BYTES:
            if suffix == ".txt":
                return Given()
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")  # noqa: TRY301
        if suffix == ".json":
            return _said_in_json(content)
        if suffix == ".xmp":
            return _said_in_xmp(content)
        return _said_in_text(content)
    except (ValueError, RecursionError, ParseError, DefusedXmlException) as error:
        why = str(error) or type(error).__name__
        raise SourceError(f"sidecar {place.address} cannot be used: {why}") from error


def _said_in_text(content: bytes) -> Given:
    lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    lines = [line for line in lines if line]
    if len(lines) > MOST_LINES or any(len(line) >= LONGEST_LINE for line in lines):
        return Given()
    return given_of({"captions": lines})


def _said_in_json(content: bytes) -> Given:
    said = json.loads(content.decode("utf-8-sig"))
    if not isinstance(said, dict):
        raise ValueError("it must be a JSON object")  # noqa: TRY004  # what JSON says, not a type
    return given_of(said)


def _said_in_xmp(content: bytes) -> Given:
    root: Element = fromstring(content)
    said: dict[str, object] = {}
    for description in root.iter(f"{_RDF}Description"):
        said |= _described(description)
    return given_of(said)


def _described(description: Element) -> Mapping[str, object]:
    said: dict[str, object] = {}
    tags = [item.text for item in description.findall(f"{_DC}subject/*/{_RDF}li") if item.text]
    if tags:
        said["tags"] = tags
    captions = description.findall(f"{_DC}description/*/{_RDF}li")
    captions.sort(key=lambda item: item.get(_XML_LANG) != "x-default")
    if captions and captions[0].text:
        said["caption"] = captions[0].text
    for name in ("Rating", "Label"):
        # Either form is allowed, and both are in use.
        value = description.get(f"{_XMP}{name}") or description.findtext(f"{_XMP}{name}")
        if value:
            said[name.lower()] = _number(value) if name == "Rating" else value
    return said


def _number(text: str) -> object:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number
