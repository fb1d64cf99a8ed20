"""Makers of libraries that tests of their upkeep share, and the damage that they do to them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.records import Exif, ImageFile, IndexedFile, StateKey
from tests.unit.collection_makers import identity, unit_row
from tests.unit.states_makers import states_of

COUNT = 12


def picture_file(source_id: int, folder: Path, name: str, seed: int) -> IndexedFile:
    """An image whose file is really there; what is in it follows from the seed."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(f"picture {seed}".encode() * 10)
    unfinished.replace(path)
    stat = path.stat()
    return IndexedFile(
        file=ImageFile(source_id, name, stat.st_size, stat.st_mtime_ns),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        perceptual_hash=(1 << 63) + seed,
        width=640 + seed,
        height=480,
        format="JPEG",
        exif=Exif(),
        embedding=unit_row(seed),
    )


def make_library(directory: Path, pictures: Path, count: int = COUNT) -> None:
    """A library whose collection `photos` has images 1 to `count` with states, and a snapshot."""
    with (
        Library.open(directory, create=True) as library,
        library.create_collection("photos", identity()) as photos,
    ):
        source = photos.add_source(str(pictures))
        files = [picture_file(source.id, pictures, f"{n}.jpg", n) for n in range(count)]
        ids = photos.write(files)
        keys = [StateKey(one, file.sha256) for one, file in zip(ids, files, strict=True)]
        photos.keep_states(keys, states_of(keys), photos.states_kind)
        photos.snapshot()


@contextmanager
def opened_photos(directory: Path) -> Iterator[Collection]:
    with Library.open(directory) as library, library.collection("photos") as photos:
        yield photos


def execute(library: Path, *statements: str, checked: bool = True) -> None:
    """Change the database behind blipsearch's back."""
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        if not checked:
            connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def set_embedding(library: Path, image_id: int, packed: bytes) -> None:
    """Put other bytes in place of an embedding."""
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        connection.execute("UPDATE images SET embedding = ? WHERE id = ?", (packed, image_id))
        connection.commit()


def flip(path: Path, offset: int) -> None:
    """Turn a bit of a byte."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def newest_snapshot(library: Path) -> Path:
    return max((library / "collections" / "1").glob("vectors-*.faiss"))


def states_file(library: Path) -> Path:
    return library / "collections" / "1" / "states" / "states-000.bin"
