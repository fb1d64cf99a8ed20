"""Archives: the members of zip and tar files, read in place or unpacked where nobody sees it.

Nothing is written under a member's name, so no name can lead anywhere. Only plain files count.
"""

from __future__ import annotations

import lzma
import os
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from blipsearch.contents.limits import ContentLimits, check_count, check_size
from blipsearch.contents.pieces import copied
from blipsearch.errors import ImageUnreadableError

__all__ = ["Archive", "Member", "Members", "ZipArchive", "as_unreadable", "member_name"]

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Those that zipfile unpacks in bounded memory; a kilobyte of bzip2 may hold gigabytes."""
_ENCRYPTED = 0x1
_UNIX = 3
LONGEST_NAME = 4096

DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError, KeyError, IndexError),
    *(MemoryError, AttributeError, TypeError),
)
"""What the standard library raises over hostile archives, besides OSError."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its size, and where its bytes begin in a tar."""

    size: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Members:
    """The files in an archive, by name; of several with one name the last counts.

    `passed_over` are links, devices, and names that lead out of the archive; `damage` says how the
    archive is damaged, in which case files may be lacking. It is empty for a whole one.
    """

    files: Mapping[str, Member]
    passed_over: int = 0
    damage: str = ""


class Archive(Protocol):
    """An archive that was looked through; safe to use from many threads."""

    members: Members

    def open(self, name: str) -> BinaryIO:
        """Open a member. Raises OSError or ImageError, FileNotFoundError where there is none."""
        ...

    def begin_anew(self) -> None:
        """Forget, in a forked process, what threads that are not there were about to do."""
        ...


def member_name(name: str) -> str | None:
    """A member's name as a path within the archive; None where it leads out, or has no end."""
    if name.startswith("/") or "\0" in name or name[1:2] == ":" or len(name) > LONGEST_NAME:
        return None
    if ".." in name.replace("\\", "/").split("/"):
        return None
    return "/".join(part for part in name.split("/") if part not in ("", ".")) or None


@contextmanager
def as_unreadable(what: str) -> Iterator[None]:
    """Say that something in an archive cannot be read, whatever its damage made Python raise."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise ImageUnreadableError(f"damaged: {what} cannot be unpacked ({error})") from error
    except DAMAGE as error:
        why = str(error) or type(error).__name__
        raise ImageUnreadableError(f"damaged: {what} cannot be unpacked ({why})") from error


class ZipArchive:
    """A zip file. Raises ImageUnreadableError where it is none, and OSError."""

    def __init__(self, path: str, limits: ContentLimits) -> None:
        self._path = path
        self._limits = limits
        self._lock = threading.Lock()
        self._zip, self._process = self._opened(), os.getpid()
        self._infos: dict[str, zipfile.ZipInfo] = {}
        self.members = self._looked_through()

    def open(self, name: str) -> BinaryIO:
        """Unpack a member into memory, or a file without a name where it is large."""
        info = self._infos.get(name)
        if info is None:
            raise FileNotFoundError(2, "there is no such file in the archive")
        if info.flag_bits & _ENCRYPTED:
            raise ImageUnreadableError("it is encrypted in the archive; unpack it first")
        if info.compress_type not in _METHODS:
            raise ImageUnreadableError(
                f"it is packed by a method that is not unpacked here ({info.compress_type}); "
                "unpack it first"
            )
        check_size(info.file_size, self._limits)
        with as_unreadable("the member"):
            with self._lock:  # opening and closing count readers without a lock of their own
                member = self._own_zip().open(info)
            try:
                return copied(member, self._limits)
            finally:
                with self._lock:
                    member.close()

    def begin_anew(self) -> None:
        """Another thread may have held the lock when the process was forked."""
        self._lock = threading.Lock()

    def _looked_through(self) -> Members:
        check_count(len(self._zip.infolist()), self._limits)
        files = {}
        passed_over = 0
        for info in self._zip.infolist():
            if info.is_dir():
                continue
            name = member_name(info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
            if name is None or kind not in (0, stat.S_IFREG):
                passed_over += 1
                continue
            self._infos[name] = info
            files[name] = Member(info.file_size)
        return Members(files, passed_over)

    def _own_zip(self) -> zipfile.ZipFile:
        """The open file; another one in a process forked since, which would share its place."""
        if self._process != os.getpid():
            self._zip, self._process = self._opened(), os.getpid()
        return self._zip

    def _opened(self) -> zipfile.ZipFile:
        with as_unreadable("the archive"):
            return zipfile.ZipFile(self._path)
