"""A place is opened wherever it is: a file, what a manifest names, or what fsspec knows."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from blipsearch.contents import (
    ContentLimits,
    Contents,
    is_there,
    list_remote,
    open_content,
    open_picture,
    remote_stamp,
    stamp_of,
)
from blipsearch.errors import ImageTooLargeError, ImageUnreadableError
from blipsearch.places import Place, SourceKind
from tests.unit.indexer.archive_makers import jpeg


@pytest.fixture
def memory() -> Iterator[str]:
    """A place of its own in fsspec's memory."""
    files = fsspec.filesystem("memory")
    files.pipe({"/bucket/a.jpg": jpeg(1), "/bucket/below/b.jpg": jpeg(2)})
    yield "memory://bucket"
    files.rm("/bucket", recursive=True)


def content(kind: SourceKind, root: str | Path, path: str) -> bytes:
    with open_content(Place(kind, str(root), path)) as file:
        return file.read()


def test_files_of_folders_and_manifests_are_opened_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "below/a.jpg").write_bytes(b"content")
    manifest = tmp_path / "list.csv"

    assert content("folder", tmp_path, "below/a.jpg") == b"content"
    assert content("manifest", manifest, "below/a.jpg") == b"content"
    assert content("manifest", manifest, str(tmp_path / "below/a.jpg")) == b"content"
    assert content("manifest", tmp_path / "lists/list.csv", "../below/a.jpg") == b"content"
    status = (tmp_path / "below/a.jpg").stat()
    place = Place("folder", str(tmp_path), "below/a.jpg")
    assert stamp_of(place) == (status.st_size, status.st_mtime_ns)


@pytest.mark.parametrize("path", ["absent.jpg", "absent/a.jpg", "file/a.jpg", "nul\0.jpg"])
def test_what_is_not_there_is_a_missing_file(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    place = Place("folder", str(tmp_path), path)
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        open_content(place)
    assert not is_there(place)
    with pytest.raises(ImageUnreadableError, match="cannot be read"):
        open_picture(place, max_pixels=100)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    place = Place("folder", str(tmp_path), "a.jpg")
    with pytest.raises(ImageUnreadableError, match="no file"):
        open_content(place)
    assert not is_there(place)
    with pytest.raises(ImageUnreadableError, match="no file"):
        open_content(Place("folder", "/dev", "zero"))


def test_what_fsspec_opens_is_opened(memory: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")

    assert content("remote", memory, "below/b.jpg") == jpeg(2)
    assert content("manifest", tmp_path / "list.csv", f"{memory}/a.jpg") == jpeg(1)
    assert content("remote", f"file://{tmp_path}", "a.jpg") == b"content"
    assert open_picture(Place("remote", memory, "a.jpg"), max_pixels=10_000).format == "JPEG"
    assert is_there(Place("remote", memory, "a.jpg"))
    assert not is_there(Place("remote", memory, "below"))
    assert not is_there(Place("remote", memory, "absent.jpg"))
    with pytest.raises(FileNotFoundError):
        open_content(Place("remote", memory, "absent.jpg"))


def test_what_is_elsewhere_is_bounded_too(memory: str) -> None:
    with pytest.raises(ImageTooLargeError):
        Contents(ContentLimits(member_bytes=100)).open(Place("remote", memory, "a.jpg"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nowhere://a/b.jpg", "'nowhere' is not known"),
        ("simplecache://bucket/a.jpg", "no plain URL"),
        ("zip://a.jpg::memory://bucket/a.zip", "no plain URL"),
        ("dir://tmp/a.jpg", "no plain URL"),
        ("reference://a.jpg", "no plain URL"),
        ("data://image/png;base64,AAAA", "no plain URL"),
    ],
)
def test_urls_that_lead_through_something_else_are_not_opened(url: str, said: str) -> None:
    place = Place("remote", url, "")
    with pytest.raises(ImageUnreadableError, match=said):
        open_content(place)
    assert not is_there(place)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs")])
def test_a_missing_library_is_named(scheme: str, extra: str) -> None:
    if importlib.util.find_spec({"s3": "s3fs", "gcs": "gcsfs"}[extra]) is not None:
        pytest.skip("it is installed")
    with pytest.raises(ImageUnreadableError, match=rf"pip install 'blipsearch\[{extra}\]'$"):
        open_content(Place("remote", f"{scheme}://bucket", "a.jpg"))


def test_a_remote_root_is_listed_with_stamps(memory: str) -> None:
    listed = {file.path: file.stamp for file in list_remote(memory)}

    assert set(listed) == {"a.jpg", "below/b.jpg"}
    assert listed["a.jpg"] == stamp_of(Place("remote", memory, "a.jpg"))
    assert listed["a.jpg"].size == len(jpeg(1))
    assert listed["a.jpg"].mtime_ns > 0
    with pytest.raises(FileNotFoundError):
        list_remote("memory://no-such-bucket")


def test_a_stamp_is_made_of_what_a_store_says() -> None:
    assert remote_stamp({"size": 7, "mtime": 1.5}) == (7, 1_500_000_000)
    assert remote_stamp({"size": 7, "updated": "2024-01-01T00:00:00+00:00"}).mtime_ns > 10**18
    by_tag = [remote_stamp({"size": 7, "ETag": f'"{tag}"'}) for tag in "aab"]
    assert by_tag[0] == by_tag[1] != by_tag[2]
    assert all(0 < stamp.mtime_ns < 2**63 for stamp in by_tag)
    assert remote_stamp({"size": None, "mtime": "soon"}) == (0, 0)
    assert remote_stamp({"size": -3, "mtime": float("nan")}) == (0, 0)
