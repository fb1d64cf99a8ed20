"""What an index run does to a real collection, with a real tiny checkpoint."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipRetriever
from blipsearch.blip.pixels import Squares
from blipsearch.collection import Collection
from blipsearch.errors import CollectionCheckpointError, SourceError
from blipsearch.images import open_image
from blipsearch.library import Library
from blipsearch.records import Embeddings, ImageEntry, ImageStates, StatesKind
from blipsearch.testing import sample_image, write_tiny_checkpoint
from indexer.indexing import index_collection
from indexer.records import STAGES, IndexOptions, IndexProgress, IndexSummary
from tests.data.hostile import bilevel_png


class CountingRetriever(BlipRetriever):
    """A real retriever that remembers the size of each batch it embedded."""

    batches: list[int]

    def encode_squares(
        self, squares: Squares, kind: StatesKind
    ) -> tuple[Embeddings, ImageStates | None]:
        self.batches.append(len(squares))
        return super().encode_squares(squares, kind)


class PairedRetriever(BlipRetriever):
    """A real retriever that begins a batch only together with another thread's."""

    pair: threading.Barrier

    def encode_squares(
        self, squares: Squares, kind: StatesKind
    ) -> tuple[Embeddings, ImageStates | None]:
        self.pair.wait(120)
        return super().encode_squares(squares, kind)


@pytest.fixture(scope="module")
def loaded(golden: Path) -> CountingRetriever:
    return CountingRetriever.from_pretrained(str(golden / "itm"))


@pytest.fixture
def retriever(loaded: CountingRetriever) -> CountingRetriever:
    loaded.batches = []
    return loaded


@pytest.fixture
def collection(retriever: CountingRetriever, tmp_path: Path) -> Iterator[Collection]:
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", retriever.identity) as made,
    ):
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of six pictures, two of them one folder down."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for number in range(1, 7):
        name = f"below/{number}.png" if number > 4 else f"{number}.png"
        sample_image(number).save(folder / name)
    return folder


Index = Callable[..., IndexSummary]


@pytest.fixture
def index(collection: Collection, retriever: CountingRetriever, folder: Path) -> Index:
    def run(*sources: Path, **more: object) -> IndexSummary:
        options = IndexOptions(**{"batch_size": 4, "threads": 2, **more})  # type: ignore[arg-type]
        return index_collection(collection, retriever, sources or [folder], options)

    return run


def entries(collection: Collection) -> dict[str, ImageEntry]:
    return {entry.path: entry for entry in collection.entries()}


def counts(summary: IndexSummary) -> tuple[int, int, int, int, int]:
    return (
        summary.added,
        summary.changed,
        summary.unchanged,
        summary.missing,
        len(summary.failed),
    )


