"""A backup is one consistent state, whole or not there; a restore loses nothing that was there.

Run as a program, this file is a process that writes while the backup is made.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from blipsearch.catalog.revisions import Migrations
from blipsearch.errors import (
    LibraryBusyError,
    LibraryError,
    LibraryNotFoundError,
    LibraryRevisionError,
)
from blipsearch.library import Library, upgrade_library
from blipsearch.upkeep import restoring
from blipsearch.upkeep.backups import back_up
from blipsearch.upkeep.leftovers import bytes_of
from blipsearch.upkeep.restoring import restore
from blipsearch.upkeep.verifying import verify
from tests.unit.collection_makers import indexed_file, unit_row
from tests.unit.upkeep_makers import (
    COUNT,
    execute,
    flip,
    make_library,
    opened_photos,
    picture_file,
    states_file,
)

ROOT = Path(__file__).parents[3]
BATCH = 7


@pytest.fixture
def library(tmp_path: Path) -> Path:
    make_library(tmp_path / "library", tmp_path / "pictures")
    return tmp_path / "library"


def backed_up(library: Path, destination: Path, *, states: bool = False) -> Path:
    with Library.open(library) as opened:
        assert back_up(opened, destination, states=states).path == destination
    return destination


def write_until_killed(directory: str) -> None:
    """Write batches of seven that all have one number, and pictures as uploads are written."""
    library = Path(directory)
    with Library.open(library) as opened, opened.collection("photos") as photos:
        folder = library / "uploads-1"
        source = photos.add_source(str(folder))
        for number in range(1, 10**9):
            files = [picture_file(source.id, folder, f"{number}-{n}", n) for n in range(BATCH)]
            ids = photos.write(files)
            if number % 5 == 0:
                photos.snapshot()
            if number % 3 == 0:
                photos.remove(ids)
                for file in files:
                    (folder / file.file.path).unlink()
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


def test_a_backup_made_while_another_process_writes_is_one_whole_state(
    library: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.unit.upkeep.test_upkeep_backup", str(library)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        try:
            for number in range(3):
                said = [int(writer.stdout.readline()) for _ in range(3)]
                backup = backed_up(library, tmp_path / f"backup-{number}")
                assert verify(backup, contents=True).is_sound
                with opened_photos(backup) as photos:
                    uploads = photos.sources()[1]
                    known = photos.known_files(uploads.id)
                    assert Path(uploads.root) == backup / "uploads-1"
                    batches = {path.split("-")[0] for path in known}
                    assert len(known) == BATCH * len(batches)
                    # What was acknowledged before is there, but for what was removed again.
                    assert {n for n in said if n % 3} <= {int(batch) for batch in batches}
                assert {path.name for path in (backup / "uploads-1").iterdir()} == set(known)
        finally:
            writer.kill()


def test_what_is_removed_at_once_is_left_out_at_once_though_a_part_of_it_was_copied(
    library: Path, tmp_path: Path
) -> None:
    folder = library / "uploads-1"
    with Library.open(library) as opened, opened.collection("photos") as photos:
        source = photos.add_source(str(folder))
        photos.write([picture_file(source.id, folder, "stays", 50)])
        ids: list[int] = []

        def meddle(what: str, _done: int, _total: int) -> None:
            if what == "catalog":
                names = ("first", "second")
                ids.extend(photos.write([picture_file(source.id, folder, n, 51) for n in names]))
            elif ids and what == "uploaded pictures":
                assert (tmp_path / f".backup.{os.getpid()}.unfinished/uploads-1/first").exists()
                photos.remove(ids)
                for name in ("first", "second"):
                    (folder / name).unlink(missing_ok=True)

        back_up(opened, tmp_path / "backup", on_progress=meddle)

    with opened_photos(tmp_path / "backup") as photos:
        assert set(photos.known_files(photos.sources()[1].id)) == {"stays"}
    assert [one.name for one in (tmp_path / "backup" / "uploads-1").iterdir()] == ["stays"]
    assert verify(tmp_path / "backup", contents=True).is_sound


def test_what_is_deleted_while_its_size_is_looked_up_takes_no_room(tmp_path: Path) -> None:
    (tmp_path / "stays").write_bytes(bytes(10))
    assert bytes_of([tmp_path / "gone", tmp_path / "stays"]) == 10


def test_a_backup_is_a_library_with_its_snapshot(
    library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backup = backed_up(library, tmp_path / "away" / "backup")
    with opened_photos(backup) as photos:
        assert photos.search(unit_row(3)[np.newaxis], 1).ids.tolist() == [[4]]
    assert not caplog.records
    assert not (backup / "collections" / "1" / "states").exists()


def test_states_come_along_where_asked_for_without_those_that_are_torn(
    library: Path, tmp_path: Path
) -> None:
    path = states_file(library)
    flip(path, path.stat().st_size - 64 * 128)
    report = verify(backed_up(library, tmp_path / "backup", states=True))
    assert report.is_sound
    assert report.states == COUNT - 1


def test_a_backup_can_be_read_where_nothing_may_be_written(library: Path, tmp_path: Path) -> None:
    backup = backed_up(library, tmp_path / "backup")
    assert not list(backup.glob("catalog.sqlite-*"))
    with closing(
        sqlite3.connect(f"{(backup / 'catalog.sqlite').as_uri()}?mode=ro", uri=True)
    ) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_what_is_there_already_is_left_alone(library: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with Library.open(library) as opened:
        with pytest.raises(LibraryError, match="already something at"):
            back_up(opened, tmp_path / "backup")
        with pytest.raises(LibraryError, match="inside the library"):
            back_up(opened, library / "backup")
        with pytest.raises(LibraryError, match="cannot write to"):
            back_up(opened, tmp_path / "pictures" / "0.jpg" / "backup")
    assert list((tmp_path / "backup").iterdir()) == []


def test_a_destination_is_where_its_path_leads(library: Path, tmp_path: Path) -> None:
    folder = library / "uploads-1"
    with opened_photos(library) as photos:
        source = photos.add_source(str(folder))
        photos.write([picture_file(source.id, folder, "kept.png", 1)])
    (folder / "left.png").write_bytes(b"of no image")
    with Library.open(library) as opened:
        report = back_up(opened, library / ".." / "backup")
    assert report.path == tmp_path / "backup"
    assert [path.name for path in (report.path / "uploads-1").iterdir()] == ["kept.png"]


def test_a_damaged_library_is_not_backed_up_and_leaves_nothing_behind(
    library: Path, tmp_path: Path
) -> None:
    with opened_photos(library) as photos:
        source = photos.sources()[0]
        photos.write([indexed_file(source.id, f"more/{n}.jpg", n) for n in range(500)])
    catalog = library / "catalog.sqlite"
    with Library.open(library) as opened:
        for page in range(30, catalog.stat().st_size // 4096, 5):
            flip(catalog, page * 4096 + 3)
        with pytest.raises(LibraryError, match=r"damaged|malformed"):
            back_up(opened, tmp_path / "backup")
    assert {path.name for path in tmp_path.iterdir()} == {"library", "pictures"}


def test_a_full_disk_leaves_nothing_behind(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = os.statvfs(tmp_path)
    huge = library / "uploads-1" / "huge"
    huge.parent.mkdir()
    with huge.open("wb") as file:
        file.truncate(usage.f_bavail * usage.f_frsize + (1 << 40))
    monkeypatch.chdir(tmp_path)
    with Library.open(library) as opened, pytest.raises(LibraryError, match="MiB are free"):
        back_up(opened, Path("backup"))
    assert {path.name for path in tmp_path.iterdir()} == {"library", "pictures"}


def test_a_restored_library_is_as_it_was(library: Path, tmp_path: Path) -> None:
    with opened_photos(library) as photos:
        photos.set_tags(1, ["beach"])
        folder = library / "uploads-1"
        source = photos.add_source(str(folder))
        photos.write([picture_file(source.id, folder, "mine.jpg", 40)])
        photos.snapshot()
    backup = backed_up(library, tmp_path / "backup", states=True)
    report = restore(backup, tmp_path / "elsewhere" / "again")
    assert (report.aside, report.needs_upgrade) == (None, False)
    again = verify(report.path, contents=True)
    assert again.is_sound
    assert again.states == COUNT
    with opened_photos(report.path) as photos:
        assert photos.image(1).tags == ("beach",)
        (mine,) = (entry for entry in photos.entries() if entry.path == "mine.jpg")
        assert Path(mine.absolute_path) == report.path / "uploads-1" / "mine.jpg"
    assert verify(backup).is_sound


def test_a_library_that_is_there_is_only_replaced_if_asked_and_moved_aside(
    library: Path, tmp_path: Path
) -> None:
    backup = backed_up(library, tmp_path / "backup")
    with opened_photos(library) as photos:
        photos.remove([1, 2, 3])
    with pytest.raises(LibraryError, match="--replace"):
        restore(backup, library)
    with opened_photos(library) as photos:
        assert photos.info.indexed == COUNT - 3
    report = restore(backup, library, replace=True)
    assert report.aside is not None
    assert report.aside.name.startswith("library.before-")
    with opened_photos(report.aside) as photos:
        assert photos.info.indexed == COUNT - 3
    with opened_photos(library) as photos:
        assert photos.info.indexed == COUNT


def test_a_library_is_not_restored_into_its_backup_nor_over_it(
    library: Path, tmp_path: Path
) -> None:
    backup = backed_up(library, tmp_path / "backups" / "monday")
    before = sorted(backup.rglob("*"))
    with pytest.raises(LibraryError, match="lies inside the backup"):
        restore(backup, backup / "inner")
    with pytest.raises(LibraryError, match="the backup lies inside"):
        restore(backup, tmp_path / "backups", replace=True)
    assert sorted(backup.rglob("*")) == before


def test_a_library_in_use_is_not_replaced(library: Path, tmp_path: Path) -> None:
    backup = backed_up(library, tmp_path / "backup")
    with opened_photos(library), pytest.raises(LibraryBusyError, match="stop it"):
        restore(backup, library, replace=True)
    assert verify(library).is_sound
    assert restore(backup, library, replace=True).aside is not None


def test_a_damaged_library_can_be_replaced(library: Path, tmp_path: Path) -> None:
    backup = backed_up(library, tmp_path / "backup")
    (library / "catalog.sqlite").write_bytes(b"x" * 5000)
    assert restore(backup, library, replace=True).aside is not None
    assert verify(library).is_sound


def test_an_empty_directory_is_filled(library: Path, tmp_path: Path) -> None:
    backup = backed_up(library, tmp_path / "backup")
    (tmp_path / "empty").mkdir()
    assert restore(backup, tmp_path / "empty").aside is None
    assert verify(tmp_path / "empty").is_sound


@pytest.mark.parametrize("damage", ["page", "cut", "none"])
def test_a_damaged_backup_is_refused_before_anything_is_changed(
    library: Path, tmp_path: Path, damage: str
) -> None:
    with opened_photos(library) as photos:
        source = photos.sources()[0]
        photos.write([indexed_file(source.id, f"more/{n}.jpg", n) for n in range(500)])
    backup = backed_up(library, tmp_path / "backup")
    catalog = backup / "catalog.sqlite"
    if damage == "page":
        for page in range(20, catalog.stat().st_size // 4096, 7):
            flip(catalog, page * 4096 + 3)
    elif damage == "cut":
        os.truncate(catalog, 3 * 4096)
    else:
        catalog.unlink()
    expected = LibraryNotFoundError if damage == "none" else LibraryError
    with pytest.raises(expected, match="backup"):
        restore(backup, library, replace=True)
    assert {path.name for path in tmp_path.iterdir()} == {"library", "pictures", "backup"}
    with opened_photos(library) as photos:
        assert photos.info.indexed == COUNT + 500


def test_a_backup_of_a_newer_blipsearch_is_refused(library: Path, tmp_path: Path) -> None:
    backup = backed_up(library, tmp_path / "backup")
    execute(backup, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LibraryRevisionError, match="newer blipsearch"):
        restore(backup, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_backup_of_an_older_blipsearch_is_taken_and_to_be_upgraded(tmp_path: Path) -> None:
    old = Path(__file__).parents[2] / "data" / "libraries" / "0004"
    report = restore(old, tmp_path / "again")
    assert report.needs_upgrade
    upgrade_library(tmp_path / "again")
    assert Migrations.shipped().is_current(tmp_path / "again" / "catalog.sqlite")


def test_a_disk_of_its_own_is_filled_in_place(library: Path, tmp_path: Path) -> None:
    """A directory that a disk is mounted at cannot be renamed."""
    copy = backed_up(library, tmp_path / "copy")
    inside = copy.rename(library / ".library.unfinished")
    with opened_photos(library) as photos:
        photos.remove([1])
    aside = restoring._move_in(inside, library, library / "before-now")
    assert aside is not None
    assert verify(library).images == COUNT
    assert verify(aside).images == COUNT - 1


if __name__ == "__main__":
    write_until_killed(sys.argv[1])
