"""What an archive or a store may cost is bounded, whatever it declares or leaves unsaid."""

from __future__ import annotations

import errno
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from blipsearch.contents import ContentLimits, Contents, is_there, open_content
from blipsearch.contents.archives import ZipArchive
from blipsearch.contents.patience import Deadline, within
from blipsearch.contents.tars import TarArchive
from blipsearch.errors import ImageUnreadableError
from blipsearch.places import Place
from tests.unit.indexer.archive_makers import jpeg, write_tar, write_zip


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.USTAR_FORMAT)


def blocks(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 512)


def pax(**said: str) -> bytes:
    content = b""
    for key, value in said.items():
        line = f" {key.replace('_', '.')}={value}\n"
        length = len(line) + 2
        content += f"{length}{line}".encode()
        assert len(f"{length}{line}") == length
    return header("pax", len(content), tarfile.XHDTYPE) + blocks(content)


def test_headers_of_headers_do_not_go_on_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    long_name = header("././@LongLink", 4, tarfile.GNUTYPE_LONGNAME) + blocks(b"abc\0")
    path.write_bytes(long_name * 3000 + header("a.jpg", 0, tarfile.REGTYPE) + b"\0" * 1024)

    with pytest.raises(ImageUnreadableError, match="without end"):
        Contents().members(str(path))


def test_a_sparse_file_cannot_fill_the_memory_with_its_map(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    sparse = pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_name="a.jpg")
    content = b"%d\n" % (1 << 22) + b"0\n" * (1 << 23)
    path.write_bytes(sparse + header("a.jpg", len(content), tarfile.REGTYPE) + blocks(content))

    with pytest.raises(ImageUnreadableError, match="bytes of headers"):
        Contents().members(str(path))


def test_a_name_without_end_is_passed_over(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a" * 5000 + ".jpg": b"", "b.jpg": b""})

    members, _ = Contents().members(str(path))
    assert list(members.files) == ["b.jpg"]
    assert members.passed_over == 1


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_an_archive_of_too_many_members_is_refused(tmp_path: Path, name: str) -> None:
    contents = {f"{number}.jpg": b"" for number in range(11)}
    path = (write_zip if name == "a.zip" else write_tar)(tmp_path / name, contents)

    assert len(Contents(ContentLimits(members=11)).members(str(path))[0].files) == 11
    with pytest.raises(ImageUnreadableError, match="more than 10 members"):
        Contents(ContentLimits(members=10)).members(str(path))


def test_what_cannot_be_unpacked_in_bounded_memory_is_not(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.jpg": jpeg()}, zipfile.ZIP_BZIP2)

    with pytest.raises(ImageUnreadableError, match="unpack it first"):
        open_content(Place("archive", str(path), "a.jpg"))


def test_a_tar_that_was_replaced_is_not_read_at_the_old_places(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a.jpg": b"one", "b.jpg": b"two"})
    archive = TarArchive(str(path), ContentLimits())
    write_tar(path, {"b.jpg": b"two, and more", "a.jpg": b"one"})

    with pytest.raises(OSError, match="replaced") as raised:
        archive.open("a.jpg")
    assert raised.value.errno == errno.ESTALE
    with open_content(Place("archive", str(path), "a.jpg")) as file:
        assert file.read() == b"one"


def test_a_forked_process_does_not_wait_for_threads_it_has_not(tmp_path: Path) -> None:
    archive = ZipArchive(str(write_zip(tmp_path / "a.zip", {"a.jpg": b"one"})), ContentLimits())
    with archive._lock:  # as another thread may hold it while the process is forked
        archive.begin_anew()
        with archive.open("a.jpg") as file:
            assert file.read() == b"one"


@pytest.mark.parametrize("scheme", ["ftp", "webhdfs", "sftp", "file", "local", "smb", "github"])
def test_a_manifest_leads_to_no_host_and_no_file_by_another_scheme(scheme: str) -> None:
    place = Place("manifest", "/nowhere/list.csv", f"{scheme}://127.0.0.1/a.jpg")

    with pytest.raises(ImageUnreadableError, match=f"may not lead to {scheme}://"):
        open_content(place)
    assert not is_there(place)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Something to wait for in vain; it comes when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_store_that_never_answers_is_given_up(never: threading.Event) -> None:
    with pytest.raises(TimeoutError, match=r"within 0\.01 seconds"):
        within(0.01, lambda _: never.wait())


def test_what_comes_too_late_is_closed() -> None:
    go_on, closed = threading.Event(), threading.Event()

    class Late(io.BytesIO):
        def close(self) -> None:
            super().close()
            closed.set()

    def work(_: Deadline) -> Late:
        go_on.wait()
        return Late()

    with pytest.raises(TimeoutError):
        within(0.01, work)
    go_on.set()
    assert closed.wait(60)


def test_what_comes_in_driblets_is_given_up_too() -> None:
    deadline = Deadline(-1)
    with pytest.raises(TimeoutError):
        deadline.reading(io.BytesIO(b"a")).read(1)


def test_work_that_is_done_in_time_gives_what_it_gives() -> None:
    assert within(60, lambda deadline: deadline.reading(io.BytesIO(b"ab")).read(1)) == b"a"
    with pytest.raises(FileNotFoundError):
        within(60, lambda _: (_ for _ in ()).throw(FileNotFoundError(errno.ENOENT, "gone")))
