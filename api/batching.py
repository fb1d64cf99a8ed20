"""Micro-batches: calls from many threads are gathered, and computed together by a few.

No kept library has a bounded wait, deadlines and fair order in one; the queue's length is bounded
by whoever lets requests in.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from blipsearch.errors import OverloadedError
from blipsearch.resource import Resource

__all__ = ["Batcher", "CancelledError", "Lane", "Ticket", "stopping"]


class CancelledError(Exception):
    """Nobody waits for the answer any more. It never leaves the service."""


def stopping() -> OverloadedError:
    """The error for what comes, or still waits, while the service stops."""
    return OverloadedError("the service is stopping; ask again when it is back", reason="stopping")


class Ticket:
    """One request's right to be computed: until its deadline, unless its client leaves."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Nobody waits for it any more: what is queued is dropped, what runs ends at its batch."""
        self._cancelled.set()

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; not below 0."""
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raise CancelledError once cancelled, OverloadedError once the time is up."""
        if self._cancelled.is_set():
            raise CancelledError
        if self.seconds_left == 0:
            raise self.too_late()

    def too_late(self) -> OverloadedError:
        """The error for a request that was not answered in time."""
        return OverloadedError(
            f"not answered within {self._seconds:g} seconds: the service has too much to do, or "
            "this is too much to ask; ask again, or for fewer candidates",
            reason="time",
        )


class BatchWatch(Protocol):
    """Told of each batch: what of, how many calls are in it, how many seconds the first waited."""

    def __call__(self, kind: str, size: int, waited: float) -> None: ...


@dataclass(frozen=True, eq=False)
class Lane:
    """Calls that can be computed together.

    `run` gives one result for each payload, in their order. A batch holds payloads of at most
    `most` in size together, or a single larger one.
    """

    kind: str
    run: Callable[[Sequence[Any]], Sequence[Any]]
    most: int


@dataclass(eq=False, slots=True)
class _Call:
    lane: Lane
    payload: Any
    size: int
    ticket: Ticket
    future: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Batcher(Resource):
    """Threads that compute what others ask for, in batches, first come first served.

    A request asks for one piece after the other, each at the end of the queue: so a large one
    cannot keep small ones waiting for long. A free thread waits `wait` seconds at most for a batch
    to fill, and only while requests are on their way that have not asked yet. With `gathering` off
    each call is a batch of its own.
    """

    def __init__(
        self,
        threads: int,
        *,
        wait: float = 0.002,
        gathering: bool = True,
        watch: BatchWatch | None = None,
    ) -> None:
        self._wait = wait
        self._gathering = gathering
        self._watch = watch
        self._waiting: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._requests = 0
        self._running = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"network-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()
        self._closed = False

    def __str__(self) -> str:
        return "the batches of the service"

    @property
    def threads(self) -> int:
        """How many batches are computed at a time."""
        return len(self._threads)

    @property
    def depth(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Finish the batches at hand, refuse what waits; may be called again."""
        with self._changed:
            self._closed = self._stopping = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for call in left:
            call.future.set_exception(stopping())
        for thread in self._threads:
            thread.join()

    def begin(self) -> None:
        """Note that a request is on its way, which may ask for something soon."""
        with self._changed:
            self._requests += 1

    def end(self) -> None:
        """Note that a request asks for nothing any more."""
        with self._changed:
            self._requests -= 1
            self._changed.notify_all()

    def submit(self, lane: Lane, payload: Any, ticket: Ticket, size: int = 1) -> Future[Any]:  # noqa: ANN401  # what a lane takes is the lane's
        """Queue a call; its result comes with the future, as `wait_for` awaits it."""
        call = _Call(lane, payload, size, ticket)
        with self._changed:
            if self._stopping:
                raise stopping()
            self._waiting.append(call)
            self._changed.notify_all()
        return call.future

    def wait_for(self, future: Future[Any], ticket: Ticket) -> Any:  # noqa: ANN401
        """The future's result; raises what the call raised, and what `Ticket.check` raises."""
        try:
            return future.result(ticket.seconds_left)
        except TimeoutError:
            raise ticket.too_late() from None

    def call(self, lane: Lane, payload: Any, ticket: Ticket, size: int = 1) -> Any:  # noqa: ANN401
        """Queue a call and wait for its result."""
        return self.call_all(lane, [(payload, size)], ticket)[0]

    def call_all(
        self, lane: Lane, sized: Sequence[tuple[object, int]], ticket: Ticket
    ) -> list[Any]:
        """Queue several calls, each with its size, and wait for the results in their order."""
        ticket.check()
        futures = [self.submit(lane, payload, ticket, size) for payload, size in sized]
        return [self.wait_for(future, ticket) for future in futures]

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            if self._watch is not None and batch:
                waited = time.monotonic() - batch[0].since
                self._watch(batch[0].lane.kind, len(batch), waited)
            _run(batch)
            with self._changed:
                self._running -= len(batch)
                self._changed.notify_all()

    def _next_batch(self) -> list[_Call] | None:
        with self._changed:
            while not self._waiting:
                if self._stopping:
                    return None
                self._changed.wait()
            lane = self._waiting[0].lane
            if self._gathering:
                self._gather(lane, until=self._waiting[0].since + self._wait)
            batch = self._taken(lane)
            self._running += len(batch)
            return batch

    def _gather(self, lane: Lane, until: float) -> None:
        """Wait for others to join, as long as there are any and there is room."""
        while not self._stopping:
            room = lane.most - sum(call.size for call in self._waiting if call.lane is lane)
            others = self._requests - len(self._waiting) - self._running
            left = until - time.monotonic()
            if room <= 0 or others <= 0 or left <= 0:
                return
            self._changed.wait(left)

    def _taken(self, lane: Lane) -> list[_Call]:
        """Take what fits of a lane from the queue, and drop what nobody waits for any more."""
        batch: list[_Call] = []
        kept: deque[_Call] = deque()
        room = lane.most
        for call in self._waiting:
            if not _is_wanted(call):
                continue
            fits = not batch or (self._gathering and call.size <= room)
            if call.lane is lane and fits:
                batch.append(call)
                room -= call.size
            else:
                kept.append(call)
        self._waiting = kept
        return batch


def _is_wanted(call: _Call) -> bool:
    try:
        call.ticket.check()
    except (CancelledError, OverloadedError) as error:
        call.future.set_exception(error)
        return False
    return True


def _run(batch: Sequence[_Call]) -> None:
    """Compute a batch; where one of several fails, each is tried by itself."""
    if not batch:
        return
    try:
        results = batch[0].lane.run([call.payload for call in batch])
    except Exception as error:  # noqa: BLE001  # whoever waits gets it, whatever it is
        if len(batch) == 1:
            batch[0].future.set_exception(error)
            return
        for call in batch:
            _run([call])
        return
    for call, result in zip(batch, results, strict=True):
        call.future.set_result(result)