def later(path: Path, seconds: int = 10) -> None:
    """Give a file another mtime, as touching it would."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 1_000_000_000))


def test_every_image_is_embedded_as_the_checkpoint_embeds_it(
    index: Index, collection: Collection, retriever: CountingRetriever, folder: Path
) -> None:
    assert counts(index()) == (6, 0, 0, 0, 0)

    rows = entries(collection)
    assert sorted(rows) == ["1.png", "2.png", "3.png", "4.png", "below/5.png", "below/6.png"]
    for path, entry in rows.items():
        picture = open_image(folder / path, max_pixels=100_000).image
        expected = retriever.get_image_features([picture])[0]
        np.testing.assert_allclose(collection.embedding(entry.id), expected, atol=1e-5)
        assert entry.absolute_path == str(folder / path)
        assert (entry.width, entry.height, entry.format) == (96, 64, "PNG")
        assert (entry.size, entry.mtime_ns) == (
            (folder / path).stat().st_size,
            (folder / path).stat().st_mtime_ns,
        )


def test_ids_follow_the_natural_order_and_batches_are_full(
    index: Index, collection: Collection, retriever: CountingRetriever, folder: Path
) -> None:
    for number in (7, 10, 100):
        sample_image(number).save(folder / f"{number}.png")

    index()

    assert [entry.path for entry in collection.entries()] == [
        *("1.png", "2.png", "3.png", "4.png", "7.png", "10.png", "100.png"),
        *("below/5.png", "below/6.png"),
    ]
    assert retriever.batches == [4, 4, 1]


def test_a_second_run_embeds_nothing_and_changes_nothing(
    index: Index, collection: Collection, retriever: CountingRetriever
) -> None:
    index()
    change = collection.info.change
    retriever.batches = []

    assert counts(index()) == (0, 0, 6, 0, 0)
    assert retriever.batches == []
    assert collection.info.change == change


def test_a_new_image_is_added_and_the_others_are_left_alone(
    index: Index, retriever: CountingRetriever, folder: Path
) -> None:
    index()
    retriever.batches = []
    sample_image(50).save(folder / "new.png")

    assert counts(index()) == (1, 0, 6, 0, 0)
    assert retriever.batches == [1]


def test_a_changed_image_is_embedded_again_and_keeps_its_id(
    index: Index, collection: Collection, folder: Path
) -> None:
    index()
    before = entries(collection)["2.png"]
    embedding = collection.embedding(before.id)
    sample_image(77, size=(120, 90)).save(folder / "2.png")
    later(folder / "2.png")

    assert counts(index()) == (0, 1, 5, 0, 0)
    after = entries(collection)["2.png"]
    assert after.id == before.id
    assert after.sha256 != before.sha256
    assert not np.allclose(collection.embedding(after.id), embedding)
    assert collection.search(collection.embedding(after.id)[None], 1).ids.tolist() == [[after.id]]


def test_a_touched_image_is_not_embedded_again_and_is_not_opened_the_next_time(
    index: Index, collection: Collection, retriever: CountingRetriever, folder: Path
) -> None:
    index()
    retriever.batches = []
    later(folder / "3.png")

    assert counts(index()) == (0, 0, 6, 0, 0)
    assert retriever.batches == []
    row = entries(collection)["3.png"]
    assert row.mtime_ns == (folder / "3.png").stat().st_mtime_ns


def test_bad_files_are_recorded_with_their_reason_and_do_not_stop_the_run(
    index: Index, collection: Collection, folder: Path
) -> None:
    (folder / "2.png").write_text("no picture")
    (folder / "empty.jpg").touch()

    summary = index()

    assert counts(summary) == (5, 0, 0, 0, 2)
    reasons = {failed.path: failed.reason for failed in summary.failed}
    assert reasons == {
        str(folder / "2.png"): "not an image (it starts with 'no picture')",
        str(folder / "empty.jpg"): "the file is empty",
    }
    assert {entry.absolute_path: entry.reason for entry in collection.failures()} == reasons


def test_a_failed_file_is_reported_again_but_not_tried_again(
    index: Index, collection: Collection, folder: Path
) -> None:
    (folder / "empty.jpg").touch()
    first = index()
    change = collection.info.change

    second = index()

    assert counts(second) == (0, 0, 6, 0, 1)
    assert second.failed == first.failed
    assert collection.info.change == change


def test_a_failed_file_that_was_repaired_is_embedded(index: Index, folder: Path) -> None:
    (folder / "late.png").touch()
    index()
    sample_image(60).save(folder / "late.png")

    assert counts(index()) == (0, 1, 6, 0, 0)


def test_an_image_that_got_damaged_is_not_found_any_more(
    index: Index, collection: Collection, folder: Path
) -> None:
    index()
    damaged = entries(collection)["4.png"].id
    (folder / "4.png").write_bytes((folder / "4.png").read_bytes()[:100])

    assert counts(index()) == (0, 0, 5, 0, 1)
    anything = collection.embedding(entries(collection)["1.png"].id)[None]
    assert damaged not in collection.search(anything, 10).ids


def test_an_image_over_the_limit_is_let_in_by_a_higher_limit(
    index: Index, collection: Collection, folder: Path
) -> None:
    (folder / "large.png").write_bytes(bilevel_png(2000, 1500))

    assert counts(index(max_pixels=1_000_000)) == (6, 0, 0, 0, 1)
    change = collection.info.change
    assert counts(index(max_pixels=1_000_000)) == (0, 0, 6, 0, 1)
    assert collection.info.change == change
    assert counts(index(max_pixels=4_000_000)) == (0, 1, 6, 0, 0)


def test_a_file_that_is_gone_becomes_missing_and_comes_back_without_embedding(
    index: Index, collection: Collection, retriever: CountingRetriever, folder: Path, tmp_path: Path
) -> None:
    index()
    row = entries(collection)["below/5.png"]
    (folder / "below/5.png").rename(tmp_path / "away.png")

    assert counts(index()) == (0, 0, 5, 1, 0)
    assert entries(collection)["below/5.png"].status == "missing"
    assert row.id not in collection.search(collection.embedding(row.id)[None], 10).ids
    assert counts(index()) == (0, 0, 5, 1, 0)

    (tmp_path / "away.png").rename(folder / "below/5.png")
    retriever.batches = []
    assert counts(index()) == (0, 0, 6, 0, 0)
    assert retriever.batches == []
    assert collection.search(collection.embedding(row.id)[None], 1).ids.tolist() == [[row.id]]


def test_a_failed_file_that_went_and_came_back_is_failed_again(
    index: Index, collection: Collection, folder: Path, tmp_path: Path
) -> None:
    (folder / "bad.png").write_text("no picture")
    index()
    (folder / "bad.png").rename(tmp_path / "away.png")
    assert counts(index()) == (0, 0, 6, 1, 0)
    (tmp_path / "away.png").rename(folder / "bad.png")

    assert counts(index()) == (0, 0, 6, 0, 1)
    assert entries(collection)["bad.png"].reason == "not an image (it starts with 'no picture')"


def test_an_image_that_came_back_as_another_is_embedded_again(
    index: Index, collection: Collection, folder: Path
) -> None:
    index()
    row = entries(collection)["1.png"]
    (folder / "1.png").unlink()
    index()
    sample_image(88, size=(70, 70)).save(folder / "1.png")

    assert counts(index()) == (0, 1, 5, 0, 0)
    assert entries(collection)["1.png"].id == row.id
    assert entries(collection)["1.png"].status == "indexed"


def test_a_root_that_became_empty_loses_nothing_and_says_so(
    index: Index,
    collection: Collection,
    retriever: CountingRetriever,
    folder: Path,
    tmp_path: Path,
) -> None:
    index()
    folder.rename(tmp_path / "unmounted")
    folder.mkdir()

    summary = index()

    assert counts(summary) == (0, 0, 0, 6, 0)
    assert (collection.info.indexed, collection.info.missing) == (0, 6)
    assert all(str(folder) in notice for notice in summary.notices)
    assert "nothing is deleted" in summary.notices[-1]

    folder.rmdir()
    (tmp_path / "unmounted").rename(folder)
    retriever.batches = []
    assert counts(index()) == (0, 0, 6, 0, 0)
    assert retriever.batches == []
    assert collection.info.indexed == 6


def test_a_root_that_does_not_exist_any_more_loses_nothing(
    index: Index, folder: Path, tmp_path: Path
) -> None:
    index()
    folder.rename(tmp_path / "unmounted")

    summary = index()

    assert counts(summary) == (0, 0, 0, 6, 0)
    assert "nothing is deleted" in summary.notices[-1]
    (tmp_path / "unmounted").rename(folder)
    assert counts(index()) == (0, 0, 6, 0, 0)


def test_a_source_that_nobody_knows_and_that_does_not_exist_changes_nothing(
    index: Index, collection: Collection, tmp_path: Path
) -> None:
    index()
    change = collection.info.change

    with pytest.raises(SourceError, match="does not exist"):
        index(tmp_path / "elsewhere")
    assert collection.info.change == change
    assert len(collection.runs()) == 1


def test_a_part_of_a_source_leaves_the_rest_alone(
    index: Index, collection: Collection, folder: Path
) -> None:
    index()
    sample_image(40).save(folder / "below/7.png")
    sample_image(41).save(folder / "8.png")

    assert counts(index(folder / "below")) == (1, 0, 2, 0, 0)
    assert counts(index(folder / "8.png")) == (1, 0, 0, 0, 0)
    assert len(collection.sources()) == 1
    assert counts(index()) == (0, 0, 8, 0, 0)


def test_a_folder_around_a_source_does_not_index_it_twice(
    index: Index, collection: Collection, folder: Path
) -> None:
    index(folder / "below")

    assert counts(index()) == (4, 0, 2, 0, 0)
    assert collection.info.indexed == 6


def test_two_paths_with_the_same_content_both_have_rows(
    index: Index, collection: Collection, folder: Path
) -> None:
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())

    assert index().added == 7
    rows = entries(collection)
    assert rows["copy.png"].sha256 == rows["1.png"].sha256
    assert rows["copy.png"].id != rows["1.png"].id


def test_a_file_named_by_itself_is_tried_whatever_its_name(index: Index, folder: Path) -> None:
    (folder / "1.png").rename(folder / "picture.data")
    (folder / "notes.txt").write_text("no picture")

    summary = index(folder / "picture.data", folder / "notes.txt")

    assert counts(summary) == (1, 0, 0, 0, 1)


def test_a_file_name_that_is_no_utf8_is_indexed(
    index: Index, collection: Collection, folder: Path
) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    sample_image(9).save(folder / "plain.png")
    (folder / "plain.png").rename(folder / name)

    assert index().added == 7
    assert name in entries(collection)
    assert index().unchanged == 7


def test_stop_finishes_the_batches_at_hand_and_the_next_run_goes_on(
    collection: Collection, retriever: CountingRetriever, folder: Path
) -> None:
    for number in range(7, 31):
        sample_image(number).save(folder / f"{number}.png")
    stop = threading.Event()

    def stop_after_the_first_batch(progress: IndexProgress) -> None:
        if progress.done:
            stop.set()

    options = IndexOptions(batch_size=1, threads=1)
    summary = index_collection(
        collection, retriever, [folder], options, stop_after_the_first_batch, stop
    )

    assert summary.interrupted
    assert 1 <= summary.added < 10
    assert len(retriever.batches) == summary.added  # what was embedded was written
    assert collection.info.indexed == summary.added

    finished = index_collection(collection, retriever, [folder], options)
    assert not finished.interrupted
    assert counts(finished) == (30 - summary.added, 0, summary.added, 0, 0)


def test_a_file_that_vanishes_during_the_run_is_neither_indexed_nor_failed(
    collection: Collection, retriever: CountingRetriever, folder: Path
) -> None:
    def remove(progress: IndexProgress) -> None:
        if progress.done == 0:
            (folder / "2.png").unlink()

    summary = index_collection(collection, retriever, [folder], None, remove)

    assert counts(summary) == (5, 0, 0, 0, 0)
    assert summary.notices == ("1 file vanished during the run; the next one will see to it",)
    assert "2.png" not in entries(collection)


def test_a_run_that_an_error_ends_keeps_what_it_wrote(
    collection: Collection, retriever: CountingRetriever, folder: Path
) -> None:
    def fail_in_the_second_batch(progress: IndexProgress) -> None:
        if progress.done == 4:
            raise RuntimeError("the edge broke")

    options = IndexOptions(batch_size=2, threads=2)
    before = set(threading.enumerate())  # other tests' servers may leave some that still end
    with pytest.raises(RuntimeError, match="the edge broke"):
        index_collection(collection, retriever, [folder], options, fail_in_the_second_batch)

    assert collection.info.indexed == 4
    assert set(threading.enumerate()) <= before
    assert counts(index_collection(collection, retriever, [folder], options)) == (2, 0, 4, 0, 0)


def test_progress_counts_files_to_the_end(
    collection: Collection, retriever: CountingRetriever, folder: Path
) -> None:
    (folder / "empty.jpg").touch()
    seen: list[IndexProgress] = []

    index_collection(collection, retriever, [folder], IndexOptions(batch_size=2), seen.append)

    assert (seen[0].done, seen[0].total) == (0, 7)
    assert (seen[-1].done, seen[-1].total) == (7, 7)
    assert (seen[-1].embedded, seen[-1].failed) == (6, 1)
    assert [one.done for one in seen] == sorted(one.done for one in seen)


@pytest.mark.parametrize(
    "more",
    [
        {"batch_size": 1, "threads": 1},
        {"batch_size": 100, "threads": 8},
        {"memory": 1},
        {"isolated": False},
    ],
)
def test_how_a_run_works_does_not_change_what_it_finds(
    index: Index, collection: Collection, more: dict[str, int]
) -> None:
    assert counts(index(**more)) == (6, 0, 0, 0, 0)
    assert [entry.path for entry in collection.entries()][-1] == "below/6.png"


def test_the_run_is_recorded_and_the_index_saved(index: Index, collection: Collection) -> None:
    summary = index()

    (run,) = collection.runs()
    assert run.counts.added == 6
    assert run.finished_at is not None
    assert run.seconds == summary.seconds
    change = collection.info.change
    assert collection.snapshot().name.endswith(".faiss")
    assert collection.info.change == change


def test_another_checkpoints_collection_is_not_touched(
    collection: Collection, folder: Path, tmp_path: Path
) -> None:
    write_tiny_checkpoint(tmp_path / "other", "itm", seed=5)
    other = BlipRetriever.from_pretrained(str(tmp_path / "other"))

    with pytest.raises(CollectionCheckpointError):
        index_collection(collection, other, [folder])
    assert collection.info.change == 0
    assert collection.runs() == []


def test_sources_may_overlap(index: Index, folder: Path) -> None:
    sources: Sequence[Path] = [folder / "below", folder, folder / "*.png", folder / "1.png"]

    assert counts(index(*sources)) == (6, 0, 0, 0, 0)


def test_a_snapshot_that_cannot_be_written_is_said_and_loses_nothing(
    index: Index, collection: Collection
) -> None:
    # What stands where the file is to be written cannot be written over.
    unfinished = collection.directory / f"vectors-1.faiss.{os.getpid()}.tmp"
    unfinished.mkdir(parents=True)

    summary = index()

    assert counts(summary) == (6, 0, 0, 0, 0)
    (notice,) = summary.notices
    assert "cannot write" in notice
    assert collection.info.indexed == 6
    (run,) = collection.runs()
    assert run.finished_at is not None


def test_several_retrievers_share_the_work_and_find_the_same(
    collection: Collection, golden: Path, folder: Path
) -> None:
    two = [BlipRetriever.from_pretrained(str(golden / "itm")) for _ in range(2)]

    summary = index_collection(collection, two, [folder], IndexOptions(batch_size=1))

    assert counts(summary) == (6, 0, 0, 0, 0)
    assert [entry.path for entry in collection.entries()][-1] == "below/6.png"
    for path, entry in entries(collection).items():
        picture = open_image(folder / path, max_pixels=100_000).image
        expected = two[0].get_image_features([picture])[0]
        np.testing.assert_allclose(collection.embedding(entry.id), expected, atol=1e-5)


def test_many_images_are_embedded_side_by_side_and_found_the_same(
    collection: Collection, golden: Path, tmp_path: Path
) -> None:
    retriever = PairedRetriever.from_pretrained(str(golden / "itm"))
    retriever.pair = threading.Barrier(2)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        sample_image(number).save(folder / f"{number}.png")
    threads_before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        summary = index_collection(collection, retriever, [folder], IndexOptions(batch_size=4))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads_before)

    assert counts(summary) == (40, 0, 0, 0, 0)
    assert [entry.path for entry in collection.entries()] == [f"{n}.png" for n in range(40)]
    for path, entry in entries(collection).items():
        picture = open_image(folder / path, max_pixels=100_000).image
        expected = retriever.get_image_features([picture])[0]
        np.testing.assert_allclose(collection.embedding(entry.id), expected, atol=1e-5)


def test_the_summary_says_which_stage_limited(index: Index) -> None:
    assert index().limited_by in STAGES
    assert index().limited_by is None
