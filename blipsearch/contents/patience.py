"""Patience: waiting no longer than so many seconds for what may never answer."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol, TypeVar, runtime_checkable

from blipsearch.contents.pieces import Readable

__all__ = ["Deadline", "within"]

T = TypeVar("T")


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> object: ...


class Deadline:
    """A moment, after which nobody waits any more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moment = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds until then."""
        return self._moment - time.monotonic()

    def too_late(self) -> TimeoutError:
        """What is raised then."""
        return TimeoutError(errno.ETIMEDOUT, f"it did not come within {self._seconds:g} seconds")

    def reading(self, source: Readable) -> Readable:
        """The same source; reading on raises TimeoutError once it is too late."""
        return _Timed(source, self)


class _Timed:
    def __init__(self, source: Readable, deadline: Deadline) -> None:
        self._source = source
        self._deadline = deadline

    def read(self, size: int, /) -> bytes:
        if self._deadline.left() <= 0:
            raise self._deadline.too_late()
        return self._source.read(size)


def within(seconds: float, work: Callable[[Deadline], T]) -> T:
    """Do some work that others' code may hold up. Raises what it raises, and TimeoutError.

    What comes too late is closed where it can be. The thread of such a work ends when it does, and
    does not keep the process from ending.
    """
    deadline = Deadline(seconds)
    done: Future[T] = Future()
    given_up = threading.Event()

    def do() -> None:
        try:
            done.set_result(work(deadline))
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            done.set_exception(error)
        if given_up.is_set():
            _discard(done)

    threading.Thread(target=do, name="elsewhere", daemon=True).start()
    try:
        return done.result(max(deadline.left(), 0))
    except BaseException as error:
        given_up.set()
        if done.done():
            if done.exception() is error:
                raise
            _discard(done)
        if isinstance(error, TimeoutError):
            raise deadline.too_late() from error
        raise


def _discard(done: Future[T]) -> None:
    """Close a result that nobody waits for; twice does no harm."""
    with suppress(BaseException):
        result = done.result()
        if isinstance(result, _Closable):
            result.close()
