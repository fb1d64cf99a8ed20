"""Captions while indexing: each image once, judged, drawn anew where poor, the best one kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipCaptioner, BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import CollectionCheckpointError
from blipsearch.images import open_image
from blipsearch.library import Library
from blipsearch.records import Caption, StateKey, StatesKind
from blipsearch.testing import write_sample_images, write_tiny_checkpoint
from indexer.captions import CaptionOptions, CaptionProgress, caption_collection
from indexer.indexing import index_collection

COUNT = 7
POOR = CaptionOptions(threshold=1.0, batch_size=3)
GOOD = CaptionOptions(threshold=0.0, batch_size=3)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    write_tiny_checkpoint(folder / "itm", "itm", seed=7)
    write_tiny_checkpoint(folder / "features", "features", seed=7)
    write_tiny_checkpoint(folder / "caption", "caption", seed=7)
    return folder


@pytest.fixture(scope="module")
def retriever(checkpoints: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(checkpoints / "itm")


@pytest.fixture(scope="module")
def captioner(checkpoints: Path) -> BlipCaptioner:
    return BlipCaptioner.from_pretrained(checkpoints / "caption")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sample_images(tmp_path / "pictures", COUNT)
    return tmp_path / "pictures"


@pytest.fixture
def photos(tmp_path: Path, folder: Path, retriever: BlipRetriever) -> Iterator[Collection]:
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", retriever.identity) as collection,
    ):
        index_collection(collection, retriever, [folder])
        yield collection


def captions(photos: Collection) -> dict[int, Caption]:
    """The one caption of each image."""
    found = photos.captions(range(1, COUNT + 1))
    assert all(len(some) == 1 for some in found.values())
    return {image_id: some[0] for image_id, some in found.items()}


def test_every_image_gets_one_caption_and_a_second_run_has_nothing_to_do(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever, folder: Path
) -> None:
    summary = caption_collection(photos, captioner, retriever, GOOD)
    assert (summary.captioned, summary.redrawn, summary.failed) == (COUNT, 0, ())
    written = captions(photos)
    pictures = [
        open_image(path, max_pixels=10**6, network_size=captioner.image_size).image
        for path in sorted(folder.iterdir())
    ]
    wanted = [text.removeprefix("a picture of").strip() for text in captioner.caption(pictures)]
    assert [written[number].text for number in range(1, COUNT + 1)] == wanted
    assert {one.checkpoint for one in written.values()} == {captioner.identity.name}
    again = caption_collection(photos, captioner, retriever, GOOD)
    assert (again.captioned, again.match) == (0, None)
    assert captions(photos) == written


def test_the_match_is_what_the_retriever_says_of_caption_and_stored_states(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever
) -> None:
    caption_collection(photos, captioner, retriever, POOR)
    for image_id, caption in captions(photos).items():
        key = StateKey(image_id, photos.image(image_id).sha256)
        _, states = photos.stored_states([key])
        assert states is not None
        logits = retriever.match(caption.text, states)
        wanted = float(retriever.match_probability(logits)[0])
        assert caption.match == pytest.approx(wanted, abs=1e-5)


def test_poor_captions_are_drawn_again_and_never_become_worse(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever
) -> None:
    summary = caption_collection(photos, captioner, retriever, POOR)
    assert summary.redrawn == COUNT
    assert summary.below == COUNT
    assert summary.first_match is not None
    assert summary.match is not None
    assert summary.match > summary.first_match
    matches = [caption.match for caption in captions(photos).values()]
    assert summary.match == pytest.approx(np.mean([match or 0.0 for match in matches]))


def test_more_draws_find_no_worse_captions(
    tmp_path: Path, folder: Path, captioner: BlipCaptioner, retriever: BlipRetriever
) -> None:
    """The first draws are the same however many follow."""
    found = []
    for draws in (0, 1, 3, 6):
        with (
            Library.open(tmp_path / str(draws), create=True) as library,
            library.create_collection("photos", retriever.identity) as collection,
        ):
            index_collection(collection, retriever, [folder])
            options = CaptionOptions(threshold=1.0, draws=draws)
            summary = caption_collection(collection, captioner, retriever, options)
            assert summary.match is not None
            found.append(summary.match)
    assert found == sorted(found)


@pytest.mark.parametrize("kind", ["none", "int8"])
def test_neither_batches_nor_stored_states_change_what_is_written(
    tmp_path: Path,
    folder: Path,
    captioner: BlipCaptioner,
    retriever: BlipRetriever,
    kind: StatesKind,
) -> None:
    texts = []
    for size in (1, 4):
        with (
            Library.open(tmp_path / str(size), create=True) as library,
            library.create_collection("photos", retriever.identity) as collection,
        ):
            if size == 4:
                collection.set_states(kind)
            else:
                collection.set_states(kind, 0)  # no room for them
            index_collection(collection, retriever, [folder])
            options = CaptionOptions(threshold=1.0, batch_size=size)
            caption_collection(collection, captioner, retriever, options)
            texts.append([one.text for one in captions(collection).values()])
    assert texts[0] == texts[1]


def test_the_vision_tower_sees_each_picture_once(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever
) -> None:
    seen: list[int] = []
    # The stages of the tower, whoever calls them: the first one is given the pixels.
    handle = captioner._network.vision_model.embeddings.register_forward_hook(
        lambda _module, given, _output: seen.append(len(given[0]))
    )
    try:
        caption_collection(photos, captioner, retriever, POOR)
    finally:
        handle.remove()
    assert sum(seen) == COUNT


def test_a_run_that_was_stopped_is_continued(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever
) -> None:
    stop = threading.Event()
    reports: list[CaptionProgress] = []

    def stop_now(progress: CaptionProgress) -> None:
        reports.append(progress)
        stop.set()

    first = caption_collection(photos, captioner, retriever, POOR, stop_now, stop)
    assert (first.captioned, first.interrupted) == (3, True)
    assert (reports[0].done, reports[0].total) == (3, COUNT)
    second = caption_collection(photos, captioner, retriever, POOR)
    assert (second.captioned, second.interrupted) == (COUNT - 3, False)
    assert len(captions(photos)) == COUNT


def test_what_was_written_before_a_crash_stays_and_the_rest_follows(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever
) -> None:
    def crash(progress: CaptionProgress) -> None:
        if progress.done > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caption_collection(photos, captioner, retriever, POOR, crash)
    before = captions(photos)
    assert len(before) == 6
    caption_collection(photos, captioner, retriever, POOR)
    after = captions(photos)
    assert len(after) == COUNT
    assert before.items() <= after.items()


def test_a_picture_that_cannot_be_opened_is_named_and_the_others_go_on(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever, folder: Path
) -> None:
    (folder / "001.png").write_bytes(b"no picture any more")
    (folder / "004.png").unlink()
    summary = caption_collection(photos, captioner, retriever, GOOD)
    assert summary.captioned == COUNT - 2
    assert {Path(one.path).name for one in summary.failed} == {"001.png", "004.png"}
    assert not summary.interrupted
    assert "not an image" in summary.failed[0].reason


def test_a_changed_picture_gets_a_new_caption(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever, folder: Path
) -> None:
    caption_collection(photos, captioner, retriever, GOOD)
    before = captions(photos)
    write_sample_images(folder / "other", 1, seed=50)
    (folder / "other" / "000.png").replace(folder / "002.png")
    index_collection(photos, retriever, [folder])
    assert 3 not in captions(photos)
    assert caption_collection(photos, captioner, retriever, GOOD).captioned == 1
    after = captions(photos)
    assert after[3].id != before[3].id
    assert {**after, 3: None} == {**before, 3: None}


def test_without_an_itm_head_captions_are_written_unjudged(
    tmp_path: Path, folder: Path, checkpoints: Path, captioner: BlipCaptioner
) -> None:
    features = BlipRetriever.from_pretrained(checkpoints / "features")
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", features.identity) as collection,
    ):
        index_collection(collection, features, [folder])
        summary = caption_collection(collection, captioner, features, POOR)
        assert (summary.captioned, summary.redrawn, summary.match) == (COUNT, 0, None)
        assert "no ITM head" in summary.notices[0]
        assert {one.match for one in captions(collection).values()} == {None}


def test_another_retriever_is_refused(
    photos: Collection, captioner: BlipCaptioner, tmp_path: Path
) -> None:
    write_tiny_checkpoint(tmp_path / "other", "itm", seed=8)
    other = BlipRetriever.from_pretrained(tmp_path / "other")
    with pytest.raises(CollectionCheckpointError):
        caption_collection(photos, captioner, other)


def test_the_process_chances_play_no_part(
    photos: Collection, captioner: BlipCaptioner, retriever: BlipRetriever
) -> None:
    torch.manual_seed(1)
    caption_collection(photos, captioner, retriever, POOR)
    first = [one.text for one in captions(photos).values()]
    photos.remove(range(1, COUNT + 1))
    index_collection(photos, retriever)
    torch.manual_seed(2)
    caption_collection(photos, captioner, retriever, POOR)
    again = photos.captions(range(COUNT + 1, 2 * COUNT + 1))
    assert [some[0].text for some in again.values()] == first
