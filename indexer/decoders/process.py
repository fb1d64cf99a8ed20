"""One decoder process as the indexer sees it: files go in, answers come out, until it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from indexer.decoders.looking import Job
from indexer.decoders.nursery import Nursery, shared_nursery
from indexer.decoders.worker import (
    LONGEST_SECONDS,
    PATIENCE,
    READY,
    Answered,
    Asked,
    Orders,
)

__all__ = ["DecoderCrashedError", "DecoderHungError", "DecoderProcess"]

START_SECONDS = 60.0
AT_WORK = 0.005
"""Which share of a core a process has at least that waits for a busy machine, not for a disk."""

_SCHEDULED = 2
"""The clock of a process's time on the cores, as Linux numbers them beside its id."""


class DecoderCrashedError(Exception):
    """The process has ended; the message says how."""


class DecoderHungError(Exception):
    """The process has said nothing for longer than a file may take."""


class DecoderProcess:
    """A decoder process, from its start to `end`.

    All methods but `end` are for one thread. Starting one raises RuntimeError or OSError where the
    machine does not let it start.
    """

    def __init__(self, orders: Orders) -> None:
        self._timeout = min(orders.timeout, LONGEST_SECONDS)
        self._nursery, self._connection, self._pid = _started()
        try:
            self._connection.send(orders)
            said = self._connection.recv() if self._connection.poll(START_SECONDS) else "nothing"
        except (EOFError, OSError):
            said = f"nothing ({self._how_it_ended()})"
        if said != READY:
            self.end()
            self._connection.close()
            raise RuntimeError(f"a decoder process did not start: it said {said}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    def send(self, jobs: Sequence[Job]) -> None:
        """Hand over files; each is answered in turn. Raises DecoderCrashedError."""
        self._send(jobs)

    def tell(self, image_id: int | None) -> None:
        """Say which image the file is that was asked about. Raises DecoderCrashedError."""
        self._send(image_id)

    def receive(self) -> Answered | Asked:
        """Wait for what it says next, for as long as one file may take.

        The time in which a busy machine keeps it from work does not count, within reason. Raises
        DecoderCrashedError or DecoderHungError; the process is then of no more use.
        """
        try:
            if not self._speaks_in_time():
                raise DecoderHungError(f"decoding took longer than {self._timeout:g} s")
            said: Answered | Asked = self._connection.recv()
        except (EOFError, OSError) as error:
            raise DecoderCrashedError(f"the decoder crashed ({self._how_it_ended()})") from error
        return said

    def end(self) -> None:
        """End the process at once, whatever it does; for any thread."""
        self._nursery.kill(self._pid)

    def close(self) -> None:
        """Have done with it: an idle process ends by itself."""
        self._connection.close()

    def _speaks_in_time(self) -> bool:
        began = seen = _cpu_seconds(self._pid)
        patience = self._timeout
        for _ in range(PATIENCE):
            if self._connection.poll(patience):
                return True
            now = _cpu_seconds(self._pid)
            if now - began >= self._timeout or now - seen < AT_WORK * patience:
                break
            seen = now
            patience = max(self._timeout - (now - began), self._timeout / 2)
        return False

    def _send(self, said: object) -> None:
        try:
            self._connection.send(said)
        except OSError as error:
            raise DecoderCrashedError(f"the decoder crashed ({self._how_it_ended()})") from error

    def _how_it_ended(self) -> str:
        code = self._nursery.ended(self._pid)
        if code is None:
            return "without a trace"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _cpu_seconds(pid: int) -> float:
    """How long a process has had a core so far; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0.0
    try:
        return time.clock_gettime(~pid << 3 | _SCHEDULED)
    except OSError:
        return 0.0


def _started() -> tuple[Nursery, Connection, int]:
    nursery = shared_nursery()
    try:
        return nursery, *nursery.start()
    except OSError:
        # Somebody may have ended the nursery a moment ago.
        nursery = shared_nursery()
        return nursery, *nursery.start()
