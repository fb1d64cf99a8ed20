"""Folders are followed as they change, come and go, whatever their file system."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.events import FolderEvents, Settling, sends_events

BOTH = pytest.mark.parametrize("polling", [False, True])


def seen(events: FolderEvents, wanted: set[str], act: Callable[[], object]) -> set[str]:
    """Do something, and look until all that was wanted is told; returns all that was told."""
    act()
    told: set[str] = set()
    end = time.monotonic() + 240
    while not wanted <= told and time.monotonic() < end:
        told |= events.look()
    assert wanted <= told
    return told


@BOTH
def test_what_comes_changes_and_goes_is_told_by_its_absolute_path(
    tmp_path: Path, polling: bool
) -> None:
    (tmp_path / "below").mkdir()
    one = tmp_path / "below" / "one.jpg"
    with FolderEvents([str(tmp_path)], polling=polling) as events:
        events.start()
        seen(events, {str(one)}, lambda: one.write_bytes(b"1"))
        seen(events, {str(one)}, lambda: one.write_bytes(b"two"))
        other = one.with_name("other.jpg")
        seen(events, {str(one), str(other)}, lambda: one.rename(other))
        seen(events, {str(other)}, other.unlink)


def test_nothing_is_hidden_before_our_own_rules_have_a_say(tmp_path: Path) -> None:
    names = ["node_modules", ".git", "photo.jpg~", "a.py", ".hidden.jpg"]
    with FolderEvents([str(tmp_path)]) as events:
        events.start()
        seen(
            events,
            {str(tmp_path / name) for name in names},
            lambda: [(tmp_path / name).write_text(name) for name in names],
        )


def test_a_folder_that_goes_and_comes_back_is_told_and_followed_again(tmp_path: Path) -> None:
    drive, other = tmp_path / "drive", tmp_path / "other"
    drive.mkdir()
    other.mkdir()
    with FolderEvents([str(drive), str(other)]) as events:
        events.start()
        assert events.came_or_went() == []
        shutil.rmtree(drive)
        assert events.came_or_went() == [str(drive)]
        events.start()
        assert events.came_or_went() == []
        seen(events, {str(other / "1.jpg")}, (other / "1.jpg").touch)
        drive.mkdir()
        assert events.came_or_went() == [str(drive)]
        events.start()
        seen(events, {str(drive / "2.jpg")}, (drive / "2.jpg").touch)


def test_another_drive_in_the_same_place_is_told(tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    with FolderEvents([str(drive)]) as events:
        events.start()
        drive.rename(tmp_path / "old")
        drive.mkdir()
        assert events.came_or_went() == [str(drive)]


def test_folders_that_are_not_there_are_waited_for(tmp_path: Path) -> None:
    with FolderEvents([str(tmp_path / "absent")]) as events:
        events.start()
        assert events.look() == set()
        (tmp_path / "absent").mkdir()
        assert events.came_or_went() == [str(tmp_path / "absent")]


def test_paths_are_settled_once_they_are_left_alone() -> None:
    settling = Settling(2.0)
    settling.see(["b", "a"], now=10.0)
    settling.see(["a"], now=11.0)

    assert settling.settled(now=11.5) == []
    assert settling.settled(now=12.0) == ["b"]
    assert settling.settled(now=13.0) == ["a"]
    assert settling.settled(now=99.0) == []


def test_a_file_system_that_others_change_too_sends_no_events(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/vda / ext4 rw 0 0\n"
        "nas:/photos /mnt/nas nfs4 rw 0 0\n"
        "/dev/sdb /mnt/nas/local ext4 rw 0 0\n"
        "me@host: /mnt/my\\040photos fuse.sshfs rw 0 0\n"
    )

    assert sends_events("/home/me/photos", mounts)
    assert not sends_events("/mnt/nas/2024", mounts)
    assert sends_events("/mnt/nas/local/2024", mounts)
    assert sends_events("/mnt/nasty", mounts)
    assert not sends_events("/mnt/my photos/2024", mounts)
    assert sends_events("/mnt/nas", tmp_path / "no mounts here")
