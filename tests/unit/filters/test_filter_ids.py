"""A filter gives the ids of exactly the images that it holds for."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blipsearch.catalog import filtering
from blipsearch.collection import Collection
from blipsearch.errors import CollectionNotFoundError
from blipsearch.filters import Filter, parse_json_filter
from blipsearch.filters.text import parse_filter
from blipsearch.library import Library, upgrade_library
from blipsearch.records import Exif, ImageEntry, ImageFile, IndexedFile
from tests.unit.collection_makers import (
    failed_file,
    identity,
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
)
from tests.unit.filter_makers import (
    CAMERAS,
    FOLDERS,
    FORMATS,
    LENSES,
    METADATA,
    MOMENTS,
    NAMES,
    PLACES,
    TAGS,
    WORDS,
    likely_conditions,
    trees,
)
from tests.unit.filter_oracle import filter_holds

OLD = Path(__file__).parents[2] / "data" / "libraries"


class Photos:
    """A collection with odd images, and all that is known of those that can be found."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.images: list[ImageEntry] = list(collection.entries("indexed"))
        found = collection.captions(image.id for image in self.images)
        self.captions = {
            image.id: [caption.text for caption in found.get(image.id, ())] for image in self.images
        }

    def expected(self, asked: Filter) -> list[int]:
        return [
            image.id for image in self.images if filter_holds(asked, image, self.captions[image.id])
        ]


def _odd_file(rng: random.Random, source_id: int, path: str, seed: int) -> IndexedFile:
    taken = rng.choice((None, *MOMENTS))
    latitude, longitude = rng.choice((None, *PLACES)) or (None, None)
    width, height = rng.choice(((640, 480), (480, 640), (640, 640), (1, 1), (3000, 1000)))
    return IndexedFile(
        file=ImageFile(source_id, path, size=1000 + seed, mtime_ns=seed),
        sha256=f"{seed:064x}",
        perceptual_hash=seed,
        width=width,
        height=height,
        format=rng.choice(FORMATS),
        exif=Exif(
            taken_at=datetime.fromisoformat(taken) if taken else None,
            camera=rng.choice((None, *CAMERAS)),
            lens=rng.choice((None, *LENSES)),
            latitude=latitude,
            longitude=longitude,
        ),
        embedding=unit_row(seed),
    )


def _fill(photos: Collection, rng: random.Random) -> None:
    sources = [photos.add_source("/pictures/1", "one"), photos.add_source("/pictures/2", "two")]
    paths = [f"{folder}/{name}".lstrip("/") for folder in FOLDERS for name in NAMES]
    chosen = [(rng.choice(sources).id, path) for path in rng.sample(paths, 70)]
    ids = photos.write(
        [_odd_file(rng, source, path, seed) for seed, (source, path) in enumerate(chosen)],
        [failed_file(sources[0].id, "torn.jpg")],
    )
    for image_id in ids:
        photos.set_metadata(image_id, rng.choice(METADATA))
        photos.set_tags(image_id, rng.sample(TAGS, rng.choice((0, 0, 1, 3))))
        for _ in range(rng.choice((0, 0, 1, 2))):
            photos.add_caption(image_id, " ".join(rng.choices(WORDS, k=2)), "captioner")
    photos.mark_missing(ids[:3])
    photos.remove(ids[3:5])


@pytest.fixture(scope="module", params=[1, 2, 3])
def odd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Photos]:
    """Random images beside another collection's in one library."""
    rng = random.Random(request.param)
    directory = tmp_path_factory.mktemp("odd")
    with (
        Library.open(directory, create=True) as library,
        library.create_collection("others", identity()) as others,
        library.create_collection("photos", identity()) as photos,
    ):
        _fill(others, rng)
        _fill(photos, rng)
        yield Photos(photos)


