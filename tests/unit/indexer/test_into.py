"""A collection is embedded once more beside itself, from what it knows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import CollectionCheckpointError, SourceError
from blipsearch.library import Library
from blipsearch.testing import sample_image, write_tiny_checkpoint
from indexer.into import index_into
from indexer.records import IndexOptions, IndexProgress, IndexSummary
from tests.unit.indexer.synchronised import CountingRetriever, by_path, synchronise

OPTIONS = IndexOptions(batch_size=2, threads=1, isolated=False)


@pytest.fixture(scope="module")
def loaded(golden: Path) -> CountingRetriever:
    return CountingRetriever.from_pretrained(str(golden / "itm"))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> CountingRetriever:
    directory = tmp_path_factory.mktemp("newer")
    write_tiny_checkpoint(directory, "itm", seed=5)
    return CountingRetriever.from_pretrained(str(directory))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(1, 7):
        sample_image(number).save(folder / f"{number}.png")
    (folder / "bad.png").write_text("no picture")
    return folder


@pytest.fixture
def old(loaded: CountingRetriever, folder: Path, tmp_path: Path) -> Iterator[Collection]:
    loaded.batches = []
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", loaded.identity) as collection,
    ):
        synchronise(collection, loaded, [f"trip={folder}"])
        yield collection


@pytest.fixture
def new(old: Collection, newer: CountingRetriever) -> Iterator[Collection]:
    newer.batches = []
    with (
        Library.open(old.directory.parents[1]) as library,
        library.create_collection("photos-2", newer.identity) as collection,
    ):
        yield collection


def into(old: Collection, new: Collection, retriever: BlipRetriever) -> IndexSummary:
    return index_into(old, new, retriever, OPTIONS)


def test_the_same_files_are_there_with_all_that_was_said_of_them(
    old: Collection, new: Collection, newer: CountingRetriever, folder: Path
) -> None:
    first = by_path(old)[str(folder / "1.png")]
    old.set_tags(first.id, ["mine"])
    old.set_metadata(first.id, {"place": "Bari"})
    old.set_captions(first.id, ["my boat"])
    old.add_caption(first.id, "a boat", "captioner", 0.9)
    sample_image(9).save(folder / "unknown.png")

    summary = into(old, new, newer)

    assert (summary.added, len(summary.failed), summary.notices) == (6, 1, ())
    assert by_path(new).keys() == by_path(old).keys()
    assert [source.name for source in new.sources()] == ["trip"]
    entry = by_path(new)[str(folder / "1.png")]
    assert (entry.tags, entry.metadata) == (("mine",), {"place": "Bari"})
    assert [one.text for one in new.captions([entry.id])[entry.id]] == ["my boat"]
    assert new.embedding(entry.id).shape == (new.checkpoint.dim,)
    assert old.info.indexed == new.info.indexed == 6


def test_a_run_that_was_stopped_is_continued(
    old: Collection, new: Collection, newer: CountingRetriever
) -> None:
    stop = threading.Event()

    def stop_it(progress: IndexProgress) -> None:
        if progress.done:
            stop.set()

    before = old.info.change
    summary = index_into(old, new, newer, OPTIONS, stop_it, stop)
    done = new.info.indexed
    assert summary.added == done

    into(old, new, newer)
    assert newer.embedded() == 6
    assert new.info.indexed == 6
    assert into(old, new, newer).unchanged == 6
    assert newer.embedded() == 0
    assert old.info.change == before


def test_what_is_not_there_now_is_said_and_comes_with_a_later_run(
    old: Collection, new: Collection, newer: CountingRetriever, folder: Path
) -> None:
    (folder / "3.png").rename(folder.parent / "3.png")

    summary = into(old, new, newer)

    assert summary.added == 5
    (notice,) = summary.notices
    assert "1 image of collection 'photos'" in notice
    assert "3.png" in notice
    assert str(folder / "3.png") not in by_path(new)

    (folder.parent / "3.png").rename(folder / "3.png")
    assert into(old, new, newer).added == 1


def test_a_root_that_is_away_is_said(
    old: Collection, new: Collection, newer: CountingRetriever, folder: Path
) -> None:
    folder.rename(folder.parent / "away")
    summary = into(old, new, newer)
    assert summary.added == 0
    assert "7 images of collection 'photos'" in summary.notices[-1]
    assert [source.root for source in new.sources()] == [str(folder)]
    assert old.info.indexed == 6


def test_files_that_were_given_by_name_come_along(
    loaded: CountingRetriever, newer: CountingRetriever, folder: Path, tmp_path: Path
) -> None:
    (folder / "1.png").rename(folder / "picture.data")
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", loaded.identity) as old,
        library.create_collection("photos-2", newer.identity) as new,
    ):
        synchronise(old, loaded, [folder / "picture.data"])
        assert into(old, new, newer).added == 1


def test_what_sidecars_said_is_known_as_such(
    old: Collection,
    new: Collection,
    loaded: CountingRetriever,
    newer: CountingRetriever,
    folder: Path,
) -> None:
    (folder / "1.txt").write_text("a red boat")
    synchronise(old, loaded)
    into(old, new, newer)
    image_id = by_path(new)[str(folder / "1.png")].id
    assert [one.text for one in new.captions([image_id])[image_id]] == ["a red boat"]
    change = new.info.change
    into(old, new, newer)
    synchronise(new, newer)
    assert new.info.change == change
    (folder / "1.txt").unlink()
    synchronise(new, newer)
    assert new.captions([image_id]) == {}


def test_another_checkpoint_than_the_new_collections_is_refused(
    old: Collection, new: Collection, loaded: CountingRetriever
) -> None:
    with pytest.raises(CollectionCheckpointError):
        into(old, new, loaded)
    assert new.info.change == 0


def test_a_source_that_moved_meanwhile_is_said_with_what_to_do(
    old: Collection, new: Collection, newer: CountingRetriever, folder: Path, tmp_path: Path
) -> None:
    into(old, new, newer)
    (source,) = old.sources()
    folder.rename(tmp_path / "elsewhere")
    old.move_source(source.id, str(tmp_path / "elsewhere"))
    newer.embedded()
    with pytest.raises(SourceError, match=f"sources move trip {tmp_path}/elsewhere --collection"):
        into(old, new, newer)
    new.move_source(new.sources()[0].id, str(tmp_path / "elsewhere"))
    assert into(old, new, newer).unchanged == 6
    assert newer.embedded() == 0
