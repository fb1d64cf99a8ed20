"""What another process wrote a moment ago is not undone by one that had looked before."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blipsearch.library import Library
from blipsearch.local import open_library
from blipsearch.records import Given, GivenRecord
from tests.unit.collection_makers import (
    identity,
    image_file,
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
)


def test_an_image_that_is_back_meanwhile_is_not_removed_as_missing(tmp_path: Path) -> None:
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/photos")
        back, gone, there = photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(3)])
        photos.mark_missing([back, gone])
        with opened_collection(tmp_path) as elsewhere:
            # As an upload of the same picture does.
            elsewhere.write([indexed_file(source.id, "0.jpg", 0)])

        assert photos.remove_missing([back, gone, there]) == 1

        assert [entry.id for entry in photos.entries()] == [back, there]
        assert photos.search(unit_row(0)[np.newaxis], 1).ids.tolist() == [[back]]


def test_an_image_does_not_move_to_a_file_that_is_another_image_by_now(tmp_path: Path) -> None:
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/photos")
        old, moved = photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(2)])
        photos.mark_missing([old, moved])
        with opened_collection(tmp_path) as elsewhere:
            (new,) = elsewhere.write([indexed_file(source.id, "new.jpg", 0)])

        photos.move(
            [
                (old, image_file(source.id, "new.jpg")),
                (moved, image_file(source.id, "moved.jpg")),
                (new + 1, image_file(source.id, "nobody.jpg")),
            ]
        )

        kept = {entry.id: (entry.path, entry.status) for entry in photos.entries()}
        assert kept == {
            old: ("0.jpg", "missing"),
            moved: ("moved.jpg", "indexed"),
            new: ("new.jpg", "indexed"),
        }


def test_images_that_were_removed_meanwhile_are_left_out_of_what_is_written(
    tmp_path: Path,
) -> None:
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/photos")
        removed, kept = photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(2)])
        with opened_collection(tmp_path) as elsewhere:
            elsewhere.remove([removed])

        given = GivenRecord("1", Given(tags=("sea",)))
        photos.annotate([(removed, given), (kept, given)])
        photos.touch([image_file(source.id, "0.jpg", 9)])
        photos.mark_missing([removed])
        photos.mark_present([removed])

        assert [(entry.id, entry.tags) for entry in photos.entries()] == [(kept, ("sea",))]


def test_an_open_library_follows_names_that_were_switched(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        for name, count in (("photos", 1), ("photos-2", 2)):
            with library.create_collection(name, identity()) as collection:
                source = collection.add_source("/photos")
                collection.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(count)])
        with open_library(tmp_path) as opened:
            assert [opened.collection(name).images for name in ("photos", "photos-2")] == [1, 2]
            library.switch("photos", "photos-2")
            assert [opened.collection(name).images for name in ("photos", "photos-2")] == [2, 1]
            library.remove_collection("photos-2")
            assert opened.collection("photos").images == 2
