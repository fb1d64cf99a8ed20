"""A collection keeps rows and index in step, and ids for as long as it lives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from blipsearch.collection import Collection
from blipsearch.errors import (
    CollectionCheckpointError,
    ImageNotFoundError,
    LibraryError,
    ShapeError,
    SourceError,
)
from blipsearch.library import Library
from blipsearch.records import Exif, ImageFile, IndexedFile, KnownFile, RunCounts, Source
from tests.unit.collection_makers import (
    failed_file,
    identity,
    image_file,
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Collection]:
    with new_collection(tmp_path) as collection:
        yield collection


@pytest.fixture
def source(photos: Collection) -> Source:
    return photos.add_source("/pictures/holiday")


def _nearest(photos: Collection, seed: int) -> int:
    return int(photos.search(unit_row(seed)[np.newaxis], 1).ids[0, 0])


def test_what_is_written_comes_back(photos: Collection, source: Source) -> None:
    exif = Exif(datetime(2024, 6, 1, 12, 30), "Canon R5", "RF 50mm", -48.85, 2.35, 6)  # noqa: DTZ001  # a camera knows no zone
    item = indexed_file(source.id, "sea/boat.jpg", 7, exif)
    (image_id,) = photos.write([item])
    entry = photos.image(image_id)
    assert entry.source == source
    assert entry.path == "sea/boat.jpg"
    assert entry.absolute_path == "/pictures/holiday/sea/boat.jpg"
    assert (entry.size, entry.mtime_ns) == (item.file.size, item.file.mtime_ns)
    assert (entry.sha256, entry.perceptual_hash) == (item.sha256, item.perceptual_hash)
    assert (entry.width, entry.height, entry.format) == (640, 480, "JPEG")
    assert entry.exif == exif
    assert (entry.metadata, entry.tags) == ({}, ())
    assert (entry.status, entry.reason) == ("indexed", "")
    np.testing.assert_array_equal(photos.embedding(image_id), item.embedding)


def test_ids_come_back_in_the_order_written(photos: Collection, source: Source) -> None:
    known = photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in (5, 3, 9)])
    again = photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in (9, 1, 5)])
    assert again[0] == known[2]
    assert again[2] == known[0]
    assert again[1] not in known
    assert [entry.path for entry in photos.images(again)] == ["9.jpg", "1.jpg", "5.jpg"]


def test_a_changed_file_keeps_its_id_and_is_found_as_it_looks_now(
    photos: Collection, source: Source
) -> None:
    photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(5)])
    before = photos.image(3)
    photos.write([indexed_file(source.id, "2.jpg", 99)])
    after = photos.image(3)
    assert after.sha256 != before.sha256
    assert after.change > before.change
    assert _nearest(photos, 99) == 3
    assert photos.info.indexed == 5


def test_a_failed_file_keeps_its_id_through_failure_and_repair(
    photos: Collection, source: Source
) -> None:
    (image_id,) = photos.write([indexed_file(source.id, "a.jpg", 1)])
    photos.write([], [failed_file(source.id, "a.jpg", "it ends early")])
    entry = photos.image(image_id)
    assert (entry.status, entry.reason, entry.sha256) == ("failed", "it ends early", "")
    assert (entry.width, entry.perceptual_hash, entry.exif) == (None, None, Exif())
    assert _nearest(photos, 1) == -1
    with pytest.raises(ImageNotFoundError, match="it ends early"):
        photos.embedding(image_id)
    assert photos.write([indexed_file(source.id, "a.jpg", 2)]) == [image_id]
    assert photos.image(image_id).reason == ""
    assert _nearest(photos, 2) == image_id


def test_failures_are_listed_with_their_reason(photos: Collection, source: Source) -> None:
    photos.write([indexed_file(source.id, "good.jpg")], [failed_file(source.id, "bad.jpg", "torn")])
    assert [(entry.path, entry.reason) for entry in photos.failures()] == [("bad.jpg", "torn")]
    info = photos.info
    assert (info.indexed, info.failed, info.missing) == (1, 1, 0)


def test_a_path_written_twice_in_a_batch_ends_as_the_last_one(
    photos: Collection, source: Source
) -> None:
    ids = photos.write([indexed_file(source.id, "a.jpg", 1), indexed_file(source.id, "a.jpg", 2)])
    assert ids[0] == ids[1]
    assert _nearest(photos, 2) == ids[0]
    assert photos.info.indexed == 1


def test_an_empty_batch_changes_nothing(photos: Collection) -> None:
    assert photos.write([]) == []
    photos.touch([])
    photos.mark_missing([])
    assert photos.remove([]) == 0
    assert photos.info.change == 0


def test_missing_images_are_left_out_and_come_back_as_they_were(
    photos: Collection, source: Source
) -> None:
    photos.write(
        [indexed_file(source.id, f"{n}.jpg", n) for n in range(3)], [failed_file(source.id, "bad")]
    )
    (bad,) = (entry.id for entry in photos.failures())
    photos.mark_missing([1, bad])
    assert photos.info.missing == 2
    assert photos.image(bad).reason == ""
    assert 1 not in photos.search(unit_row(0)[np.newaxis], 3).ids
    np.testing.assert_array_equal(photos.embedding(1), unit_row(0))
    photos.mark_present([1, bad])
    assert [photos.image(i).status for i in (1, bad)] == ["indexed", "failed"]
    assert photos.image(bad).reason == "it is truncated"
    assert _nearest(photos, 0) == 1


def test_marking_what_is_so_already_is_no_change(photos: Collection, source: Source) -> None:
    photos.write([indexed_file(source.id, "a.jpg")])
    photos.mark_missing([1])
    change = photos.info.change
    photos.mark_missing([1])
    photos.mark_present([2])
    assert photos.info.change == change


def test_touching_sets_size_and_time_only(photos: Collection, source: Source) -> None:
    photos.write([indexed_file(source.id, "a.jpg", 1)])
    before = photos.image(1)
    photos.touch([ImageFile(source.id, "a.jpg", 5, 6), ImageFile(source.id, "unknown.jpg", 5, 6)])
    known = photos.known_files(source.id)
    assert known == {"a.jpg": KnownFile(1, 5, 6, before.sha256, "indexed")}
    assert photos.image(1).change > before.change
    assert _nearest(photos, 1) == 1


def test_removed_images_are_gone_and_their_ids_are_never_given_again(
    photos: Collection, source: Source
) -> None:
    ids = photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(3)])
    assert photos.remove([ids[2], ids[2], 99]) == 1
    with pytest.raises(ImageNotFoundError, match=f"no image {ids[2]} in collection 'photos'"):
        photos.image(ids[2])
    assert photos.write([indexed_file(source.id, "2.jpg", 2)])[0] > ids[2]


def test_numpy_ids_are_ids(photos: Collection, source: Source) -> None:
    """Search hands out int64 arrays; every method takes their elements."""
    photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(4)])
    ids = photos.search(unit_row(0)[np.newaxis], 4).ids[0]
    assert [entry.id for entry in photos.images(ids)] == ids.tolist()
    assert photos.image(ids[0]).id == 1
    photos.mark_missing(ids[:2])
    photos.mark_present(ids[:2])
    assert photos.remove(ids) == 4


def test_images_come_in_the_order_asked_without_those_removed(
    photos: Collection, source: Source
) -> None:
    photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(4)])
    photos.remove([2])
    assert [entry.id for entry in photos.images([4, 2, 1, 4])] == [4, 1, 4]


def test_entries_are_read_in_pages_and_can_be_narrowed(photos: Collection, source: Source) -> None:
    other = photos.add_source("/pictures/other")
    photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(1500)])
    photos.write([indexed_file(other.id, "a.jpg")], [failed_file(other.id, "b.jpg")])
    assert [entry.id for entry in photos.entries()] == list(range(1, 1503))
    assert [entry.path for entry in photos.entries(source_id=other.id)] == ["a.jpg", "b.jpg"]
    assert [entry.path for entry in photos.entries("failed", other.id)] == ["b.jpg"]


def test_writing_goes_on_while_entries_are_read(photos: Collection, source: Source) -> None:
    photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(1200)])
    for entry in photos.entries():
        if entry.id in {1, 1001}:
            photos.remove([entry.id])
    assert photos.info.indexed == 1198


@pytest.mark.parametrize(
    "embedding", [unit_row(1) * 2, unit_row(1)[:-1], unit_row(1).astype(np.float64), unit_row(1)[0]]
)
def test_an_embedding_out_of_contract_writes_nothing(
    photos: Collection, source: Source, embedding: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> None:
    good = indexed_file(source.id, "good.jpg")
    bad = IndexedFile(image_file(source.id, "bad.jpg"), "0" * 64, 0, 1, 1, "PNG", Exif(), embedding)
    with pytest.raises(ShapeError):
        photos.write([good, bad])
    assert photos.info.change == 0


def test_a_root_is_one_source_however_often_it_is_added(photos: Collection) -> None:
    first = photos.add_source("/pictures/holiday")
    assert photos.add_source("/pictures/./holiday/", name="other") == first
    assert photos.add_source("/backup/holiday").name == "holiday-2"
    assert photos.add_source("/mnt/holiday").name == "holiday-3"
    assert photos.add_source("/elsewhere", name="named").name == "named"
    assert photos.add_source("/").name == "root"
    assert [source.name for source in photos.sources()] == [
        "holiday",
        "holiday-2",
        "holiday-3",
        "named",
        "root",
    ]


def test_a_source_needs_an_absolute_root_and_a_free_name(photos: Collection) -> None:
    photos.add_source("/pictures/holiday")
    with pytest.raises(SourceError, match="absolute"):
        photos.add_source("pictures")
    with pytest.raises(SourceError, match="belongs to the source /pictures/holiday"):
        photos.add_source("/elsewhere", name="holiday")


def test_a_source_of_another_collection_is_refused(tmp_path: Path) -> None:
    with (
        new_collection(tmp_path) as photos,
        Library.open(tmp_path) as library,
        library.create_collection("others", identity()) as others,
    ):
        source = others.add_source("/pictures")
        with pytest.raises(SourceError, match=f"source {source.id} does not belong"):
            photos.write([indexed_file(source.id, "a.jpg")])
        (image_id,) = others.write([indexed_file(source.id, "a.jpg")])
        assert photos.images([image_id]) == []
        assert photos.remove([image_id]) == 0
        assert photos.known_files(source.id) == {}


def test_another_checkpoint_is_refused_with_the_command_that_embeds_again(
    photos: Collection,
) -> None:
    photos.check_checkpoint(identity(name="the same weights elsewhere"))
    with pytest.raises(CollectionCheckpointError) as refused:
        photos.check_checkpoint(identity("b" * 64, name="large"))
    message = str(refused.value)
    assert "tiny (aaaaaaaaaaaa)" in message
    assert "large (bbbbbbbbbbbb)" in message
    assert "`blipsearch index --collection photos --into photos-2 --checkpoint large`" in message


def test_runs_say_what_they_did_and_which_were_killed(photos: Collection) -> None:
    killed = photos.begin_run()
    done = photos.begin_run()
    counts = RunCounts(added=3, changed=1, unchanged=5, moved=2, missing=4, failed=6)
    photos.finish_run(done, counts, seconds=1.5)
    newest, older = photos.runs()
    assert (newest.id, newest.counts, newest.seconds) == (done, counts, 1.5)
    assert (newest.checkpoint, older.checkpoint) == ("tiny", "tiny")
    assert newest.finished_at is not None
    assert newest.started_at <= newest.finished_at <= datetime.now(UTC)
    assert (older.id, older.finished_at, older.seconds) == (killed, None, None)


def test_a_snapshot_is_written_only_where_something_changed(
    photos: Collection, source: Source
) -> None:
    photos.write([indexed_file(source.id, "a.jpg")])
    first = photos.snapshot()
    assert photos.snapshot() == first
    photos.remove([1])
    second = photos.snapshot()
    assert second != first
    assert [path.name for path in sorted(second.parent.iterdir())] == [first.name, second.name]


def test_reopening_uses_the_snapshot_and_writes_no_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(3)])
        written = photos.snapshot()
    with opened_collection(tmp_path) as photos:
        assert photos.snapshot() == written
        assert _nearest(photos, 2) == 3
    assert not caplog.records


def test_a_rebuild_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, "a.jpg")])
    with opened_collection(tmp_path) as photos:
        assert _nearest(photos, 0) == 1
    assert [record.name for record in caplog.records] == ["blipsearch.collection"]
    assert "no usable snapshot; building its index from the catalog" in caplog.text


def test_a_catalog_put_back_from_a_copy_does_not_take_later_snapshots_for_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Written to again, it gives the same ids and change numbers to other images."""
    catalog = tmp_path / "catalog.sqlite"
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
    kept = catalog.read_bytes()
    with opened_collection(tmp_path) as photos:
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(5)])
        snapshot = photos.snapshot()
    catalog.write_bytes(kept)
    with opened_collection(tmp_path) as photos:
        photos.write([indexed_file(source.id, f"{n}.jpg", n + 50) for n in range(5)])
        assert photos.info.change == 5
    with opened_collection(tmp_path) as photos:
        assert _nearest(photos, 52) == 3
        assert photos.snapshot() != snapshot
    assert "was taken of another catalog" in caplog.text