@pytest.mark.parametrize("few", [0, 4, 50_000])
@settings(max_examples=150, deadline=None)
@given(asked=trees(likely_conditions()))
def test_a_filter_finds_what_plain_python_finds(odd: Photos, few: int, asked: Filter) -> None:
    """Whether it goes through all images or begins with a few that an index names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filtering, "FEW", few)
        odd.collection._catalog.filtering._cache.clear()
        found = odd.collection.matching_ids(asked)
    assert found.tolist() == odd.expected(asked)


@settings(max_examples=300, deadline=None)
@given(asked=likely_conditions())
def test_a_single_condition_finds_what_plain_python_finds(odd: Photos, asked: Filter) -> None:
    assert odd.collection.matching_ids(asked).tolist() == odd.expected(asked)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    """Five images: a camera's, three from other folders, and one that knows nothing."""
    with new_collection(tmp_path) as collection:
        source = collection.add_source("/pictures")
        canon = Exif(datetime(2024, 8, 31, 23, 59), "Canon EOS R5", None, 48.85, 2.35)  # noqa: DTZ001
        nikon = Exif(datetime(2024, 6, 1), "NIKON Z 6", "Z 50mm", 48.9, 2.4)  # noqa: DTZ001
        collection.write(
            [
                indexed_file(source.id, "holiday/a.jpg", 1, canon),
                indexed_file(source.id, "holiday/2024/b.png", 2, nikon),
                indexed_file(source.id, "holiday-2/c.jpg", 3),
                indexed_file(source.id, "holiday", 4),
                indexed_file(source.id, "x/holiday/IMG_1/e.jpg", 5),
            ]
        )
        yield collection


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("path:holiday", [1, 2, 4]),
        ("path:holiday/", [1, 2, 4]),
        ("path:holiday/*", [1]),
        ("path:holiday/**", [1, 2]),
        ("path:holiday*/**", [1, 2, 3]),
        ("path:**/holiday/**", [1, 2, 5]),
        ("path:*.jpg", []),
        ("path:**/*.jpg", [1, 3, 5]),
        ("path:HOLIDAY", []),
        ("name:?.jpg", [1, 3, 5]),
        ("name:IMG_*", []),
        ("name:b.png", [2]),
        ("taken_at:2024-06..2024-08", [1, 2]),
        ("taken_at>2024-06", [1]),
        ("taken_at>=2024-06", [1, 2]),
        ("taken_at<=2024-08-31T23:58", [2]),
        ("camera:canon*", [1]),
        ("-camera:canon*", [2, 3, 4, 5]),
        ("camera!=x", [1, 2]),
        ("camera:x", []),
        ("has:lens", [2]),
        ("near:48.85,2.35,5km", [1]),
        ("near:48.85,2.35,10km", [1, 2]),
        ("megapixels:0.3072 size:1002..1004", [2, 3, 4]),
        ("id:5,1", [1, 5]),
        ("source:pictures id>4", [5]),
        ("orientation:landscape -has:taken_at", [3, 4, 5]),
    ],
)
def test_examples_find_what_the_reference_says(
    photos: Collection, text: str, ids: list[int]
) -> None:
    assert photos.matching_ids(parse_filter(text)).tolist() == ids


def _condition(field: str, op: str, value: str) -> Filter:
    return parse_json_filter({"field": field, "op": op, "value": value})


@pytest.mark.parametrize(
    "value",
    [
        "'; DELETE FROM images; --",
        '" OR 1=1 --',
        "%",
        "_",
        "[a-z]",
        "\\",
        ")",
        "🙂",
        "\udcff",
        "\x1a",
    ],
)
def test_a_value_is_only_a_value(photos: Collection, value: str) -> None:
    photos.set_tags(1, [value])
    photos.set_metadata(2, {"key": value})
    for field, ids in (("tag", [1]), ("meta.key", [2]), ("path", []), ("name", []), ("camera", [])):
        for op in ("=", "glob"):
            asked = _condition(field, op, value)
            assert photos.matching_ids(asked).tolist() == ids
    assert photos.info.indexed == 5


