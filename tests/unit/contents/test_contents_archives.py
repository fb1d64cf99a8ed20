"""What is in an archive is opened like a file, and a hostile archive only costs itself."""

from __future__ import annotations

import io
import lzma
import os
import random
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blipsearch.contents import (
    ContentLimits,
    Contents,
    is_there,
    members_of,
    open_content,
    open_picture,
    stamp_of,
)
from blipsearch.errors import ImageError, ImageTooLargeError, ImageUnreadableError
from blipsearch.places import Place
from tests.unit.indexer.archive_makers import jpeg, write_tar, write_zip

NAMES = ("a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz")
MODES = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}
MEMBERS = {"a.jpg": jpeg(1), "below/b.jpg": jpeg(2), "note.txt": b"hello"}


def made(path: Path, members: dict[str, bytes] | None = None) -> Path:
    members = MEMBERS if members is None else members
    if path.suffix == ".zip":
        return write_zip(path, members)
    return write_tar(path, members, MODES[path.suffix])


def at(archive: Path, name: str) -> Place:
    return Place("archive", str(archive), name)


def read(contents: Contents, place: Place) -> bytes:
    with contents.open(place) as file:
        return file.read()


@pytest.mark.parametrize("name", NAMES)
def test_a_member_is_read_byte_for_byte_and_seeks_like_a_file(tmp_path: Path, name: str) -> None:
    archive = made(tmp_path / name)

    for member, content in MEMBERS.items():
        with open_content(at(archive, member)) as file:
            assert file.read() == content
            assert file.seek(0, os.SEEK_END) == len(content)
            assert file.seek(1) == 1
            assert file.read(3) == content[1:4]
    assert {path.name for path in tmp_path.iterdir()} == {name}


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_in_an_archive_is_opened_like_one_in_a_folder(tmp_path: Path, name: str) -> None:
    opened = open_picture(at(made(tmp_path / name), "below/b.jpg"), max_pixels=10_000)

    assert (opened.width, opened.height, opened.format) == (40, 40, "JPEG")


@pytest.mark.parametrize("name", NAMES)
def test_a_member_has_its_own_size_and_the_archives_time(tmp_path: Path, name: str) -> None:
    archive = made(tmp_path / name)
    os.utime(archive, ns=(5, 1_234_567_890_123_456_789))

    assert stamp_of(at(archive, "a.jpg")) == (len(MEMBERS["a.jpg"]), 1_234_567_890_123_456_789)
    assert stamp_of(at(archive, "absent.jpg")) is None
    assert is_there(at(archive, "a.jpg"))
    assert not is_there(at(archive, "absent.jpg"))
    assert not is_there(at(tmp_path / "absent.zip", "a.jpg"))
    with pytest.raises(FileNotFoundError):
        open_content(at(archive, "absent.jpg"))
    with pytest.raises(FileNotFoundError):
        open_content(at(tmp_path / "absent.tar", "a.jpg"))


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_that_was_replaced_is_looked_through_anew(tmp_path: Path, name: str) -> None:
    archive = made(tmp_path / name)
    assert read(Contents(), at(archive, "a.jpg")) == MEMBERS["a.jpg"]
    open_content(at(archive, "a.jpg")).close()

    made(tmp_path / f"new-{name}", {"a.jpg": b"another"}).replace(archive)

    with open_content(at(archive, "a.jpg")) as file:
        assert file.read() == b"another"
    assert not is_there(at(archive, "below/b.jpg"))


@pytest.mark.parametrize("name", NAMES)
def test_many_threads_read_many_archives_at_the_same_time(tmp_path: Path, name: str) -> None:
    members = {f"{number}.jpg": os.urandom(20_000) for number in range(20)}
    archives = [made(tmp_path / f"{number}-{name}", members) for number in range(3)]
    contents = Contents(ContentLimits(archives=2))
    start = threading.Barrier(4)

    def read_all(seed: int) -> bool:
        start.wait()
        order = [(archive, member) for archive in archives for member in members]
        random.Random(seed).shuffle(order)
        return all(read(contents, at(one, member)) == members[member] for one, member in order)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read_all, range(4)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_forked_process_reads_on_beside_its_parent(tmp_path: Path, name: str) -> None:
    members = {f"{number}.jpg": os.urandom(50_000) for number in range(20)}
    archive = made(tmp_path / name, members)
    contents = Contents()
    read(contents, at(archive, "0.jpg"))

    def all_good() -> bool:
        return all(read(contents, at(archive, one)) == members[one] for one in members)

    child = os.fork()
    if child == 0:
        os._exit(0 if all_good() else 1)
    assert all_good()
    assert os.waitpid(child, 0)[1] == 0


def test_names_that_lead_out_and_all_but_plain_files_are_passed_over(tmp_path: Path) -> None:
    names = ["../up.jpg", "/etc/abs.jpg", "a/../../b.jpg", "..\\win.jpg", "C:/x.jpg", "./good.jpg"]
    in_zip = write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"x") | {"folder/": b""})
    with zipfile.ZipFile(in_zip, "a") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    in_tar = write_tar(tmp_path / "a.tar", dict.fromkeys(names, b"x"))
    with tarfile.open(in_tar, "a") as archive:
        kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
        for number, kind in enumerate((*kinds, tarfile.DIRTYPE)):
            info = tarfile.TarInfo(f"{number}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)

    for path, passed_over in ((in_zip, 6), (in_tar, 9)):
        members, _ = members_of(str(path))
        assert list(members.files) == ["good.jpg"]
        assert members.passed_over == passed_over
        for name in (*names[:-1], "link.jpg", "0.jpg"):
            assert not is_there(at(path, name))
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "a.tar"}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_of_several_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    for path, add in ((tmp_path / "a.zip", write_zip), (tmp_path / "a.tar", write_tar)):
        add(path, {"a.jpg": b"first"})
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("a.jpg", b"last")
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        info = tarfile.TarInfo("a.jpg")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"last"))

    for name in ("a.zip", "a.tar"):
        assert read(Contents(), at(tmp_path / name, "a.jpg")) == b"last"
        assert len(members_of(str(tmp_path / name))[0].files) == 1


