"""The line-up: outcomes come from many decoders, and leave in the order of their candidates."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from indexer.decode import Outcome

__all__ = ["LARGE_FILE", "Lineup"]

LATE_SECONDS = 2.0
"""How long all wait for a single file when there is no more room for others."""
MOST_FILES = 16
LARGE_FILE = 1 << 20
"""What is handed out at a time: many files that are smaller together, or one large one."""


class Lineup:
    """Hands out candidates by number, and gives back their outcomes in order.

    At most `room` are handed out and not given back yet, so that what waits is bounded. `sizes`
    are those of the files, in bytes. For any number of threads.
    """

    def __init__(self, sizes: Sequence[int], room: int, decoders: int) -> None:
        self._sizes = sizes
        self._room = room
        self._decoders = decoders
        self._ready: dict[int, Outcome] = {}
        self._late: deque[Outcome] = deque()
        self._handed_out = self._head = self._given_back = 0
        self._error: BaseException | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._made_room = threading.Condition(self._lock)

    def take(self) -> range:
        """Hand out the next candidates to one decoder; waits for room. Empty after the last."""
        with self._lock:
            self._made_room.wait_for(
                lambda: self._closed or self._handed_out == len(self._sizes) or self._free > 0
            )
            if self._closed:
                return range(0)
            start = self._handed_out
            self._handed_out += self._next_few()
            return range(start, self._handed_out)

    def put(self, number: int, outcome: Outcome) -> None:
        """Take the outcome of a candidate that was handed out."""
        with self._lock:
            if number < self._head:
                self._late.append(outcome)
            else:
                self._ready[number] = outcome
            self._arrived.notify_all()

    def next(self) -> Outcome | None:
        """Give back the next outcome; None after the last, or once it is closed.

        One that keeps all others waiting for long is passed over, and comes when it is there.
        Raises what `fail` was given.
        """
        with self._lock:
            while not self._late and self._head not in self._ready:
                if self._error is not None:
                    raise self._error
                if self._closed or self._given_back == len(self._sizes):
                    return None
                if not self._arrived.wait(LATE_SECONDS) and self._ready and self._free <= 0:
                    self._head = min(self._ready)
            if self._late:
                outcome = self._late.popleft()
            else:
                outcome = self._ready.pop(self._head)
                self._head += 1
            self._given_back += 1
            self._made_room.notify()
            return outcome

    def fail(self, error: BaseException) -> None:
        """End it with an error of a decoder's thread."""
        with self._lock:
            self._error = self._error or error
        self.close()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()
            self._made_room.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether the run is over, or broke."""
        return self._closed

    @property
    def _free(self) -> int:
        return self._room - (self._handed_out - self._given_back)

    def _next_few(self) -> int:
        """How many to hand out: few large ones, and few where others would have nothing to do."""
        left = len(self._sizes) - self._handed_out
        fair = max(1, self._room // (2 * self._decoders))
        most = min(MOST_FILES, self._free, fair, -(-left // self._decoders))
        total = 0
        for count in range(most):
            total += self._sizes[self._handed_out + count]
            if total >= LARGE_FILE:
                return max(1, count)
        return most
