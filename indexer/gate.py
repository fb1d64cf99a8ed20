"""A gate for memory: who wants some waits, in turn, until others have given back enough."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["GateClosedError", "MemoryGate"]


class GateClosedError(Exception):
    """The gate was closed while somebody waited before it: the run is over."""


class MemoryGate:
    """Lets threads hold memory up to a capacity in bytes; a larger need waits to be alone.

    First come, first served: one that waits for much is not overtaken by those that want little.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait until the amount fits, and hold it for the length of the block."""
        held = self.acquire(amount)
        try:
            yield
        finally:
            self.release(held)

    def acquire(self, amount: int) -> int:
        """Wait until the amount fits; returns what must be given back with `release`.

        Raises GateClosedError once the gate is closed.
        """
        amount, turn = min(amount, self._capacity), object()
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(
                    lambda: (
                        self._closed
                        or (self._waiting[0] is turn and self._held + amount <= self._capacity)
                    )
                )
                if self._closed:
                    raise GateClosedError
                self._held += amount
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        return amount

    def release(self, held: int) -> None:
        """Give back what `acquire` returned."""
        with self._changed:
            self._held -= held
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
