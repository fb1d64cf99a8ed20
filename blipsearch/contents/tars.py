"""Tars: looked through once, then read in place; a compressed one is unpacked once, unnamed."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import tarfile
import tempfile
import weakref
import zlib
from typing import BinaryIO, cast

from blipsearch.contents.archives import Member, Members, as_unreadable, member_name
from blipsearch.contents.limits import ContentLimits, check_count, check_size
from blipsearch.contents.pieces import Readable, part_of
from blipsearch.errors import ImageUnreadableError

__all__ = ["TarArchive"]

BLOCK = 512
PIECE = 1 << 16
"""Of a packed tar that is cut off, as much as this before its end is lost besides."""
LARGEST_HEADER = 1 << 20
"""Names and extended headers are longer only in order to fill the memory."""
LARGEST_HEADERS = 4 << 20
"""All headers of one member together, which a sparse file's may go on for as long as they like."""
MOST_GLOBAL = 1000
XZ_MEMORY = 256 << 20


class TarArchive:
    """A tar file, compressed or not. Raises ImageUnreadableError where it is none, and OSError."""

    def __init__(self, path: str, limits: ContentLimits) -> None:
        self._limits = limits
        self._spool: int | None = None
        self._path = path
        with open(path, "rb") as file:  # noqa: PTH123  # a plain str
            unpacked, damage = self._unpacked(file)
            self._identity = _identity(file.fileno())
            with unpacked:
                self.members = _looked_through(unpacked, damage, limits)
                if unpacked is not file:
                    self._spool = os.dup(unpacked.fileno())
                    weakref.finalize(self, os.close, self._spool)

    def open(self, name: str) -> BinaryIO:
        """A member as a part of the tar."""
        member = self.members.files.get(name)
        if member is None:
            raise FileNotFoundError(2, "there is no such file in the archive")
        check_size(member.size, self._limits)
        spool = self._spool
        descriptor = self._opened_again() if spool is None else os.dup(spool)
        return part_of(descriptor, member.offset, member.size)

    def begin_anew(self) -> None:
        """Nothing: threads share no more of it than what never changes."""

    def _opened_again(self) -> int:
        """The tar's file, which is not kept open as its disk may be wanted elsewhere."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        if _identity(descriptor) != self._identity:
            # Where the members were in the one before, anything may be in this one.
            os.close(descriptor)
            raise OSError(errno.ESTALE, "the archive was replaced while it was read")
        return descriptor

    def _unpacked(self, file: BinaryIO) -> tuple[BinaryIO, str]:
        """The tar itself, and what is damaged about it: the file as it is, or what is packed."""
        start = file.read(6)
        file.seek(0)
        if start[:2] == b"\x1f\x8b":
            return self._spooled(cast("Readable", gzip.GzipFile(fileobj=file)))
        if start[:3] == b"BZh":
            return self._spooled(bz2.BZ2File(file))
        if start == b"\xfd7zXZ\0":
            return self._spooled(_Xz(file))
        return file, ""

    def _spooled(self, source: Readable) -> tuple[BinaryIO, str]:
        spool = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # it outlives this
        try:
            damage = self._fill(spool, source)
            spool.seek(0)
        except BaseException:
            spool.close()
            raise
        return spool, damage

    def _fill(self, spool: BinaryIO, source: Readable) -> str:
        """Unpack as much as can be unpacked; say what is damaged about the rest."""
        size = 0
        while True:
            try:
                with as_unreadable("the archive"):
                    piece = source.read(PIECE)
            except ImageUnreadableError as error:
                if not size:
                    raise
                return str(error)
            if not piece:
                return ""
            size += len(piece)
            if size > self._limits.spool_bytes:
                raise ImageUnreadableError(
                    f"it unpacks to more than {self._limits.spool_bytes:,} bytes; unpack it into a "
                    "folder"
                )
            spool.write(piece)


class _Xz:
    """Reads an xz file in bounded memory, which lzma.LZMAFile has no way to say."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = lzma.LZMADecompressor(memlimit=XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        while True:
            if self._stream.eof:
                rest = self._stream.unused_data.lstrip(b"\0") or self._file.read(PIECE)
                if not rest.strip(b"\0"):
                    return b""
                self._stream = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
                piece = self._stream.decompress(rest, size)
            elif self._stream.needs_input:
                packed = self._file.read(PIECE)
                if not packed:
                    raise EOFError("it ends before its end")
                piece = self._stream.decompress(packed, size)
            else:
                piece = self._stream.decompress(b"", size)
            if piece:
                return piece