def test_a_zip_bomb_is_given_up_at_the_limit_whatever_it_says(tmp_path: Path) -> None:
    bomb = write_zip(tmp_path / "bomb.zip", {"a.jpg": b"\0" * 3_000_000})
    contents = Contents(ContentLimits(member_bytes=1_000_000))
    with pytest.raises(ImageTooLargeError, match="3,000,000"):
        contents.open(at(bomb, "a.jpg"))

    packed = bomb.read_bytes()
    lying = tmp_path / "lying.zip"  # it says to unpack to ten bytes
    lying.write_bytes(packed.replace(struct.pack("<I", 3_000_000), struct.pack("<I", 10)))
    with pytest.raises(ImageError):
        read(contents, at(lying, "a.jpg"))


def test_a_tar_that_unpacks_to_too_much_is_given_up(tmp_path: Path) -> None:
    bomb = write_tar(tmp_path / "a.tar.gz", {"a.jpg": b"\0" * 3_000_000}, "w:gz")
    with pytest.raises(ImageUnreadableError, match="unpacks to more than 1,000,000 bytes"):
        Contents(ContentLimits(spool_bytes=1_000_000)).members(str(bomb))
    with pytest.raises(ImageTooLargeError):
        Contents(ContentLimits(member_bytes=1_000_000)).open(at(bomb, "a.jpg"))


def test_a_huge_declared_size_takes_no_more_than_is_there(tmp_path: Path) -> None:
    header = tarfile.TarInfo("a.jpg")
    header.size = 2**62
    path = tmp_path / "a.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + b"x" * 700)

    members, _ = members_of(str(path))
    assert members.files["a.jpg"].size == 700
    assert "ends within 'a.jpg'" in members.damage
    assert read(Contents(), at(path, "a.jpg")) == b"x" * 700


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
@pytest.mark.parametrize("size", [-1, -(2**40), 2**40, 5_000_000])
def test_headers_that_lead_back_or_fill_the_memory_end_the_search(
    tmp_path: Path, kind: bytes, size: int
) -> None:
    good = tarfile.TarInfo("good.jpg")
    good.size = 512
    bad = tarfile.TarInfo("bad")
    bad.type, bad.size = kind, size
    path = tmp_path / "a.tar"
    path.write_bytes(good.tobuf() + b"g" * 512 + bad.tobuf(tarfile.GNU_FORMAT) + b"x" * 6_000_000)

    members, _ = members_of(str(path))
    assert "good.jpg" in members.files
    assert members.damage


def test_encrypted_members_and_strange_methods_are_said(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.jpg": b"secret"}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ImageUnreadableError, match="encrypted"):
        open_content(at(path, "a.jpg"))

    odd = write_zip(tmp_path / "odd.zip", {"a.jpg": b"x" * 100}, zipfile.ZIP_LZMA)
    with pytest.raises(ImageUnreadableError, match="not unpacked here"):
        open_content(at(odd, "a.jpg"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_archive_is_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for content in (b"", b"hello, I am no archive\n" * 50, b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"):
        path.write_bytes(content)
        with pytest.raises(ImageUnreadableError, match="damaged"):
            members_of(str(path))
        with pytest.raises(ImageUnreadableError):
            open_content(at(path, "a.jpg"))


@pytest.mark.parametrize("name", NAMES[1:])
def test_what_is_whole_in_a_truncated_tar_can_be_read(tmp_path: Path, name: str) -> None:
    members = {f"{number}.jpg": os.urandom(100_000) for number in range(20)}
    path = made(tmp_path / name, members)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 77])

    found, _ = members_of(str(path))
    assert found.damage
    assert "0.jpg" in found.files
    assert len(found.files) < len(members)
    for one in list(found.files)[:-1]:
        assert read(Contents(), at(path, one)) == members[one]


@pytest.mark.parametrize("name", NAMES)
def test_damage_anywhere_raises_nothing_else(tmp_path: Path, name: str) -> None:
    members = {f"{number}.jpg": jpeg(number) for number in range(4)}
    whole = made(tmp_path / name, members).read_bytes()
    chance = random.Random(name)
    path = tmp_path / f"damaged-{name}"
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice([len(content), chance.randrange(len(content))])])
        contents = Contents(ContentLimits(member_bytes=10**6, spool_bytes=10**7))
        try:
            found, _ = contents.members(str(path))
        except (OSError, ImageError):
            continue
        for one in found.files:
            try:
                read(contents, at(path, one))
            except (OSError, ImageError):
                continue


def test_an_xz_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.xz"
    packed = bytearray(lzma.compress(b"x" * 10_000))
    # The byte of the block header that says how large the dictionary is, and the header's check.
    header = packed[12 : 12 + (packed[12] + 1) * 4]
    place = header.index(b"\x21\x01") + 2
    header[place] = 36  # 1 GiB
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    packed[12 : 12 + len(header)] = header
    path.write_bytes(packed)

    with pytest.raises(ImageUnreadableError, match=r"[Mm]emory"):
        members_of(str(path))
