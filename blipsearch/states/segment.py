"""One segment file: a header, a table of slots and as many records, mapped into memory."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from blipsearch.states.layout import ENTRY, PAGE, Bytes, Layout

__all__ = ["UNFINISHED", "Segment", "read_ids"]

UNFINISHED = ".tmp"
"""The suffix under which a segment is made, before it takes its name."""

_BLOCK = 1 << 20


class Segment:
    """An open segment; made by `create` and `open`, let go of with the last reference to it.

    Reading takes no lock: another process may write meanwhile, so `read` believes a record only
    once the checksum of its own copy holds. Only who holds the store's lock may write, except for
    when a slot was last used.
    """

    def __init__(
        self, path: Path, layout: Layout, slots: int, mapped: mmap.mmap, status: os.stat_result
    ) -> None:
        self.path = path
        self.layout = layout
        self.slots = slots
        self.bytes = len(mapped)
        self.identity = (status.st_dev, status.st_ino)
        self._cuts = layout.cuts()
        # These arrays keep the mapping alive: it is never closed under one of them.
        everything = np.frombuffer(mapped, dtype=np.uint8)
        start = layout.records_start(slots)
        self.table = everything[PAGE : PAGE + slots * ENTRY.itemsize].view(ENTRY)
        self._records: Bytes = everything[start:].reshape(slots, layout.stride)

    @classmethod
    def create(cls, path: Path, layout: Layout, slots: int) -> Segment:
        """Make an empty segment, whole before it has its name. Raises OSError."""
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            with unfinished.open("wb") as file:
                _allocate(file, layout.file_bytes(slots))
                file.write(layout.header(slots))
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        made = cls.open(path)
        if made is None:
            raise OSError(f"{path} changed while it was made")
        return made

    @classmethod
    def open(cls, path: Path) -> Segment | None:
        """Map a segment; None where header and size are not those of one. Raises OSError.

        Where the file may only be read it is mapped for that: see `writable`.
        """
        try:
            return cls._map(path, "r+b", mmap.ACCESS_WRITE)
        except OSError:
            return cls._map(path, "rb", mmap.ACCESS_READ)

    @classmethod
    def _map(cls, path: Path, mode: Literal["rb", "r+b"], access: int) -> Segment | None:
        with path.open(mode) as file:
            about, status = _read_header(file)
            if about is None:
                return None
            try:
                mapped = mmap.mmap(file.fileno(), status.st_size, access=access)
            except ValueError:
                return None  # cut short since its size was looked at
        return cls(path, *about, mapped, status)

    @property
    def writable(self) -> bool:
        """Whether `write` and `touch` may be called."""
        return bool(self.table.flags.writeable)

    def is_in_place(self) -> bool:
        """Whether this very file still has its name and length.

        To be asked first: touching the mapping of a file that was cut short kills the process, and
        a file that was unlinked is nobody else's any more.
        """
        try:
            status = self.path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity and status.st_size == self.bytes

    def read(self, slot: int, image_id: int, content: bytes, parts: Sequence[Bytes]) -> bool:
        """Copy one record into `parts`, each (bytes,) uint8; False where it is not whole.

        It is whole where it was written for this image with this content, and to its end.
        """
        record = self._records[slot]
        for part, cut in zip(parts, self._cuts, strict=True):
            part[:] = record[cut]
        return self.layout.checksum(image_id, content, parts) == int(self.table["checksum"][slot])

    def write(
        self, slot: int, image_id: int, content: bytes, parts: Sequence[Bytes], used: int
    ) -> None:
        """Put one record, of parts as in `read`, into a slot, whatever was there.

        Killed halfway it leaves a checksum that does not hold, whichever half reached the file.
        """
        record = self._records[slot]
        for part, cut in zip(parts, self._cuts, strict=True):
            record[cut] = part
        entry = np.zeros((), dtype=ENTRY)
        entry["id"], entry["used"] = image_id, used
        entry["checksum"] = self.layout.checksum(image_id, content, parts)
        entry["content"] = np.frombuffer(content, dtype=np.uint8)
        self.table[slot] = entry

    def copy(self, slot: int, other: Segment, other_slot: int) -> None:
        """Take over a record, with its entry, from a segment of the same layout."""
        self._records[slot] = other._records[other_slot]
        self.table[slot] = other.table[other_slot]


def read_ids(path: Path) -> tuple[Layout, npt.NDArray[np.int64]] | None:
    """Layout of a segment and the ids of the images in it; None where it is none.

    Reads the file instead of mapping it, so that nothing that happens to it meanwhile can hurt.
    Raises OSError.
    """
    with path.open("rb") as file:
        about, _ = _read_header(file)
        if about is None:
            return None
        layout, slots = about
        file.seek(PAGE)
        table = np.frombuffer(file.read(slots * ENTRY.itemsize), dtype=np.uint8)
    ids = table[: len(table) // ENTRY.itemsize * ENTRY.itemsize].view(ENTRY)["id"]
    return layout, ids[ids > 0].astype(np.int64)


def _read_header(file: BinaryIO) -> tuple[tuple[Layout, int] | None, os.stat_result]:
    """Layout and slots, None where the file is not just as long as they say, and its status."""
    status = os.fstat(file.fileno())
    about = Layout.parse(file.read(PAGE))
    if about is not None and status.st_size != about[0].file_bytes(about[1]):
        about = None
    return about, status


def _allocate(file: BinaryIO, size: int) -> None:
    """Have the disk set all of a file's blocks aside. Raises OSError where it has no room.

    Writing to a mapping of a file with holes would be killed by a full disk instead.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    file.writelines(bytes(min(_BLOCK, size - start)) for start in range(0, size, _BLOCK))
    file.seek(0)