class _Forward:
    """A tar as tarfile may read it: small steps, and never back, where it would go in circles."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._furthest = 0
        self._left = LARGEST_HEADERS

    def begin_member(self) -> None:
        """Allow as much as all headers of one member may have."""
        self._left = LARGEST_HEADERS

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self._left -= size
        if self._left < 0:
            raise tarfile.ReadError(f"a member with more than {LARGEST_HEADERS:,} bytes of headers")
        piece = self._file.read(size)
        self._furthest = max(self._furthest, self._file.tell())
        return piece

    def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
        if whence != os.SEEK_SET or place + 1 < self._furthest:
            raise tarfile.ReadError("a header that leads back")
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()


def _identity(descriptor: int) -> tuple[int, int, int]:
    """What shows that a file is the one that was looked through."""
    status = os.fstat(descriptor)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _looked_through(file: BinaryIO, damage: str, limits: ContentLimits) -> Members:
    found = _Found(file.seek(0, os.SEEK_END), limits, damage)
    file.seek(0)
    try:
        last = _take_members(file, found)
        found.damage = found.damage or _damage_at_the_end(file, last)
    except ImageUnreadableError:
        raise
    except RecursionError:
        found.damage = found.damage or "headers of headers without end"
    except (tarfile.TarError, ValueError, OverflowError, IndexError, KeyError, zlib.error) as error:
        found.damage = found.damage or str(error) or type(error).__name__
    except OSError as error:
        if error.errno is not None and not found.files:
            raise
        found.damage = found.damage or str(error)
    if found.damage and not found.files:
        raise ImageUnreadableError(f"damaged: it is no whole tar ({found.damage})")
    return Members(found.files, found.passed_over, found.damage)


def _take_members(file: BinaryIO, found: _Found) -> int:
    """Take all members of a tar; returns where the header behind the last one would be."""
    forward = _Forward(file)
    with tarfile.TarFile(fileobj=cast("BinaryIO", forward)) as tar:
        while (info := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
            found.take(info)
            if len(tar.pax_headers) > MOST_GLOBAL:
                raise tarfile.ReadError("headers for all members without end")
            forward.begin_member()
        return tar.offset


def _damage_at_the_end(file: BinaryIO, last: int) -> str:
    """What is wrong with what follows the last member; empty where it is the mark of the end."""
    file.seek(last)
    behind = file.read(BLOCK)
    if behind.strip(b"\0"):
        return f"what is at {last:,} is no header"
    # As where it is still being written, or was cut off between two members.
    return "" if behind else "it lacks the mark of its end"


class _Found:
    """The members met in a tar that ends at `end`, and what is damaged about it."""

    def __init__(self, end: int, limits: ContentLimits, damage: str) -> None:
        self.files: dict[str, Member] = {}
        self.passed_over = 0
        self.damage = damage
        self._count = 0
        self._end = end
        self._limits = limits

    def take(self, info: tarfile.TarInfo) -> None:
        """Take a member in. Raises ImageUnreadableError where there are too many."""
        self._count += 1
        check_count(self._count, self._limits)
        name = member_name(info.name)
        is_plain = info.isreg() and not info.issparse() and 0 <= info.offset_data <= self._end
        if name is not None and is_plain and info.size >= 0:
            size = min(info.size, self._end - info.offset_data)
            self.files[name] = Member(size, info.offset_data)
            if size < info.size:
                self.damage = self.damage or f"it ends within {name!r}"
        elif not info.isdir():
            self.passed_over += 1
