"""Captions, answers, tags and metadata belong to images; captions are found by their words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blipsearch.collection import Collection
from blipsearch.errors import ImageNotFoundError, QueryError
from tests.unit.collection_makers import failed_file, indexed_file, new_collection


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    with new_collection(tmp_path) as collection:
        source = collection.add_source("/pictures")
        assert collection.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(3)]) == [
            1,
            2,
            3,
        ]
        yield collection


def _found_by(directory: Path, words: str) -> list[int]:
    with closing(sqlite3.connect(directory / "catalog.sqlite")) as connection:
        # Raises where the full-text table and the captions are out of step.
        connection.execute(
            "INSERT INTO captions_fts (captions_fts, rank) VALUES ('integrity-check', 1)"
        )
        return [
            row[0]
            for row in connection.execute(
                "SELECT image_id FROM captions JOIN captions_fts AS fts ON fts.rowid = captions.id"
                " WHERE captions_fts MATCH ? ORDER BY image_id",
                [words],
            )
        ]


def test_captions_come_back_by_image(photos: Collection) -> None:
    first = photos.add_caption(1, "a red boat", "captioner", match=0.9)
    second = photos.add_caption(1, "boats at sea", "captioner")
    third = photos.add_caption(2, "a café", "captioner")
    assert photos.captions([1, 2, 3]) == {1: [first, second], 2: [third]}
    assert (first.match, second.match) == (0.9, None)
    assert first.created_at.tzinfo is not None


def test_captions_are_found_by_stem_and_without_accents(photos: Collection, tmp_path: Path) -> None:
    photos.add_caption(1, "a red boat", "captioner")
    photos.add_caption(2, "boats before a café", "captioner")
    assert _found_by(tmp_path, "boats") == [1, 2]
    assert _found_by(tmp_path, "cafe") == [2]


def test_removing_an_image_removes_all_that_was_said_of_it(
    photos: Collection, tmp_path: Path
) -> None:
    photos.add_caption(1, "a red boat", "captioner")
    photos.add_answer(1, "what colour?", "red", 0.8, "answerer")
    photos.set_tags(1, ["sea"])
    photos.remove([1])
    assert photos.captions([1]) == {}
    assert photos.answers([1]) == {}
    assert _found_by(tmp_path, "boat") == []


def test_captions_and_answers_go_when_the_picture_changes(
    photos: Collection, tmp_path: Path
) -> None:
    """They described the old picture; tags and metadata are the user's and stay."""
    source = photos.sources()[0]
    for image_id in (1, 2, 3):
        photos.add_caption(image_id, "a red boat", "captioner")
        photos.add_answer(image_id, "what colour?", "red", None, "answerer")
        photos.set_tags(image_id, ["sea"])
    photos.write(
        [indexed_file(source.id, "0.jpg", 0), indexed_file(source.id, "1.jpg", 77)],
        [failed_file(source.id, "2.jpg")],
    )
    assert list(photos.captions([1, 2, 3])) == list(photos.answers([1, 2, 3])) == [1]
    assert _found_by(tmp_path, "boat") == [1]
    assert [entry.tags for entry in photos.entries()] == [("sea",)] * 3


def test_captions_of_people_are_replaced_and_those_of_checkpoints_stay(
    photos: Collection, tmp_path: Path
) -> None:
    photos.add_caption(1, "a red boat", "captioner", match=0.9)
    before = photos.change
    photos.set_captions(1, ["Anna", "Anna", "the harbour"])
    assert photos.change > before
    photos.set_captions(1, ["Ben"])

    assert [(one.text, one.checkpoint) for one in photos.captions([1])[1]] == [
        ("a red boat", "captioner"),
        ("Ben", ""),
    ]
    assert photos.best_captions([1]) == {1: "Ben"}
    assert _found_by(tmp_path, "anna") == []
    assert _found_by(tmp_path, "ben") == [1]
    with pytest.raises(ImageNotFoundError):
        photos.set_captions(99, ["Anna"])


def test_captions_of_people_stay_when_the_picture_changes(photos: Collection) -> None:
    source = photos.sources()[0]
    photos.set_captions(2, ["Anna"])
    photos.add_caption(2, "a red boat", "captioner")
    photos.write([indexed_file(source.id, "1.jpg", 77)])
    assert [one.text for one in photos.captions([2])[2]] == ["Anna"]


def test_answers_come_back_by_image(photos: Collection) -> None:
    first = photos.add_answer(2, "what colour?", "red", 0.8, "answerer")
    second = photos.add_answer(2, "how many?", "two", None, "answerer")
    assert photos.answers([1, 2]) == {2: [first, second]}
    assert (first.question, first.answer, first.score) == ("what colour?", "red", 0.8)


def test_tags_are_a_set_in_order(photos: Collection) -> None:
    photos.set_tags(2, ["sea", "boat", "sea"])
    assert photos.image(2).tags == ("boat", "sea")
    photos.set_tags(2, ["\0", "sea", "sea\0"])  # as they are stored, these are one
    assert photos.image(2).tags == ("sea",)
    photos.set_tags(2, [])
    assert photos.image(2).tags == ()


def test_metadata_is_what_json_can_hold(photos: Collection) -> None:
    photos.set_metadata(2, {"price": 20, "odd": "\udcff", "nested": {"a": [1, None]}})
    assert photos.image(2).metadata == {"price": 20, "odd": "\udcff", "nested": {"a": [1, None]}}
    with pytest.raises(QueryError, match="metadata"):
        photos.set_metadata(2, {"when": object()})
    with pytest.raises(QueryError, match="metadata"):
        photos.set_metadata(2, {"price": float("nan")})


def test_metadata_is_no_more_than_a_search_can_answer_with(photos: Collection) -> None:
    deepest: dict[str, object] = {}
    for _ in range(31):
        deepest = {"a": deepest}
    photos.set_metadata(2, deepest)
    endless: dict[str, object] = {}
    endless["a"] = [endless]
    tower: list[object] = []
    for _ in range(5000):
        tower = [tower]
    for refused in ({"a": deepest}, {"a": "x" * 100_000}, {"a": tower}, endless):
        with pytest.raises(QueryError, match="metadata"):
            photos.set_metadata(2, refused)
    assert photos.image(2).metadata == deepest


def test_tags_and_metadata_are_changes_that_others_see(photos: Collection) -> None:
    before = photos.info.change
    photos.set_tags(1, ["sea"])
    photos.set_metadata(1, {"price": 20})
    assert photos.info.change == before + 2
    assert photos.image(1).change == before + 2


def test_nothing_is_said_of_an_image_that_is_not_there(photos: Collection) -> None:
    for attempt in (
        lambda: photos.add_caption(99, "a red boat", "captioner"),
        lambda: photos.add_answer(99, "what?", "red", None, "answerer"),
        lambda: photos.set_tags(99, ["sea"]),
        lambda: photos.set_metadata(99, {}),
    ):
        with pytest.raises(ImageNotFoundError, match="no image 99"):
            attempt()
