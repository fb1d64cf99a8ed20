"""Captions of many images at a time: none twice, none of a picture that is another by now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blipsearch.collection import Collection
from blipsearch.records import WrittenCaption
from tests.unit.collection_makers import failed_file, indexed_file, new_collection


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    with new_collection(tmp_path) as collection:
        source = collection.add_source("/pictures")
        collection.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(3)])
        yield collection


def written(photos: Collection, image_id: int, text: str = "a red boat") -> WrittenCaption:
    return WrittenCaption(image_id, photos.image(image_id).sha256, text, 0.9)


def test_captions_of_a_batch_are_there_at_once_and_found_by_their_words(
    photos: Collection,
) -> None:
    assert photos.add_captions("captioner", [written(photos, 1), written(photos, 2, "a car")]) == 2
    assert photos.find_captions("car", 10) == [2]
    (caption,) = photos.captions([1])[1]
    assert (caption.text, caption.checkpoint, caption.match) == ("a red boat", "captioner", 0.9)


def test_an_image_is_captioned_once_by_a_checkpoint(photos: Collection) -> None:
    photos.add_captions("captioner", [written(photos, 1)])
    assert photos.add_captions("captioner", [written(photos, 1, "again")]) == 0
    assert photos.add_captions("another", [written(photos, 1, "again")]) == 1
    assert [one.text for one in photos.captions([1])[1]] == ["a red boat", "again"]


def test_a_picture_that_changed_meanwhile_gets_no_caption_of_the_old_one(
    photos: Collection,
) -> None:
    late = written(photos, 1)
    source = photos.sources()[0]
    photos.write([indexed_file(source.id, "0.jpg", seed=77)])
    photos.remove([2])
    gone = WrittenCaption(2, "f" * 64, "a ghost", None)
    assert photos.add_captions("captioner", [late, gone]) == 0
    assert photos.captions([1, 2]) == {}


def test_uncaptioned_are_the_indexed_images_that_the_checkpoint_has_not_seen(
    photos: Collection,
) -> None:
    source = photos.sources()[0]
    photos.write([], [failed_file(source.id, "broken.jpg")])
    photos.add_caption(1, "a person's words", "")
    assert photos.uncaptioned("captioner") == [1, 2, 3]
    photos.add_captions("captioner", [written(photos, 2)])
    photos.mark_missing([3])
    assert photos.uncaptioned("captioner") == [1]
    assert photos.uncaptioned("another") == [1, 2]


def test_a_changed_picture_is_uncaptioned_again(photos: Collection) -> None:
    photos.add_captions("captioner", [written(photos, 1)])
    photos.write([indexed_file(photos.sources()[0].id, "0.jpg", seed=77)])
    assert photos.uncaptioned("captioner") == [1, 2, 3]
    assert photos.add_captions("captioner", [written(photos, 1)]) == 1


def test_nothing_written_is_nothing_done(photos: Collection) -> None:
    assert photos.add_captions("captioner", []) == 0
