"""A library is one directory: made, opened, refused, copied, and shared between handles."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from blipsearch.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    LibraryError,
    LibraryNotFoundError,
    LibraryRevisionError,
    SettingsError,
)
from blipsearch.library import Library, upgrade_library
from tests.unit.collection_makers import (
    identity,
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
)

LIBRARIES = Path(__file__).parents[1] / "data" / "libraries"


def _filled(directory: Path) -> Path:
    with new_collection(directory) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(5)])
        photos.snapshot()
    return directory


def _nearest(directory: Path, seed: int) -> int:
    with opened_collection(directory) as photos:
        return int(photos.search(unit_row(seed)[np.newaxis], 1).ids[0, 0])


def test_nothing_there_names_the_command_that_makes_a_library(tmp_path: Path) -> None:
    wanted = tmp_path / "my pictures"
    with pytest.raises(LibraryNotFoundError) as refused:
        Library.open(wanted)
    assert f"`blipsearch index SOURCE --library '{wanted}'`" in str(refused.value)
    assert not wanted.exists()


def test_a_library_is_made_only_when_asked_and_then_opens(tmp_path: Path) -> None:
    with Library.open(tmp_path / "a" / "b", create=True) as library:
        assert library.collections() == []
    with Library.open(str(tmp_path / "a" / "b")) as library:
        assert library.path == tmp_path / "a" / "b"


def test_collections_are_made_listed_opened_and_removed(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        for name in ("b", "a"):
            with library.create_collection(name, identity()) as collection:
                collection.write([])
                collection.snapshot()
        assert [info.name for info in library.collections()] == ["a", "b"]
        info = library.collections()[0]
        assert info.checkpoint == identity()
        assert (info.indexed, info.failed, info.missing, info.change) == (0, 0, 0, 0)
        library.remove_collection("b")
        assert [info.name for info in library.collections()] == ["a"]
        assert [path.name for path in (tmp_path / "collections").iterdir()] == [str(info.id)]


def test_a_new_collection_never_finds_the_files_of_a_removed_one(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        library.create_collection("a", identity()).close()
        library.remove_collection("a")
        with library.create_collection("a", identity()) as again:
            assert again.info.id == 2


def test_an_open_collection_learns_that_it_was_removed(tmp_path: Path) -> None:
    with new_collection(tmp_path) as photos:
        with Library.open(tmp_path) as other:
            other.remove_collection("photos")
        with pytest.raises(CollectionNotFoundError, match="was removed"):
            photos.refresh()
        with pytest.raises(CollectionNotFoundError, match="was removed"):
            _ = photos.info


def test_removing_a_collection_removes_all_its_rows(tmp_path: Path) -> None:
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(3)])
        photos.add_caption(1, "a red boat", "captioner")
        photos.add_answer(1, "what?", "red", None, "answerer")
        photos.set_tags(1, ["sea"])
        photos.remove([3])
        photos.begin_run()
        photos.snapshot()
    with Library.open(tmp_path) as library:
        library.remove_collection("photos")
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as connection:
        for table in (
            *("collections", "sources", "images", "image_tags", "captions"),
            *("answers", "runs", "deletions", "snapshots"),
        ):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


def test_an_unknown_collection_names_those_there_are(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        with pytest.raises(CollectionNotFoundError, match="there is none yet"):
            library.collection("photos")
        for name in ("holiday", "work"):
            library.create_collection(name, identity()).close()
        for attempt in (library.collection, library.remove_collection):
            with pytest.raises(CollectionNotFoundError) as refused:
                attempt("photos")
            assert "no collection 'photos' (there are: holiday, work)" in str(refused.value)
            assert "`blipsearch index SOURCE --collection photos`" in str(refused.value)


def test_a_taken_name_is_refused(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        library.create_collection("photos", identity()).close()
        with pytest.raises(CollectionExistsError, match="already a collection 'photos'"):
            library.create_collection("photos", identity())


@pytest.mark.parametrize("name", ["a", "Fotos-Köln_2024.1", "写真", "x" * 100])
def test_a_name_may_have_letters_digits_and_a_few_signs(tmp_path: Path, name: str) -> None:
    with Library.open(tmp_path, create=True) as library:
        library.create_collection(name, identity()).close()
        library.collection(name).close()


@pytest.mark.parametrize(
    "name", ["", "x" * 101, "a b", "a/b", "-a", ".a", "_a", "a\n", "a\0", "ä\udcff"]
)
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        pytest.raises(SettingsError, match="a collection cannot be called"),
    ):
        library.create_collection(name, identity())


def test_a_name_is_the_same_however_its_accents_are_typed(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        library.create_collection("Ko\u0308ln", identity()).close()
        library.collection("K\u00f6ln").close()
        library.collection("Ko\u0308ln").close()


@pytest.mark.parametrize("size", [10, 1000, 5000, 60_000])
def test_a_torn_catalog_is_said_and_left_alone(tmp_path: Path, size: int) -> None:
    catalog = _filled(tmp_path) / "catalog.sqlite"
    torn = catalog.read_bytes()[:size]
    catalog.write_bytes(torn)
    for create in (False, True):
        with pytest.raises(LibraryError, match="restore the library from a copy"):
            Library.open(tmp_path, create=create)
    assert catalog.read_bytes() == torn


def test_something_else_called_catalog_is_left_alone(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.sqlite"
    catalog.write_text("a shopping list, long enough to be read as a header of a hundred bytes" * 3)
    with pytest.raises(LibraryError, match="no blipsearch catalog"):
        Library.open(tmp_path, create=True)
    catalog.unlink()
    with closing(sqlite3.connect(catalog)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    before = catalog.read_bytes()
    with pytest.raises(LibraryError, match="not a blipsearch catalog"):
        Library.open(tmp_path, create=True)
    assert catalog.read_bytes() == before


def test_a_lost_catalog_is_not_silently_begun_anew(tmp_path: Path) -> None:
    (_filled(tmp_path) / "catalog.sqlite").unlink()
    with pytest.raises(LibraryError, match="collections but no catalog"):
        Library.open(tmp_path, create=True)


def test_an_unknown_revision_is_a_newer_one_and_left_byte_for_byte(tmp_path: Path) -> None:
    catalog = _filled(tmp_path) / "catalog.sqlite"
    with closing(sqlite3.connect(catalog)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = catalog.read_bytes()
    with pytest.raises(LibraryRevisionError, match="made by a newer blipsearch"):
        Library.open(tmp_path, create=True)
    assert catalog.read_bytes() == before


def test_a_place_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LibraryError, match="choose another with --library"):
        Library.open(tmp_path / "file", create=True)


def test_a_copied_library_works(tmp_path: Path) -> None:
    shutil.copytree(_filled(tmp_path / "here"), tmp_path / "there")
    shutil.rmtree(tmp_path / "here")
    assert _nearest(tmp_path / "there", 3) == 4


def test_nothing_in_a_library_says_where_it_lies(tmp_path: Path) -> None:
    _filled(tmp_path / "somewhere-telling")
    for path in (tmp_path / "somewhere-telling").rglob("*"):
        assert not path.is_file() or b"somewhere-telling" not in path.read_bytes()


@pytest.mark.parametrize(
    ("revision", "states"),
    [
        ("0001", ("float16", 20_000_000_000)),
        ("0002", ("int8", 5 * 10**9)),
        ("0003", ("int8", 5 * 10**9)),
        ("0004", ("int8", 5 * 10**9)),
        ("0005", ("int8", 5 * 10**9)),
    ],
)
def test_a_library_of_each_schema_opens_once_upgraded(
    tmp_path: Path, revision: str, states: tuple[str, int]
) -> None:
    """The stored file is what that revision wrote when it was released; a copy is upgraded."""
    shutil.copytree(LIBRARIES / revision, tmp_path / "library")
    assert upgrade_library(tmp_path / "library")[0] == revision
    with opened_collection(tmp_path / "library") as photos:
        assert (photos.info.states_kind, photos.info.states_budget) == states
        assert [(entry.path, entry.status) for entry in photos.entries()] == [
            ("boat.jpg", "indexed"),
            ("sea/harbour.jpg", "missing"),
            ("torn.jpg", "failed"),
        ]
        assert photos.image(1).tags == ("boat", "sea")
        assert photos.captions([1])[1][0].text == "a red boat"
        found = photos.search(unit_row(1)[np.newaxis], 3)
        assert found.ids.tolist() == [[1, -1, -1]]
        assert found.cosines[0, 0] == pytest.approx(1.0, abs=1e-5)


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    with new_collection(tmp_path) as writer, opened_collection(tmp_path) as reader:
        source = writer.add_source("/pictures")
        assert not reader.refresh()
        writer.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(3)])
        query = unit_row(1)[np.newaxis]
        assert reader.search(query, 1).ids.tolist() == [[-1]]
        assert reader.refresh()
        assert reader.search(query, 1).ids.tolist() == [[2]]
        writer.mark_missing([2])
        writer.remove([1])
        assert reader.refresh()
        assert not reader.refresh()
        assert reader.search(query, 3).ids.tolist() == [[3, -1, -1]]


def test_two_writers_take_turns_and_see_each_other(tmp_path: Path) -> None:
    with new_collection(tmp_path) as one, opened_collection(tmp_path) as other:
        source = one.add_source("/pictures")
        one.write([indexed_file(source.id, "one.jpg", 1)])
        other.write([indexed_file(source.id, "other.jpg", 2)])
        for handle in (one, other):
            handle.refresh()
            assert handle.search(unit_row(1)[np.newaxis], 1).ids.tolist() == [[1]]
            assert handle.search(unit_row(2)[np.newaxis], 1).ids.tolist() == [[2]]


def test_processes_that_make_the_same_library_at_once_share_it(tmp_path: Path) -> None:
    make = "import sys; from blipsearch.library import Library; "
    make += "Library.open(sys.argv[1], create=True).close()"
    command = [sys.executable, "-c", make, str(tmp_path / "library")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in processes] == [""] * 3
    with Library.open(tmp_path / "library") as library:
        assert library.collections() == []


def test_a_forgotten_library_and_collection_are_warned_about(tmp_path: Path) -> None:
    library = Library.open(tmp_path, create=True)
    collection = library.create_collection("photos", identity())
    forgotten = [library, collection]
    del library, collection
    with pytest.warns(ResourceWarning, match="collection 1 was not closed"):
        forgotten.pop()
    with pytest.warns(ResourceWarning, match="library .* was not closed"):
        forgotten.pop()
