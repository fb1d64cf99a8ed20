"""`verify` finds every kind of damage, says where it is, and finds nothing in a sound library."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blipsearch.errors import CollectionNotFoundError, LibraryNotFoundError
from blipsearch.library import Library
from blipsearch.upkeep.findings import Finding
from blipsearch.upkeep.verifying import verify
from tests.unit.collection_makers import identity, indexed_file
from tests.unit.upkeep_makers import (
    COUNT,
    execute,
    flip,
    make_library,
    newest_snapshot,
    opened_photos,
    set_embedding,
    states_file,
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


@pytest.fixture
def library(tmp_path: Path, pictures: Path) -> Path:
    make_library(tmp_path / "library", pictures)
    return tmp_path / "library"


def only(library: Path, *, contents: bool = False) -> Finding:
    """The one finding that there is."""
    (finding,) = verify(library, contents=contents).findings
    return finding


def test_a_sound_library_has_no_findings(library: Path) -> None:
    report = verify(library, contents=True)
    assert report.is_sound
    assert (report.images, report.files, report.states) == (COUNT, COUNT, COUNT)


def test_an_empty_library_and_an_empty_collection_are_sound(tmp_path: Path) -> None:
    with Library.open(tmp_path, create=True) as library:
        assert verify(tmp_path).is_sound
        library.create_collection("photos", identity()).close()
    assert verify(tmp_path).is_sound


def test_images_that_failed_or_are_missing_are_nothing_to_find(library: Path) -> None:
    with opened_photos(library) as photos:
        photos.mark_missing([3])
        photos.remove([5])
    assert verify(library, contents=True).is_sound


def test_a_directory_without_a_library_is_said(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError):
        verify(tmp_path)


def test_an_unknown_collection_is_said(library: Path) -> None:
    with pytest.raises(CollectionNotFoundError, match="photos"):
        verify(library, collection="phtos")


def test_only_the_collection_asked_for_is_looked_at(library: Path) -> None:
    with Library.open(library) as opened:
        opened.create_collection("others", identity()).close()
    newest_snapshot(library).write_bytes(b"torn")
    assert verify(library, collection="others").is_sound
    assert not verify(library, collection="photos").is_sound


def test_progress_is_told_by_what_is_looked_at(library: Path) -> None:
    told = []
    verify(library, on_progress=lambda what, done, total: told.append((what, done, total)))
    assert {what for what, done, total in told if done == total == COUNT} == {
        "embeddings of photos",
        "snapshot of photos",
        "states of photos",
        "files of photos",
    }


def test_a_flipped_bit_in_the_database_is_found(library: Path) -> None:
    with opened_photos(library) as photos:
        source = photos.sources()[0]
        photos.write([indexed_file(source.id, f"more/{n}.jpg", n) for n in range(500)])
    catalog = library / "catalog.sqlite"
    size = catalog.stat().st_size
    for page in range(20, size // 4096, 7):
        flip(catalog, page * 4096 + 3)  # of the number of cells
    kinds = {finding.kind for finding in verify(library).findings}
    assert "catalog" in kinds


def test_a_database_that_is_none_is_a_finding_and_says_how_to_go_on(library: Path) -> None:
    (library / "catalog.sqlite").write_bytes(b"x" * 10_000)
    finding = only(library)
    assert finding.kind == "catalog"
    assert not finding.is_mendable
    assert "blipsearch restore" in finding.remedy


def test_rows_of_images_that_are_gone_are_found(library: Path) -> None:
    execute(library, "INSERT INTO image_tags VALUES (99, 'lost'), (99, 'found')")
    finding = only(library)
    assert (finding.kind, finding.count) == ("catalog", 2)
    assert finding.examples == ("2 of image_tags to images",)


def test_captions_that_the_full_text_does_not_have_are_found(library: Path) -> None:
    with opened_photos(library) as photos:
        photos.add_caption(1, "a dog on a beach", "")
    assert verify(library).is_sound
    execute(library, "INSERT INTO captions_fts (captions_fts) VALUES ('delete-all')")
    assert only(library).kind == "full_text"
    assert only(library).kind == "full_text"  # looking changed nothing


def test_change_numbers_out_of_step_are_found(library: Path) -> None:
    execute(library, "UPDATE collections SET change = 5")
    kinds = [finding.kind for finding in verify(library).findings]
    assert kinds == ["numbers", "snapshot"]
    execute(library, "UPDATE collections SET change = 12")
    assert verify(library).is_sound
    execute(
        library,
        "INSERT INTO deletions VALUES (1, 7, 50, '2026-01-01 00:00:00')",
    )
    finding = only(library)
    assert (finding.kind, finding.examples) == ("numbers", ("7",))


@pytest.mark.parametrize(
    "packed",
    [
        np.zeros(16, dtype="<f4"),
        np.full(16, np.nan, dtype="<f4"),
        np.full(16, np.inf, dtype="<f4"),
        np.full(16, 1e30, dtype="<f4"),
        np.ones(3, dtype="<f4"),
        np.ones(17, dtype="<f4"),
    ],
    ids=["zero", "nan", "infinite", "huge", "short", "long"],
)
def test_an_embedding_that_cannot_be_right_is_found(
    library: Path, packed: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> None:
    set_embedding(library, 3, packed.tobytes())
    set_embedding(library, 4, packed.tobytes())
    finding = only(library)
    assert (finding.kind, finding.count) == ("embeddings", 2)
    assert finding.examples == ("image 3", "image 4")
    assert "blipsearch index" in finding.remedy


def test_an_indexed_image_without_an_embedding_is_found(library: Path) -> None:
    execute(library, "UPDATE images SET embedding = NULL WHERE id = 3", checked=False)
    kinds = {finding.kind for finding in verify(library).findings}
    assert kinds == {"catalog", "embeddings"}


@pytest.mark.parametrize("offset", [2, 60, 700, -20])
def test_a_flipped_bit_in_the_snapshot_is_found(library: Path, offset: int) -> None:
    snapshot = newest_snapshot(library)
    flip(snapshot, offset % snapshot.stat().st_size)
    finding = only(library)
    assert finding.kind == "snapshot"
    assert str(snapshot) in finding.examples


@pytest.mark.parametrize("size", [0, 10, 100, 500])
def test_a_torn_snapshot_is_found(library: Path, size: int) -> None:
    os.truncate(newest_snapshot(library), size)
    assert only(library).kind == "snapshot"


def test_a_snapshot_of_another_catalog_is_found(library: Path) -> None:
    execute(library, "DELETE FROM snapshots")
    finding = only(library)
    assert finding.kind == "snapshot"
    assert "another catalog" in finding.what


def test_a_snapshot_that_differs_from_the_catalog_is_found(library: Path) -> None:
    execute(library, "UPDATE images SET embedding = (SELECT embedding FROM images WHERE id = 1)")
    finding = only(library)
    assert "differs from the catalog in 11 images" in finding.what


def test_a_snapshot_that_lacks_an_image_is_found(library: Path) -> None:
    execute(library, "UPDATE images SET status = 'missing' WHERE id = 4")
    assert "differs from the catalog in image 4" in only(library).what


def test_a_snapshot_that_is_only_older_is_right(library: Path) -> None:
    with opened_photos(library) as photos:
        source = photos.sources()[0]
        photos.remove([1])
        photos.write([indexed_file(source.id, "9.jpg", 77)])
    assert {finding.kind for finding in verify(library).findings} <= {"files", "states"}


def test_a_library_without_a_snapshot_is_sound(library: Path) -> None:
    newest_snapshot(library).unlink()
    assert verify(library).is_sound


def test_damaged_stale_and_orphaned_states_are_found_apart(library: Path) -> None:
    path = states_file(library)
    flip(path, path.stat().st_size - 64 * 128 + 2 * 128)  # within the third record
    execute(
        library,
        "UPDATE images SET sha256 = printf('%064d', 0) WHERE id = 5",
        "DELETE FROM images WHERE id = 7",
    )
    findings = {
        finding.what.split()[-1]: finding
        for finding in verify(library).findings
        if finding.kind == "states"
    }
    assert [one.examples for one in findings.values()] == [("image 3",), ("image 7",), ("image 5",)]
    assert {one.count for one in findings.values()} == {1}


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 1000])
def test_a_file_that_holds_no_states_is_found(library: Path, damage: bytes) -> None:
    states_file(library).write_bytes(damage)
    finding = only(library)
    assert finding.kind == "states"
    assert finding.examples == (str(states_file(library)),)


def test_pictures_that_are_gone_or_have_another_size_are_found(
    library: Path, pictures: Path
) -> None:
    (pictures / "0.jpg").unlink()
    (pictures / "1.jpg").unlink()
    (pictures / "2.jpg").write_bytes(b"short")
    gone, size = verify(library).findings
    assert (gone.kind, gone.count) == ("files", 2)
    assert str(pictures / "0.jpg") in gone.examples
    assert (size.kind, size.count) == ("files", 1)
    assert "`blipsearch index`" in size.remedy


def test_what_is_removed_while_its_file_is_looked_at_is_no_fault(
    library: Path, pictures: Path
) -> None:
    (pictures / "0.jpg").unlink()
    (pictures / "1.jpg").unlink()

    def remove(what: str, _done: int, _total: int) -> None:
        if what.startswith("files"):
            with opened_photos(library) as photos:
                photos.remove([1])

    (gone,) = verify(library, on_progress=remove).findings
    assert gone.examples == (str(pictures / "1.jpg"),)


def test_a_picture_with_another_content_is_found_by_reading_it(
    library: Path, pictures: Path
) -> None:
    flip(pictures / "4.jpg", 5)
    assert verify(library).is_sound
    finding = only(library, contents=True)
    assert (finding.kind, finding.examples) == ("files", (str(pictures / "4.jpg"),))


def test_members_of_an_archive_are_looked_at_by_reading_them(library: Path, tmp_path: Path) -> None:
    archive = tmp_path / "shard.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("a.jpg", b"picture 1")
        written.writestr("b.jpg", b"picture 2")
    with opened_photos(library) as photos:
        source = photos.add_source(str(archive), kind="archive")
        sound = indexed_file(source.id, "a.jpg", 300)
        sound = replace(sound, sha256=hashlib.sha256(b"picture 1").hexdigest())
        photos.write([sound, *(indexed_file(source.id, name, 301) for name in ("b.jpg", "c.jpg"))])
    assert verify(library).files == COUNT
    content, gone = verify(library, contents=True).findings
    assert content.examples == (str(archive / "b.jpg"),)
    assert gone.examples == (str(archive / "c.jpg"),)
    archive.unlink()
    assert only(library).kind == "drive"


@pytest.mark.parametrize("remains", [True, False], ids=["empty", "gone"])
def test_a_missing_drive_is_said_once_and_is_no_damage(
    library: Path, pictures: Path, remains: bool
) -> None:
    shutil.rmtree(pictures)
    if remains:
        pictures.mkdir()
    finding = only(library, contents=True)
    assert (finding.kind, finding.count) == ("drive", COUNT)
    assert "nothing is lost" in finding.what
    assert "blipsearch sources move pictures" in finding.remedy


def test_what_is_written_meanwhile_is_no_finding(library: Path) -> None:
    stop = threading.Event()

    def write_on() -> None:
        with opened_photos(library) as photos:
            other = photos.add_source("/nowhere")
            number = 0
            while not stop.is_set():
                number += 1
                (image_id,) = photos.write([indexed_file(other.id, f"{number}.jpg", number)])
                photos.remove([image_id - 3] if number % 3 == 0 and image_id > 20 else [])
                if number % 10 == 0:
                    photos.snapshot()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for _ in range(10):
            assert {finding.kind for finding in verify(library).findings} <= {"drive"}
    finally:
        stop.set()
        writer.join()