def test_words_of_a_caption_are_found_by_their_stems_in_one_caption(photos: Collection) -> None:
    photos.add_caption(1, "two dogs at the beach", "captioner")
    photos.add_caption(1, "a red boat", "captioner")
    photos.add_caption(2, 'a "dog" OR a boat', "captioner")
    for text, ids in (
        ("caption:dog", [1, 2]),
        ("caption:Dogs,boats", [1, 2]),
        ('caption:"beach dog"', [1]),
        ('caption:"red dog"', []),
        ('caption:"NOT dog"', []),
        ("caption:NEAR,OR", [2]),
    ):
        assert photos.matching_ids(parse_filter(text)).tolist() == ids


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # only read from
)
@given(words=st.text(st.characters(exclude_characters="\0*"), max_size=20))
def test_whatever_is_asked_of_captions_is_only_words(photos: Collection, words: str) -> None:
    asked = _condition("caption", "=", f"dog {words}")
    assert photos.matching_ids(asked).tolist() == []


def test_a_new_caption_is_found_though_it_changes_no_image(photos: Collection) -> None:
    for text in ("caption:dog", "has:caption"):
        assert photos.matching_ids(parse_filter(text)).tolist() == []
    photos.add_caption(3, "a dog", "captioner")
    for text in ("caption:dog", "has:caption"):
        assert photos.matching_ids(parse_filter(text)).tolist() == [3]


def test_an_answer_is_kept_until_the_collection_changes(photos: Collection) -> None:
    asked = parse_filter("tag:sea")
    first = photos.matching_ids(asked)
    assert photos.matching_ids(asked) is first
    photos.set_tags(3, ["sea"])
    assert photos.matching_ids(asked).tolist() == [3]


def test_true_is_not_one_in_the_cache_either(photos: Collection) -> None:
    photos.set_metadata(1, {"x": 1})
    photos.set_metadata(2, {"x": True})
    assert photos.matching_ids(parse_filter("meta.x:1")).tolist() == [1]
    assert photos.matching_ids(parse_filter("meta.x:true")).tolist() == [2]


def test_ids_are_int64_ascending_and_not_to_be_written_to(photos: Collection) -> None:
    for text in ("width>0", "width<0"):
        ids = photos.matching_ids(parse_filter(text))
        assert ids.dtype == np.int64
        assert not ids.flags.writeable
    assert photos.matching_ids(parse_filter("width>0")).tolist() == [1, 2, 3, 4, 5]


def test_only_indexed_images_are_found(photos: Collection) -> None:
    source = photos.sources()[0]
    photos.write([], [failed_file(source.id, "torn.jpg")])
    photos.mark_missing([2])
    photos.remove([3])
    assert photos.matching_ids(parse_filter("-tag:none")).tolist() == [1, 4, 5]


def test_a_removed_collection_has_no_ids(tmp_path: Path) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        library.create_collection("photos", identity()) as photos,
    ):
        library.remove_collection("photos")
        with pytest.raises(CollectionNotFoundError):
            photos.matching_ids(parse_filter("width>0"))


def test_a_hostile_pattern_and_name_take_no_time(tmp_path: Path) -> None:
    """The longest pattern over long names that nearly match; a slow one would not end."""
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, "/".join(["a" * 250] * 16), 1)])
        for asked in (
            "*a" * 400 + "b",
            "**/" * 300 + "b",
            "**/*a/" * 150 + "*b",
            "*?a" * 300 + "b",
        ):
            for field in ("path", "name", "camera", "tag", "meta.x"):
                assert not photos.matching_ids(_condition(field, "glob", asked)).size


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005"])
def test_an_upgraded_library_answers_filters(tmp_path: Path, revision: str) -> None:
    shutil.copytree(OLD / revision, tmp_path / "library")
    upgrade_library(tmp_path / "library")
    with opened_collection(tmp_path / "library") as photos:
        for text in (
            "taken_at:2024-06 camera:canon lens:*50mm path:boat.jpg near:-48.85,2.35,1km",
            "tag:SEA caption:boats meta.price:20 width:640",
        ):
            assert photos.matching_ids(parse_filter(text)).tolist() == [1]
