"""The outbox: batches that were embedded wait for the disk, in order and within their bytes."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

__all__ = ["Outbox"]

T = TypeVar("T")

MOST_WAITING = 4
"""Items that wait at most, however small they are: they are still written when a run is stopped."""


class Outbox(Generic[T]):
    """Takes numbered items from `senders` threads, and gives them to one thread in order.

    Few items wait, within `capacity` bytes; the next in order is always taken, or nothing would
    move.
    """

    def __init__(self, capacity: int, senders: int) -> None:
        self._capacity = capacity
        self._senders = senders
        self._waiting: dict[int, tuple[T, int]] = {}
        self._held = 0
        self._next = 0
        self._error: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, number: int, item: T, amount: int) -> None:
        """Send an item of so many bytes; waits for room. After `close` it goes nowhere."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or number == self._next or self._has_room_for(amount)
            )
            if not self._closed:
                self._waiting[number] = item, amount
                self._held += amount
                self._changed.notify_all()

    def _has_room_for(self, amount: int) -> bool:
        return len(self._waiting) < MOST_WAITING and self._held + amount <= self._capacity

    def get(self, timeout: float) -> T | None:
        """The next item in order; None when there was none for `timeout` seconds.

        Raises the error that a sender ended with, once what came before it is given out.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._next in self._waiting or self.is_done or self._error, timeout
            )
            if self._next in self._waiting:
                item, amount = self._waiting.pop(self._next)
                self._held -= amount
                self._next += 1
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    @property
    def is_done(self) -> bool:
        """Whether all senders have ended well, and nothing more can be given out.

        Where one ended by an error it is never done: `get` raises it.
        """
        return self._senders == 0 and self._next not in self._waiting and self._error is None

    def end(self, error: BaseException | None = None) -> None:
        """Hear from a sender that it has ended, and whether by an error."""
        with self._changed:
            self._senders -= 1
            self._error = self._error or error
            self._closed = self._closed or error is not None
            self._changed.notify_all()

    def close(self) -> None:
        """Take nothing more, and let no sender wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
