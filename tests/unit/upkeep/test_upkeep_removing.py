"""Removing takes just the images that were chosen, and never a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blipsearch.collection import Collection
from blipsearch.errors import ImageNotFoundError, QueryError, SourceError
from blipsearch.filters.text import parse_filter
from blipsearch.upkeep.removing import Selection, choose, remove
from blipsearch.upkeep.verifying import verify
from tests.unit.collection_makers import failed_file, indexed_file
from tests.unit.upkeep_makers import COUNT, make_library, opened_photos


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


@pytest.fixture
def photos(tmp_path: Path, pictures: Path) -> Iterator[Collection]:
    """Images 1 to 12 of `pictures`, 13 to 15 of `drive`; 15 failed, 14 and 2 are missing."""
    make_library(tmp_path / "library", pictures)
    with opened_photos(tmp_path / "library") as photos:
        drive = photos.add_source("/mnt/drive")
        photos.write(
            [indexed_file(drive.id, f"{n}.jpg", n + 50) for n in range(2)],
            [failed_file(drive.id, "broken.jpg")],
        )
        photos.mark_missing([2, 14])
        photos.set_tags(5, ["old"])
        yield photos


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(ids=(3, 1, 3)), (1, 3)),
        (Selection(filter_=parse_filter("tag:old")), (5,)),
        (Selection(source="drive"), (13, 14, 15)),
        (Selection(source="/mnt/drive"), (13, 14, 15)),
        (Selection(statuses=("missing",)), (2, 14)),
        (Selection(statuses=("failed",)), (15,)),
        (Selection(statuses=("missing", "failed")), (2, 14, 15)),
        (Selection(source="drive", statuses=("missing",)), (14,)),
        (Selection(source="pictures", statuses=("failed",)), ()),
        (Selection(ids=(2, 3), statuses=("missing",)), (2,)),
        (Selection(ids=(5, 6), filter_=parse_filter("tag:old")), (5,)),
        (Selection(source="pictures", filter_=parse_filter("tag:old")), (5,)),
    ],
    ids=str,
)
def test_what_several_options_choose_is_what_all_of_them_hold_for(
    photos: Collection, selection: Selection, expected: tuple[int, ...]
) -> None:
    assert choose(photos, selection).ids == expected
    assert photos.info.indexed == COUNT  # choosing changes nothing


def test_removed_images_are_gone_with_their_states_and_no_picture_is(
    photos: Collection, pictures: Path, tmp_path: Path
) -> None:
    assert remove(photos, choose(photos, Selection(ids=(1, 2, 3)))) == 3
    assert photos.images([1, 2, 3]) == []
    assert photos.states.usage().images == COUNT - 3
    assert len(list(pictures.iterdir())) == COUNT
    assert {one.kind for one in verify(tmp_path / "library").findings} == {"drive"}


def test_a_source_goes_with_its_last_image_and_not_before(photos: Collection) -> None:
    some = choose(photos, Selection(source="drive", statuses=("missing",)))
    assert some.source is None
    remove(photos, some)
    assert [source.name for source in photos.sources()] == ["pictures", "drive"]
    rest = choose(photos, Selection(source="drive"))
    assert rest.source is not None
    remove(photos, rest)
    assert [source.name for source in photos.sources()] == ["pictures"]


def test_a_source_without_images_goes_too(photos: Collection) -> None:
    photos.add_source("/empty")
    chosen = choose(photos, Selection(source="empty"))
    assert chosen.ids == ()
    assert remove(photos, chosen) == 0
    assert "empty" not in {source.name for source in photos.sources()}


def test_a_source_that_got_an_image_meanwhile_stays(photos: Collection) -> None:
    chosen = choose(photos, Selection(source="drive"))
    source = chosen.source
    assert source is not None
    photos.write([indexed_file(source.id, "new.jpg", 99)])
    assert remove(photos, chosen) == 3
    assert source in photos.sources()
    with pytest.raises(SourceError, match="still has images"):
        photos.remove_source(source.id)


@pytest.mark.parametrize(
    ("selection", "error", "said"),
    [
        (Selection(), QueryError, "--all"),
        (Selection(ids=(1, 99)), ImageNotFoundError, "no image 99"),
        (Selection(ids=(1, 2**70)), ImageNotFoundError, "no image 1180591620717411303424"),
        (Selection(source="drve"), SourceError, "there are: pictures, drive"),
        (
            Selection(filter_=parse_filter("tag:old"), statuses=("missing",)),
            QueryError,
            "indexed images only",
        ),
    ],
    ids=str,
)
def test_a_selection_that_cannot_be_is_refused(
    photos: Collection, selection: Selection, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        choose(photos, selection)