def test_an_open_collection_notices_that_its_catalog_went_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with new_collection(tmp_path) as photos, opened_collection(tmp_path) as reader:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(5)])
        reader.refresh()
        with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as connection:
            connection.execute("DELETE FROM images WHERE id > 2")
            connection.execute("UPDATE collections SET change = 2")
            connection.commit()
        assert reader.refresh()
        assert reader.search(unit_row(4)[np.newaxis], 5).ids[0, 2:].tolist() == [-1, -1, -1]
    assert "went back in time" in caplog.text


def test_only_the_newest_snapshots_are_remembered(photos: Collection, tmp_path: Path) -> None:
    source = photos.add_source("/pictures")
    for n in range(20):
        photos.write([indexed_file(source.id, f"{n}.jpg", n)])
        photos.snapshot()
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as connection:
        changes = connection.execute("SELECT change FROM snapshots ORDER BY change").fetchall()
    assert changes == [(change,) for change in range(5, 21)]


def test_an_image_that_is_not_there_has_no_embedding(photos: Collection) -> None:
    with pytest.raises(ImageNotFoundError, match="no image 7"):
        photos.embedding(7)


def test_threads_share_a_collection(photos: Collection, source: Source) -> None:
    def write_and_read(thread: int) -> list[str]:
        paths = [f"{thread}-{n}.jpg" for n in range(10)]
        ids = [photos.write([indexed_file(source.id, path, thread)])[0] for path in paths]
        photos.search(unit_row(thread)[np.newaxis], 5)
        return [entry.path for entry in photos.images(ids)]

    with ThreadPoolExecutor(max_workers=4) as threads:
        for thread, paths in enumerate(threads.map(write_and_read, range(4))):
            assert paths == [f"{thread}-{n}.jpg" for n in range(10)]
    found = photos.search(unit_row(2)[np.newaxis], 10)
    assert {photos.image(image_id).path.split("-")[0] for image_id in found.ids[0]} == {"2"}
    assert photos.info.indexed == 40


def test_a_closed_collection_says_so(tmp_path: Path) -> None:
    with new_collection(tmp_path) as photos:
        photos.close()
        photos.close()
        with pytest.raises(LibraryError, match="is closed"):
            photos.search(unit_row(1)[np.newaxis], 1)
        with pytest.raises(LibraryError, match="is closed"):
            photos.write([])
