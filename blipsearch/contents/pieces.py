"""Pieces: binary files that are a part of another file, or were copied from what cannot seek."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from blipsearch.contents.limits import ContentLimits, check_size

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Readable", "copied", "part_of", "temporary_file"]

IN_MEMORY = 8 << 20
PIECE = 1 << 20


class Readable(Protocol):
    """What can be read from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


def temporary_file() -> BinaryIO:
    """A file for an image's bytes: in memory while it is small, else on disk without a name."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))


def copied(source: Readable, limits: ContentLimits) -> BinaryIO:
    """Copy all that comes, and no more than one image may have, to the beginning of a file.

    Raises ImageTooLargeError where more comes.
    """
    target = temporary_file()
    try:
        size = 0
        while piece := source.read(PIECE):
            size += len(piece)
            check_size(size, limits)
            target.write(piece)
        target.seek(0)
    except BaseException:
        target.close()
        raise
    return target


def part_of(descriptor: int, start: int, size: int) -> BinaryIO:
    """A part of an open file as a file; it takes the descriptor over, and closes it."""
    return cast("BinaryIO", io.BufferedReader(_Part(descriptor, start, size), 1 << 16))


class _Part(io.RawIOBase):
    """Reads at places of its own, so that others may read the same file at the same time."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"there is nothing at {base + offset}")
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(self._size - self._place, 0))
        got = os.preadv(self._descriptor, [view[:wanted]], self._start + self._place)
        self._place += got
        return got

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
