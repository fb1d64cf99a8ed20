"""What sidecars say of images is merged with what people say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blipsearch.collection import Collection
from blipsearch.records import BY_A_PERSON, Given, GivenRecord
from tests.unit.collection_makers import indexed_file, new_collection


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    """A collection with one image, 1."""
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, "boat.jpg")])
        yield photos


def say(
    photos: Collection,
    stamp: str,
    metadata: Mapping[str, object] | None = None,
    tags: Sequence[str] = (),
    captions: Sequence[str] = (),
) -> None:
    record = GivenRecord(stamp, Given(metadata or {}, tuple(tags), tuple(captions)))
    photos.annotate([(1, record)])


def said(photos: Collection) -> tuple[Mapping[str, object], tuple[str, ...], list[str]]:
    entry = photos.image(1)
    captions = photos.captions([1]).get(1, [])
    return entry.metadata, entry.tags, [one.text for one in captions]


def test_what_is_given_is_taken_over_and_goes_when_it_is_given_no_more(photos: Collection) -> None:
    say(photos, "one", {"place": "Bari", "year": 2024}, ["sea", "boat"], ["a red boat"])
    assert said(photos) == ({"place": "Bari", "year": 2024}, ("boat", "sea"), ["a red boat"])
    say(photos, "two", {"place": "Rome"}, ["boat", "red"], ["a boat"])
    assert said(photos) == ({"place": "Rome"}, ("boat", "red"), ["a boat"])
    say(photos, "")
    assert said(photos) == ({}, (), [])


def test_what_people_set_otherwise_or_took_away_stays_so(photos: Collection) -> None:
    say(photos, "one", {"place": "Bari", "year": 2024}, ["sea", "boat"], ["a red boat"])
    photos.set_metadata(1, {"place": "Molfetta", "by": "Ada"})
    photos.set_tags(1, ["boat", "mine"])
    photos.set_captions(1, ["my boat"])
    say(
        photos, "two", {"place": "Bari", "year": 2024, "new": True}, ["sea", "boat"], ["a red boat"]
    )
    assert said(photos) == (
        {"place": "Molfetta", "by": "Ada", "new": True},
        ("boat", "mine"),
        ["my boat"],
    )
    say(photos, "")
    assert said(photos) == ({"place": "Molfetta", "by": "Ada"}, ("mine",), ["my boat"])


def test_an_equal_stamp_changes_nothing_and_takes_no_change_number(photos: Collection) -> None:
    say(photos, "one", {"place": "Bari"}, ["sea"])
    change = photos.info.change
    say(photos, "one", {"place": "Rome"}, ["hills"])
    assert said(photos) == ({"place": "Bari"}, ("sea",), [])
    assert photos.info.change == change


def test_known_files_have_the_stamp_of_what_was_given_last(photos: Collection) -> None:
    source = photos.sources()[0]
    assert photos.known_files(source.id)["boat.jpg"].given_stamp == ""
    say(photos, "one", {"place": "Bari"})
    assert photos.known_files(source.id)["boat.jpg"].given_stamp == "one"
    say(photos, "")
    assert photos.known_files(source.id)["boat.jpg"].given_stamp == ""


def test_what_is_given_comes_with_the_image_and_stays_where_nothing_is(photos: Collection) -> None:
    source = photos.sources()[0]
    record = GivenRecord("one", Given({"place": "Bari"}, ("sea",), ("a wave",)))
    (image_id,) = photos.write([replace(indexed_file(source.id, "wave.jpg", 2), given=record)])
    photos.write([indexed_file(source.id, "wave.jpg", 3)])
    entry = photos.image(image_id)
    assert (entry.metadata, entry.tags) == ({"place": "Bari"}, ("sea",))
    (caption,) = photos.captions([image_id])[image_id]
    assert (caption.text, caption.checkpoint) == ("a wave", BY_A_PERSON)
    assert photos.find_captions("waves", 3) == [image_id]


def test_captions_of_checkpoints_are_not_what_people_say(photos: Collection) -> None:
    photos.add_caption(1, "a boat", "captioner", 0.9)
    say(photos, "one", captions=["a boat"])
    say(photos, "")
    (caption,) = photos.captions([1])[1]
    assert caption.checkpoint == "captioner"


def test_metadata_that_cannot_be_kept_is_left_out_alone(
    photos: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    say(photos, "one", {"place": "Bari"}, ["sea"])
    say(photos, "two", {"place": float("nan")}, ["hills"])
    assert said(photos) == ({"place": "Bari"}, ("hills",), [])
    assert "was not taken" in caplog.text
    say(photos, "three", {"place": "Rome"}, ["hills"])
    assert said(photos) == ({"place": "Rome"}, ("hills",), [])


def test_an_image_that_is_not_there_is_left_out(photos: Collection) -> None:
    photos.annotate([(7, GivenRecord("one", Given({"place": "Bari"})))])
    assert said(photos) == ({}, (), [])


def test_what_was_given_goes_with_its_image(photos: Collection) -> None:
    say(photos, "one", {"place": "Bari"})
    photos.remove([1])
    source = photos.sources()[0]
    photos.write([indexed_file(source.id, "boat.jpg")])
    assert photos.known_files(source.id)["boat.jpg"].given_stamp == ""


_WORDS = st.sets(st.sampled_from(["sea", "boat", "red"]))
_FACTS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), _FACTS, _WORDS), min_size=1, max_size=6),
)
def test_given_and_people_take_turns(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[bool, dict[str, int], set[str]]],
) -> None:
    """A word at a time: who said it last, and whether anybody took it away."""
    facts: dict[str, int] = {}
    words: set[str] = set()
    given_facts: dict[str, int] = {}
    given_words: set[str] = set()
    with new_collection(tmp_path_factory.mktemp("given")) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, "boat.jpg")])
        for number, (by_a_person, new_facts, new_words) in enumerate(steps):
            if by_a_person:
                photos.set_metadata(1, new_facts)
                photos.set_tags(1, new_words)
                facts, words = dict(new_facts), set(new_words)
            else:
                say(photos, str(number), new_facts, sorted(new_words))
                for key in "abc":
                    before, there, now = (one.get(key) for one in (given_facts, facts, new_facts))
                    if there == before and now is not None:
                        facts[key] = now
                    elif there == before or (there is None and now != before):
                        facts.pop(key, None)
                        facts |= {} if now is None else {key: now}
                for word in ("sea", "boat", "red"):
                    if (word in given_words) == (word in words):
                        words = words - {word} | ({word} & new_words)
                given_facts, given_words = new_facts, new_words
            assert said(photos)[:2] == (facts, tuple(sorted(words)))
