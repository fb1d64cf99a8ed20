"""Events: what the file system says has changed below some folders, and when it is settled."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Self

from watchfiles import watch
from watchfiles.main import FileChange

__all__ = ["FolderEvents", "Settling", "sends_events"]

LOOK_SECONDS = 0.25
"""How long one look for events takes where there are none."""
POLL_SECONDS = 2.0
"""How often folders are compared with what they were, where the file system sends no events."""

_MOUNTS = Path("/proc/self/mounts")
_SILENT = ("nfs", "cifs", "smb", "9p", "fuse.", "vboxsf", "prl_fs", "afs", "ceph", "glusterfs")
"""How the types of file systems begin whose files others change without this system knowing."""

Identity = tuple[int, int]

_Stream = Generator[set[FileChange], None, None]


class FolderEvents:
    """Follows folders, with all that is below them; a context manager.

    A folder that is not there is waited for. Nothing is lost from `start` on, but for what happens
    between a folder's coming or going and `look` saying so in `came_or_went`.
    """

    def __init__(self, folders: Iterable[str], *, polling: bool | None = None) -> None:
        self._folders = sorted(set(folders))
        self._polling = polling
        self._stop = threading.Event()
        self._following: dict[str, Identity | None] = {}
        self._streams: list[_Stream] = []

    def start(self) -> None:
        """Begin to follow the folders that are there."""
        self.close()
        self._stop = threading.Event()
        self._following = {folder: _identity(folder) for folder in self._folders}
        there = [folder for folder, identity in self._following.items() if identity is not None]
        silent = {folder for folder in there if self._is_polled(folder)}
        for polled in (False, True):
            group = [folder for folder in there if (folder in silent) == polled]
            if group:
                self._streams.append(self._started(group, polled=polled))

    def close(self) -> None:
        """Follow nothing any more; a second call does nothing."""
        self._stop.set()
        for stream in self._streams:
            stream.close()
        self._streams = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self) -> set[str]:
        """Wait a moment for events; returns the absolute paths of what came, changed or went."""
        if not self._streams:
            time.sleep(LOOK_SECONDS)
        return {path for stream in self._streams for _, path in next(stream, ())}

    def came_or_went(self) -> list[str]:
        """The folders that are there now and were not, or the other way round, or are others.

        To be followed again by `start`.
        """
        return [
            folder for folder, identity in self._following.items() if _identity(folder) != identity
        ]

    def _is_polled(self, folder: str) -> bool:
        return not sends_events(folder) if self._polling is None else self._polling

    def _started(self, folders: Sequence[str], *, polled: bool) -> _Stream:
        """A stream of events that misses nothing from now on."""
        stream = self._stream(folders, polled=polled)
        try:
            next(stream)
        except OSError:  # the system follows so many folders and no more
            if polled:
                raise
            return self._started(folders, polled=True)
        return stream

    def _stream(self, folders: Sequence[str], *, polled: bool) -> _Stream:
        return watch(
            *folders,
            watch_filter=None,  # what is passed over is for our own rules to say
            debounce=200,
            stop_event=self._stop,
            rust_timeout=int(1000 * LOOK_SECONDS),
            yield_on_timeout=True,
            force_polling=polled,
            poll_delay_ms=int(1000 * POLL_SECONDS),
            ignore_permission_denied=True,
        )


class Settling:
    """Paths that changed, kept until they have been left alone for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def see(self, paths: Iterable[str], now: float) -> None:
        """Note that these changed."""
        self._since.update(dict.fromkeys(paths, now))

    def settled(self, now: float) -> list[str]:
        """Give out the paths that nothing happened to any more, each once, in order."""
        done = sorted(path for path, since in self._since.items() if now - since >= self._seconds)
        for path in done:
            del self._since[path]
        return done

    def clear(self) -> None:
        """Forget all of them."""
        self._since.clear()


def sends_events(folder: str, mounts: Path = _MOUNTS) -> bool:
    """Whether the system tells of all changes in a folder: not where others have it mounted too."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return True  # no Linux; the system's own ways are as good as there are
    best, kind = "", ""
    real = os.path.realpath(folder)
    for line in lines:
        _, point, this_kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        is_above = real == point or real.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best):
            best, kind = point, this_kind
    return not kind.startswith(_SILENT)


def _identity(folder: str) -> Identity | None:
    """Which folder this is: another one may come under its name, as a drive is mounted on it."""
    try:
        status = os.stat(folder)  # noqa: PTH116  # plain strings by contract
    except OSError:
        return None
    return status.st_dev, status.st_ino
