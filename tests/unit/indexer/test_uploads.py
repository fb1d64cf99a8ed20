"""Uploads: a picture that comes several times, or at the same time, is kept once."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.testing import sample_image
from indexer.uploads import Upload, Uploads

CALLERS = 4


@pytest.fixture(scope="module")
def retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(golden / "itm")


@pytest.fixture
def collection(tmp_path: Path, retriever: BlipRetriever) -> Iterator[Collection]:
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("default", retriever.identity) as collection,
    ):
        yield collection


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "library", max_pixels=10**7)


def picture(number: int) -> Upload:
    content = io.BytesIO()
    sample_image(number).save(content, "PNG")
    return Upload(content.getvalue(), "picture.png")


def test_the_same_picture_from_several_callers_at_once_is_kept_once(
    uploads: Uploads, collection: Collection, retriever: BlipRetriever
) -> None:
    together = threading.Barrier(CALLERS)

    def add(upload: Upload) -> tuple[int, bool]:
        together.wait()
        return uploads.add(collection, retriever, upload)

    with ThreadPoolExecutor(CALLERS) as threads:
        for number in range(10):
            answers = list(threads.map(add, [picture(number)] * CALLERS))
            assert len({image_id for image_id, _ in answers}) == 1
            assert sum(is_new for _, is_new in answers) == 1
    kept = [Path(entry.absolute_path) for entry in collection.entries(status="indexed")]
    assert len(kept) == 10
    assert all(path.is_file() for path in kept)
    assert sorted(kept[0].parent.iterdir()) == sorted(kept)


def test_what_is_added_and_removed_at_once_is_there_or_not_but_never_half(
    uploads: Uploads, collection: Collection, retriever: BlipRetriever
) -> None:
    upload = picture(1)
    uploads.add(collection, retriever, upload)

    def add() -> None:
        uploads.add(collection, retriever, upload)

    def remove() -> None:
        for entry in collection.entries(status="indexed"):
            uploads.remove(collection, entry)

    with ThreadPoolExecutor(CALLERS) as threads:
        for one in [threads.submit(do) for _ in range(20) for do in (add, remove)]:
            one.result()

    entries = list(collection.entries(status="indexed"))
    assert len(entries) <= 1
    assert all(Path(entry.absolute_path).is_file() for entry in entries)


def test_a_picture_whose_file_was_lost_is_there_again_once_it_is_added_again(
    uploads: Uploads, collection: Collection, retriever: BlipRetriever
) -> None:
    image_id, _ = uploads.add(collection, retriever, picture(1))
    path = Path(collection.image(image_id).absolute_path)
    path.unlink()

    assert uploads.add(collection, retriever, picture(1)) == (image_id, False)
    assert path.is_file()
