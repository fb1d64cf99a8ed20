"""Sources: names, roots that move, and roots that go with the library."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blipsearch.collection import Collection
from blipsearch.errors import CollectionNotFoundError, SettingsError, SourceError
from blipsearch.library import Library
from tests.unit.collection_makers import (
    failed_file,
    identity,
    image_file,
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    with new_collection(tmp_path / "library") as photos:
        yield photos


def stored_roots(photos: Collection) -> list[str]:
    with closing(sqlite3.connect(photos.directory.parents[1] / "catalog.sqlite")) as connection:
        return [root for (root,) in connection.execute("SELECT root FROM sources ORDER BY id")]


def test_a_root_in_the_library_goes_with_it(tmp_path: Path) -> None:
    with new_collection(tmp_path / "library") as photos:
        source = photos.add_source(str(tmp_path / "library" / "uploads-1"))
        assert source.root == str(tmp_path / "library" / "uploads-1")
        assert stored_roots(photos) == ["uploads-1"]
        photos.write([indexed_file(source.id, "boat.jpg")])
    (tmp_path / "library").rename(tmp_path / "moved")
    with opened_collection(tmp_path / "moved") as photos:
        assert photos.sources()[0].root == str(tmp_path / "moved" / "uploads-1")
        assert photos.image(1).absolute_path == str(tmp_path / "moved" / "uploads-1" / "boat.jpg")
        assert photos.add_source(str(tmp_path / "moved" / "uploads-1")).id == source.id


def test_a_library_by_a_relative_path_or_a_link_gives_out_whole_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_collection(tmp_path / "library") as photos:
        inside = photos.add_source(str(tmp_path / "library" / "uploads-1"))
    (tmp_path / "link").symlink_to(tmp_path / "library")
    monkeypatch.chdir(tmp_path)
    with opened_collection(Path("library")) as photos:
        assert photos.sources() == [inside]
    with opened_collection(tmp_path / "link") as photos:
        assert photos.sources()[0].root == str(tmp_path / "link" / "uploads-1")
        photos.add_source(str(tmp_path / "library" / "more"))
        assert stored_roots(photos) == ["uploads-1", "more"]


def test_roots_elsewhere_and_urls_stay_as_they_are(photos: Collection, tmp_path: Path) -> None:
    beside = str(tmp_path / "library-of-pictures")
    assert photos.add_source(beside).root == beside
    remote = photos.add_source("s3://bucket/photos/", kind="remote")
    assert (remote.root, remote.kind, remote.name) == ("s3://bucket/photos", "remote", "photos")
    assert stored_roots(photos) == [beside, "s3://bucket/photos"]


def test_an_image_has_the_address_of_its_kind(photos: Collection) -> None:
    archive = photos.add_source("/pictures/shard.tar", kind="archive")
    remote = photos.add_source("memory://bucket", kind="remote")
    rows = photos.add_source("/lists/all.csv", kind="manifest")
    photos.write(
        [
            indexed_file(archive.id, "a/1.jpg", 1),
            indexed_file(remote.id, "2.jpg", 2),
            indexed_file(rows.id, "3.jpg", 3),
            indexed_file(rows.id, "https://host/4.jpg", 4),
        ]
    )
    assert [entry.absolute_path for entry in photos.entries()] == [
        "/pictures/shard.tar/a/1.jpg",
        "memory://bucket/2.jpg",
        "/lists/3.jpg",
        "https://host/4.jpg",
    ]
    assert photos.image(1).source.kind == "archive"


def test_a_root_that_is_of_another_kind_now_is_so(photos: Collection) -> None:
    source = photos.add_source("/pictures/all.zip")
    again = photos.add_source("/pictures/all.zip", kind="archive")
    assert (again.id, again.kind, photos.sources()) == (source.id, "archive", [again])


def test_a_source_is_renamed_unless_the_name_is_taken(photos: Collection) -> None:
    first, second = photos.add_source("/one"), photos.add_source("/two")
    assert photos.rename_source(first.id, "trip").name == "trip"
    assert photos.rename_source(first.id, "trip").name == "trip"
    with pytest.raises(SourceError, match="belongs to the source /one"):
        photos.rename_source(second.id, "trip")
    with pytest.raises(SourceError, match="does not belong to this collection"):
        photos.rename_source(77, "other")
    assert [source.name for source in photos.sources()] == ["trip", "two"]


def test_a_source_that_moves_keeps_its_images(photos: Collection, tmp_path: Path) -> None:
    source = photos.add_source("/mnt/old")
    photos.add_source("/mnt/other")
    photos.write([indexed_file(source.id, "boat.jpg")])
    assert photos.move_source(source.id, "/mnt/./new/").root == "/mnt/new"
    assert photos.image(1).absolute_path == "/mnt/new/boat.jpg"
    with pytest.raises(SourceError, match="is the root of the source 'other' already"):
        photos.move_source(source.id, "/mnt/other")
    with pytest.raises(SourceError, match="absolute path"):
        photos.move_source(source.id, "elsewhere")
    photos.move_source(source.id, str(tmp_path / "library" / "own"))
    assert stored_roots(photos)[0] == "own"


def test_images_are_counted_by_source_and_status(photos: Collection) -> None:
    first, second = photos.add_source("/one"), photos.add_source("/two")
    photos.write(
        [indexed_file(first.id, "1.jpg", 1), indexed_file(first.id, "2.jpg", 2)],
        [failed_file(second.id, "3.jpg")],
    )
    photos.mark_missing([2])
    assert photos.source_counts() == {
        first.id: {"indexed": 1, "missing": 1},
        second.id: {"failed": 1},
    }


def test_a_moved_image_keeps_all_that_is_said_of_it(photos: Collection) -> None:
    first, second = photos.add_source("/one"), photos.add_source("/two")
    photos.write([indexed_file(first.id, "boat.jpg")])
    photos.set_tags(1, ["sea"])
    photos.add_caption(1, "a boat", "captioner")
    photos.mark_missing([1])
    photos.move([(1, image_file(second.id, "sea/boat.jpg", 9)), (7, image_file(first.id, "x.jpg"))])
    entry = photos.image(1)
    assert (entry.absolute_path, entry.size, entry.status) == ("/two/sea/boat.jpg", 1009, "indexed")
    assert entry.tags == ("sea",)
    assert photos.captions([1])[1][0].text == "a boat"
    assert photos.search(unit_row(0)[None], 1).ids.tolist() == [[1]]
    assert photos.known_files(first.id) == {}


def test_a_reason_that_may_pass_is_known_as_such(photos: Collection) -> None:
    source = photos.add_source("/pictures")
    lasting, passing = failed_file(source.id, "torn.jpg"), failed_file(source.id, "slow.jpg")
    photos.write([], [lasting, type(passing)(passing.file, "no answer", lasting=False)])
    known = photos.known_files(source.id)
    assert (known["torn.jpg"].reason, known["torn.jpg"].lasting) == ("it is truncated", True)
    assert (known["slow.jpg"].reason, known["slow.jpg"].lasting) == ("no answer", False)
    photos.write([indexed_file(source.id, "slow.jpg")])
    assert photos.known_files(source.id)["slow.jpg"].lasting


def test_two_collections_change_names(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        library.create_collection("photos", identity("a" * 64)).close()
        library.create_collection("photos-2", identity("b" * 64)).close()
        library.switch("photos", "photos-2")
        named = {info.name: info.checkpoint.fingerprint[0] for info in library.collections()}
        assert named == {"photos": "b", "photos-2": "a"}
        with pytest.raises(CollectionNotFoundError, match="'other'"):
            library.switch("photos", "other")
        with pytest.raises(SettingsError, match="with itself"):
            library.switch("photos", "photos")
        assert len(library.collections()) == 2


def test_an_open_collection_knows_its_new_name(tmp_path: Path) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        library.create_collection("photos", identity()) as photos,
        library.create_collection("photos-2", identity()) as other,
    ):
        library.switch("photos", "photos-2")
        assert (photos.name, other.name) == ("photos-2", "photos")


def test_annotations_are_taken_over_where_nothing_is_said_yet(tmp_path: Path) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        library.create_collection("old", identity()) as old,
        library.create_collection("new", identity()) as new,
    ):
        for collection in (old, new):
            source = collection.add_source("/pictures")
            files = [indexed_file(source.id, f"{number}.jpg", number) for number in range(4)]
            collection.write(files if collection is old else files[1:])
        old.set_metadata(1, {"only": "old"})
        old.set_metadata(2, {"place": "Bari"})
        old.set_tags(2, ["sea"])
        old.set_captions(2, ["a wave"])
        old.add_caption(2, "waves", "captioner", 0.9)
        old.set_tags(3, ["hills"])
        first, second, _ = (entry.id for entry in new.entries())
        new.set_tags(second, ["mine"])
        assert new.take_over(old) == 1
        entry = new.image(first)
        assert (entry.path, entry.metadata, entry.tags) == ("1.jpg", {"place": "Bari"}, ("sea",))
        assert [one.text for one in new.captions([first])[first]] == ["a wave"]
        assert new.find_captions("wave", 3) == [first]
        assert new.image(second).tags == ("mine",)
        assert new.take_over(old) == 0
