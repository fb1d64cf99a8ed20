"""What SQLite meets is said as an error of ours, with what to do; what was written stays."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from blipsearch.catalog import Catalog
from blipsearch.errors import LibraryBusyError, LibraryError
from blipsearch.library import Library
from tests.unit.collection_makers import (
    identity,
    indexed_file,
    new_collection,
    opened_collection,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A library with one collection and one image."""
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, "first.jpg")])
    return tmp_path


def test_a_catalog_that_another_process_keeps_locked_is_busy(directory: Path) -> None:
    path = directory / "catalog.sqlite"
    catalog = Catalog(path, busy_seconds=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryBusyError, match="another process is writing"):
            catalog.collections.create("more", identity())
        assert [info.name for info in catalog.collections.all()] == ["photos"]  # readers go on
        other.execute("ROLLBACK")
    assert catalog.collections.create("more", identity()).name == "more"
    catalog.close()


KILLED_WHILE_IT_WRITES = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 5")
connection.execute("BEGIN")
connection.execute("CREATE TABLE half (what)")
connection.executemany("INSERT INTO half VALUES (?)", [(bytes(4000),)] * 100)
os._exit(9)
"""


def test_a_library_whose_maker_was_killed_can_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")  # a file with nothing in it, and no write-ahead log yet
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_WRITES, path], check=False)
    assert killed.returncode == 9
    assert path.with_name("catalog.sqlite-journal").stat().st_size > 0

    with Library.open(tmp_path, create=True) as library:
        assert library.collections() == []


def test_a_full_disk_is_said_and_loses_nothing_acknowledged(directory: Path) -> None:
    """SQLite's own page limit gives the very error that a full disk gives."""
    with opened_collection(directory) as photos:
        source = photos.sources()[0]
        engine: Engine = photos._catalog._database._engine

        def limit(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute("PRAGMA max_page_count = 1")  # as many as there are now

        event.listen(engine, "checkout", limit)
        with pytest.raises(LibraryError, match="free some space"):
            photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(500)])
        event.remove(engine, "checkout", limit)
        engine.dispose()
        assert [entry.path for entry in photos.entries()] == ["first.jpg"]
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(500)])
        assert photos.info.indexed == 501


def test_a_catalog_damaged_in_the_middle_is_said(directory: Path) -> None:
    path = directory / "catalog.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(LibraryError, match="damaged: restore the library"):
        Library.open(directory)


def test_a_damaged_row_page_is_said_when_it_is_read(directory: Path) -> None:
    path = directory / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'images'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(data)
    with (
        Library.open(directory) as library,
        pytest.raises(LibraryError, match="damaged: restore the library"),
    ):
        library.collection("photos")


def test_a_closed_library_says_so(directory: Path) -> None:
    library = Library.open(directory)
    library.close()
    library.close()
    with pytest.raises(LibraryError, match="is closed"):
        library.collections()


def test_a_fault_of_our_own_is_said_as_one(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as connection:
        connection.execute("DROP TABLE runs")
    with opened_collection(directory) as photos, pytest.raises(LibraryError, match="no such table"):
        photos.runs()
