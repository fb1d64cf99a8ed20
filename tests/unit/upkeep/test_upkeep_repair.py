"""`repair` mends all that can be made anew, keeps what people said, and says what remains."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from blipsearch.library import Library
from blipsearch.records import FailedFile, ImageFile
from blipsearch.upkeep.repairing import repair
from blipsearch.upkeep.verifying import verify
from tests.unit.collection_makers import identity, unit_row
from tests.unit.states_makers import STRIDE
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
def library(tmp_path: Path) -> Path:
    make_library(tmp_path / "library", tmp_path / "pictures")
    return tmp_path / "library"


def mended(library: Path) -> list[str]:
    """What is done to it; nothing may remain, and a second repair finds nothing to do."""
    assert not verify(library).is_sound
    report = repair(library)
    assert report.remaining == ()
    assert verify(library, contents=True).is_sound
    assert repair(library).mended == ()
    return [one.what for one in report.mended]


def test_a_sound_library_is_left_as_it_is(library: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in library.rglob("*.faiss")}
    report = repair(library)
    assert not report.mended
    assert not report.remaining
    assert {path: path.stat().st_mtime_ns for path in library.rglob("*.faiss")} == before


def test_a_damaged_snapshot_is_built_again(library: Path) -> None:
    flip(newest_snapshot(library), 700)
    assert mended(library) == ["built the vector snapshot anew"]
    with opened_photos(library) as photos:
        assert photos.search(unit_row(3)[np.newaxis], 1).ids.tolist() == [[4]]


def test_a_snapshot_with_other_vectors_than_the_catalog_is_built_again(library: Path) -> None:
    set_embedding(library, 1, unit_row(50).tobytes())
    assert mended(library) == ["built the vector snapshot anew"]
    with opened_photos(library) as photos:
        assert photos.search(unit_row(50)[np.newaxis], 1).ids.tolist() == [[1]]


def test_an_older_snapshot_that_is_right_is_kept(library: Path) -> None:
    older = newest_snapshot(library)
    with opened_photos(library) as photos:
        photos.mark_missing([1])
        newest = photos.snapshot()
    os.truncate(newest, 100)
    assert mended(library) == ["built the vector snapshot anew"]
    assert older.exists()


def test_a_damaged_embedding_is_made_again_by_the_next_run(library: Path) -> None:
    with opened_photos(library) as photos:
        photos.set_tags(3, ["beach"])
        photos.set_metadata(3, {"by": "Ann"})
        photos.set_captions(3, ["two dogs"])
        photos.mark_missing([4])
        photos.snapshot()
        source = photos.sources()[0]
    set_embedding(library, 3, np.zeros(16, dtype="<f4").tobytes())
    set_embedding(library, 4, b"short")
    done = mended(library)
    assert "threw damaged embeddings away; `blipsearch index` makes them again" in done
    with opened_photos(library) as photos:
        entry = photos.image(3)
        assert (entry.status, photos.image(4).status) == ("failed", "missing")
        assert "blipsearch index" in entry.reason
        assert (entry.tags, entry.metadata) == (("beach",), {"by": "Ann"})
        assert [one.text for one in photos.captions([3])[3]] == ["two dogs"]
        # So the plan of a run takes it for a file to be tried again.
        known = photos.known_file(source.id, "2.jpg")
        assert known is not None
        assert (known.lasting, known.sha256) == (False, "")
        photos.mark_present([4])
        assert photos.image(4).status == "failed"


def test_states_of_no_use_are_dropped_and_the_others_stay(library: Path) -> None:
    path = states_file(library)
    flip(path, path.stat().st_size - 64 * STRIDE + 2 * STRIDE)
    execute(
        library,
        "UPDATE images SET sha256 = printf('%064d', 0) WHERE id = 5",
        "DELETE FROM images WHERE id = 7",
        "DELETE FROM snapshots",
    )
    repair(library)
    report = verify(library)
    assert report.is_sound
    assert report.states == COUNT - 3


def test_files_that_hold_no_states_are_deleted(library: Path) -> None:
    flip(states_file(library), 3)
    (states_file(library).parent / "states-007.bin").write_bytes(b"nonsense")
    assert mended(library) == ["deleted files of image states"]
    assert not states_file(library).exists()


def test_the_full_text_is_built_again(library: Path) -> None:
    with opened_photos(library) as photos:
        photos.add_caption(1, "a dog on a beach", "")
    execute(library, "INSERT INTO captions_fts (captions_fts) VALUES ('delete-all')")
    assert mended(library) == ["built the full-text index of captions anew"]
    with opened_photos(library) as photos:
        assert photos.find_captions("dogs", 5) == [1]


def test_change_numbers_are_put_right_and_followers_notice(library: Path) -> None:
    execute(
        library,
        "UPDATE collections SET change = 5",
        "INSERT INTO deletions VALUES (1, 7, 50, '2026-01-01 00:00:00')",
    )
    with opened_photos(library) as photos:
        assert "put change numbers right" in mended(library)
        assert photos.refresh()
        source = photos.sources()[0]
        photos.write([], [FailedFile(ImageFile(source.id, "new.jpg", 1, 1), "torn")])
        assert photos.info.change > COUNT


def test_an_index_of_the_database_that_lost_a_row_is_built_again(library: Path) -> None:
    execute(
        library,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX ix_images_collection_id_camera ON images "
        "(collection_id, lens)' WHERE name = 'ix_images_collection_id_camera'",
    )
    execute(library, "UPDATE images SET lens = 'long'")
    execute(
        library,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX ix_images_collection_id_camera ON images "
        "(collection_id, camera)' WHERE name = 'ix_images_collection_id_camera'",
    )
    assert mended(library) == ["built the indexes of the database anew"]


def test_what_is_said_of_images_that_are_gone_is_kept_in_a_file(library: Path) -> None:
    execute(library, "INSERT INTO image_tags VALUES (99, 'lost')")
    (done,) = mended(library)
    (kept,) = library.glob("orphans-*.jsonl")
    assert str(kept) in done
    assert json.loads(kept.read_text()) == {"table": "image_tags", "image_id": 99, "tag": "lost"}


def test_images_whose_source_is_gone_get_one(library: Path) -> None:
    execute(library, "DELETE FROM sources")
    report = repair(library)
    assert [one.what for one in report.mended] == ["made sources for images without one"]
    (remaining,) = report.remaining
    assert remaining.kind == "drive"
    assert "blipsearch sources move lost-1" in remaining.remedy
    with opened_photos(library) as photos:
        assert photos.image(1).source.name == "lost-1"


def test_what_cannot_be_mended_remains_and_is_said(library: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "0.jpg").unlink()
    report = repair(library)
    assert report.mended == ()
    (finding,) = report.remaining
    assert finding.kind == "files"
    (library / "catalog.sqlite").write_bytes(b"x" * 10_000)
    (finding,) = repair(library).remaining
    assert finding.kind == "catalog"
    assert "blipsearch restore" in finding.remedy


def test_only_old_unfinished_files_are_deleted_and_no_picture(library: Path) -> None:
    collection = library / "collections" / "1"
    old = [
        collection / "vectors-9.faiss.77.tmp",
        collection / "base-00ff.faiss.77.tmp",
        collection / "states" / "states-009.bin.tmp",
        library / "uploads-1" / "a.jpg.part",
        library / "collections" / "77" / "vectors-1.faiss",
    ]
    kept = [
        collection / "vectors-10.faiss.78.tmp",
        library / "uploads-1" / "nobody-knows.jpg",
        library / "mine.tmp",
    ]
    for path in [*old, *kept]:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"1234")
    for path in [*old, *kept[1:]]:
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    (done,) = repair(library).mended
    assert "deleted abandoned files of" in done.what
    assert [path for path in old if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


def test_only_the_collection_asked_for_is_mended(library: Path) -> None:
    with Library.open(library) as opened:
        opened.create_collection("others", identity()).close()
    os.truncate(newest_snapshot(library), 50)
    assert repair(library, collection="others").mended == ()
    assert len(repair(library, collection="photos").mended) == 1
