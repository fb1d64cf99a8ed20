"""One decoder process as the indexer sees it: files go in, answers come out, until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import Connection

from indexer.decoders.looking import Job
from indexer.decoders.nursery import Nursery, shared_nursery
from indexer.decoders.worker import LONGEST_SECONDS, READY, Answered, Asked, Orders

__all__ = ["DecoderCrashedError", "DecoderHungError", "DecoderProcess"]

START_SECONDS = 60.0


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

        Raises DecoderCrashedError or DecoderHungError; the process is then of no more use.
        """
        try:
            if not self._connection.poll(self._timeout):
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


def _started() -> tuple[Nursery, Connection, int]:
    nursery = shared_nursery()
    try:
        return nursery, *nursery.start()
    except OSError:
        # Somebody may have ended the nursery a moment ago.
        nursery = shared_nursery()
        return nursery, *nursery.start()
