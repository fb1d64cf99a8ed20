"""The gate: how many requests may compute, how many may wait, and for how long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from api.batching import Batcher, CancelledError, Ticket, stopping
from blipsearch.errors import OverloadedError
from blipsearch.vectors import search_with_one_core

__all__ = ["Gate", "while_connected"]

T = TypeVar("T")


class Gate:
    """Runs work in threads, first come first served; refuses at once what cannot be soon.

    `concurrency` pieces of work run at a time and `queue` wait. All have `seconds` from the moment
    they came.
    """

    def __init__(self, batcher: Batcher, *, concurrency: int, queue: int, seconds: float) -> None:
        self._batcher = batcher
        self._concurrency = concurrency
        self._most = concurrency + queue
        self._seconds = seconds
        self._inside: set[Ticket] = set()
        self._closing = False
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(
            concurrency, thread_name_prefix="request", initializer=search_with_one_core
        )

    @property
    def working(self) -> int:
        """How many pieces of work run."""
        return min(len(self._inside), self._concurrency)

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a thread."""
        return max(0, len(self._inside) - self._concurrency)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        return len(self._inside) >= self._most

    @staticmethod
    def full() -> OverloadedError:
        """The error for what there is no room for."""
        return OverloadedError(
            "as many requests wait already as may; ask again in a second", reason="queue"
        )

    def close(self) -> None:
        """Cancel what is there and wait until it has noticed: a batch's time at most."""
        with self._lock:
            self._closing = True
            inside = list(self._inside)
        for ticket in inside:
            ticket.cancel()
        self._threads.shutdown(cancel_futures=True)

    def start(self, work: Callable[[Ticket], T]) -> asyncio.Future[T]:
        """Queue work; its result comes with the future, whose cancelling ends the work soon.

        Raises OverloadedError where there is no room.
        """
        ticket = Ticket(self._seconds)
        with self._lock:
            if self._closing:
                raise stopping()
            if self.is_full:
                raise self.full()
            self._inside.add(ticket)
        submitted = self._threads.submit(self._run, work, ticket)
        submitted.add_done_callback(lambda _: self._left(ticket))
        future = asyncio.wrap_future(submitted)
        future.add_done_callback(lambda done: _noticed(done, ticket))
        return future

    def _run(self, work: Callable[[Ticket], T], ticket: Ticket) -> T:
        self._batcher.begin()
        try:
            ticket.check()
            return work(ticket)
        except CancelledError:
            if self._closing:
                raise stopping() from None
            raise
        finally:
            self._batcher.end()

    def _left(self, ticket: Ticket) -> None:
        with self._lock:
            self._inside.discard(ticket)


def _noticed(future: asyncio.Future[T], ticket: Ticket) -> None:
    if future.cancelled():
        ticket.cancel()
    else:
        future.exception()  # looked at: an error that nobody waits for any more is no warning


@asynccontextmanager
async def while_connected(request: Request) -> AsyncIterator[None]:
    """Give the block up when the request's client leaves, with ClientDisconnect."""
    task = asyncio.current_task()
    left = False

    async def watch() -> None:
        nonlocal left
        while (await request.receive())["type"] != "http.disconnect":
            pass
        left = True
        if task is not None:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not left or task is None:
            raise
        task.uncancel()
        raise ClientDisconnect from None
    finally:
        watcher.cancel()
