"""Duplicates: the same bytes, and pictures that look the same, as two different things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blipsearch import duplicates as module
from blipsearch.collection import Collection
from blipsearch.duplicates import Group, Likeness, exact_duplicates, near_duplicates
from blipsearch.errors import QueryError
from blipsearch.images import FLAT_HASH
from blipsearch.library import Library
from blipsearch.records import Embedding
from tests.unit.collection_makers import identity, indexed_file, new_collection, unit_row

LOOK = 0xF0F0_F0F0_F0F0_F0F0


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    with new_collection(tmp_path) as collection:
        yield collection


def turned(embedding: Embedding, cosine: float) -> Embedding:
    """A unit vector with this cosine to another one."""
    other = unit_row(99)
    other = other - (other @ embedding) * embedding
    other /= np.linalg.norm(other)
    found: Embedding = (cosine * embedding + np.sqrt(1 - cosine**2) * other).astype(np.float32)
    return found


def write(
    photos: Collection,
    name: str,
    *,
    content: int,
    look: int = LOOK,
    cosine: float = 1.0,
    side: int = 100,
    size: int = 1000,
) -> int:
    """Write an image: its content, its look, and how near it is to the vector of seed 0."""
    source = photos.add_source("/pictures").id
    item = indexed_file(source, name, content)
    item = replace(
        item,
        file=replace(item.file, size=size),
        perceptual_hash=look,
        width=side,
        height=side,
        embedding=turned(unit_row(0), cosine),
    )
    return photos.write([item])[0]


def ids(groups: tuple[Group, ...]) -> list[list[int]]:
    return [[one.entry.id for one in group] for group in groups]


def test_files_with_the_same_bytes_are_exact_and_not_near(photos: Collection) -> None:
    first = write(photos, "a.jpg", content=1)
    write(photos, "b.jpg", content=2, look=~LOOK & (1 << 64) - 1)
    third = write(photos, "c.jpg", content=1)
    assert ids(exact_duplicates(photos)) == [[first, third]]
    assert near_duplicates(photos).groups == ()


def test_pictures_that_look_the_same_are_near_and_not_exact(photos: Collection) -> None:
    small = write(photos, "small.jpg", content=1, side=50)
    large = write(photos, "large.jpg", content=2, look=LOOK ^ 0b111, cosine=0.99, side=200)
    assert exact_duplicates(photos) == ()
    (group,) = near_duplicates(photos).groups
    assert [one.entry.id for one in group] == [large, small]
    assert [one.hash_distance for one in group] == [0, 3]
    assert [one.cosine for one in group] == pytest.approx([1.0, 0.99], abs=1e-5)


def test_of_copies_the_oldest_stands_in_a_near_group(photos: Collection) -> None:
    first = write(photos, "a.jpg", content=1)
    copy = write(photos, "b.jpg", content=1)
    other = write(photos, "c.jpg", content=2, side=50)
    assert ids(exact_duplicates(photos)) == [[first, copy]]
    assert ids(near_duplicates(photos).groups) == [[first, other]]


@pytest.mark.parametrize(("bits", "cosine", "alike"), [(10, 0.95, 1), (11, 0.95, 0), (10, 0.94, 0)])
def test_both_the_hash_and_the_embedding_must_agree(
    photos: Collection, bits: int, cosine: float, alike: int
) -> None:
    write(photos, "a.jpg", content=1)
    write(photos, "b.jpg", content=2, look=LOOK ^ ((1 << bits) - 1), cosine=cosine + 1e-4)
    assert len(near_duplicates(photos, Likeness(10, 0.95)).groups) == alike


def test_the_best_is_the_largest_picture_then_the_largest_file_then_the_oldest(
    photos: Collection,
) -> None:
    ids_ = [
        write(photos, "a.jpg", content=1, side=100, size=500),
        write(photos, "b.jpg", content=2, side=100, size=900),
        write(photos, "c.jpg", content=3, side=200, size=100),
        write(photos, "d.jpg", content=4, side=100, size=900),
    ]
    assert ids(near_duplicates(photos).groups) == [[ids_[2], ids_[1], ids_[3], ids_[0]]]


def test_a_chain_of_neighbours_is_one_group_and_distances_are_to_the_best(
    photos: Collection,
) -> None:
    """Its ends are farther apart than the limit."""
    for number in range(4):
        look = LOOK ^ ((1 << 8 * number) - 1)
        write(photos, f"{number}.jpg", content=number, look=look, side=100 - number)
    (group,) = near_duplicates(photos, Likeness(hash_distance=8)).groups
    assert [one.hash_distance for one in group] == [0, 8, 16, 24]


def test_pictures_of_one_colour_are_not_alike_for_their_hashes(photos: Collection) -> None:
    """A black frame and a white page: nothing in either picture to compare."""
    write(photos, "black.jpg", content=1, look=FLAT_HASH)
    write(photos, "white.jpg", content=2, look=FLAT_HASH)
    found = near_duplicates(photos)
    assert found.groups == ()
    assert found.flat == 2


def test_images_that_are_missing_or_failed_are_no_duplicates(photos: Collection) -> None:
    write(photos, "a.jpg", content=1)
    copy = write(photos, "b.jpg", content=1)
    near = write(photos, "c.jpg", content=2)
    photos.mark_missing([copy, near])
    assert exact_duplicates(photos) == ()
    assert near_duplicates(photos).groups == ()
    photos.mark_present([copy, near])
    assert len(exact_duplicates(photos)) == 1
    assert len(near_duplicates(photos).groups) == 1


def test_the_largest_group_comes_first(photos: Collection) -> None:
    for number in range(2):
        write(photos, f"few{number}.jpg", content=number, look=1)
    for number in range(2, 5):
        write(photos, f"many{number}.jpg", content=number, look=(1 << 63) | (1 << 40) - 1)
    assert [len(group) for group in near_duplicates(photos, Likeness(4)).groups] == [3, 2]


def test_another_collection_of_the_library_is_left_alone(tmp_path: Path) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        library.create_collection("one", identity()) as one,
        library.create_collection("two", identity()) as two,
    ):
        write(one, "a.jpg", content=1)
        write(two, "a.jpg", content=1)
        assert exact_duplicates(one) == ()
        assert near_duplicates(two).groups == ()


def test_many_pairs_are_settled_as_one_by_one(
    photos: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups found in rounds equal those that comparing every pair gives."""
    random = np.random.default_rng(4)
    looks = random.integers(0, 1 << 5, 60).tolist()
    cosines = random.uniform(0.8, 1.0, 60).tolist()
    for number, (look, cosine) in enumerate(zip(looks, cosines, strict=True)):
        write(photos, f"{number}.jpg", content=number, look=look + 64, cosine=cosine)
    found, vectors = photos.embeddings(np.arange(1, 61))
    vectors = vectors[np.argsort(found)]
    near = np.array([[(a ^ b).bit_count() <= 1 for a in looks] for b in looks])
    together = near & (vectors @ vectors.T >= 0.99)
    for _ in range(60):  # what is reachable
        together = together @ together > 0
    wanted = {frozenset((np.flatnonzero(row) + 1).tolist()) for row in together if np.sum(row) > 1}
    monkeypatch.setattr(module, "MOST_PAIRS", 7)
    groups = near_duplicates(photos, Likeness(1, 0.99)).groups
    assert {frozenset(one.entry.id for one in group) for group in groups} == wanted


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(QueryError, match="64 bits, not 65"):
        Likeness(hash_distance=65)
    with pytest.raises(QueryError, match="cosine"):
        Likeness(cosine=1.5)


def test_an_empty_collection_has_none(photos: Collection) -> None:
    assert exact_duplicates(photos) == ()
    assert near_duplicates(photos).groups == ()
