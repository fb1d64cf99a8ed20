"""Shelf: the archives in use, each looked through once for all threads of the process."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from concurrent.futures import Future

from blipsearch.contents.archives import Archive, ZipArchive
from blipsearch.contents.limits import ContentLimits
from blipsearch.contents.stamps import Stamp
from blipsearch.contents.tars import TarArchive

__all__ = ["Shelf"]

_Key = tuple[str, int, int, int]


class Shelf:
    """Keeps the archives that were used last; one that changed on disk is looked through anew."""

    def __init__(self, limits: ContentLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._archives: OrderedDict[_Key, Future[Archive]] = OrderedDict()
        _SHELVES.add(self)

    def get(self, path: str) -> tuple[Archive, Stamp]:
        """An archive, and the stamp of its file. Raises OSError, ImageUnreadableError."""
        status = os.stat(path)  # noqa: PTH116  # a plain str
        key = path, status.st_size, status.st_mtime_ns, status.st_ino
        with self._lock:
            kept = self._archives.get(key)
            if kept is None:
                opening = self._archives[key] = Future()
            self._archives.move_to_end(key)
            while len(self._archives) > self._limits.archives:
                self._archives.popitem(last=False)
        if kept is None:
            self._open(key, opening)
            kept = opening
        return kept.result(), Stamp(status.st_size, status.st_mtime_ns)

    def _open(self, key: _Key, opening: Future[Archive]) -> None:
        try:
            kind = ZipArchive if key[0].lower().endswith(".zip") else TarArchive
            opening.set_result(kind(key[0], self._limits))
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is taken
            opening.set_exception(error)
            with self._lock:
                self._archives.pop(key, None)

    def begin_anew(self) -> None:
        """Forget, in a forked process, locks and results that other threads were to bring."""
        self._lock = threading.Lock()
        self._archives = OrderedDict(
            (key, opened)
            for key, opened in self._archives.items()
            if opened.done() and opened.exception() is None
        )
        for opened in self._archives.values():
            opened.result().begin_anew()


_SHELVES: weakref.WeakSet[Shelf] = weakref.WeakSet()


def _begin_anew() -> None:
    for shelf in list(_SHELVES):
        shelf.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
