"""Decoders at work: a thread and a process each, of which a file may cost the latter.

Why not a ready-made pool of processes: here a file is answered for by itself although small files
are handed over many at a time, so that a crash costs the one at hand and the others are not tried
again; and a process may ask back while it works.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from indexer.decode import Outcome
from indexer.decoders.feeder import Desk, Feeder
from indexer.decoders.fetching import Fetching, is_elsewhere
from indexer.decoders.lineup import LARGE_FILE, Lineup
from indexer.decoders.looking import Ask
from indexer.decoders.worker import Orders
from indexer.gate import MemoryGate
from indexer.plan import Candidate

__all__ = ["Decoders", "Provision"]

MOST_WAITING = 4096
"""Pictures that wait for the network at most, however small they are."""


@dataclass(frozen=True, slots=True)
class Provision:
    """What decoders may use: how many there are, and bytes for what.

    `decoding` is for all decoders together, `waiting` for pictures that wait for the network,
    `fetching` for files from elsewhere. Decoders that are not `isolated` are threads, and a crash
    is then a crash of all.
    """

    count: int
    decoding: int
    waiting: int
    fetching: int
    isolated: bool = True


class Decoders:
    """Looks into candidates, ahead of who takes the outcomes; a context manager, used once.

    `ask` is asked, by hash, which known image a new file is the new place of, if any.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        orders: Orders,
        provision: Provision,
        ask: Ask | None = None,
    ) -> None:
        count = max(1, min(provision.count, len(candidates)))
        square_bytes = 3 * orders.rules.size**2
        room = max(count, min(provision.waiting // square_bytes, MOST_WAITING))
        self._desk = Desk(
            candidates,
            orders,
            ask,
            provision.isolated,
            Lineup([_weight(one) for one in candidates], room, count),
            Fetching(candidates, provision.fetching),
            MemoryGate(provision.decoding),
            provision.decoding // count,
        )
        self._feeders = [Feeder(self._desk) for _ in range(count)]
        self._threads = [
            threading.Thread(target=feeder.run, name=f"decode-{number}")
            for number, feeder in enumerate(self._feeders)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for process in tuple(self._desk.processes):
            process.end()
        self._desk.fetching.close()
        for thread in self._threads:
            thread.join()

    def next(self) -> Outcome | None:
        """The outcome of the next candidate; None after the last one or after `stop`.

        Raises what went wrong with the decoders themselves.
        """
        return self._desk.lineup.next()

    def stop(self) -> None:
        """Begin nothing more, and let nobody wait."""
        self._desk.lineup.close()
        self._desk.gate.close()

    @property
    def mostly_fetch(self) -> bool:
        """Whether files from elsewhere took the decoders more time than decoding did."""
        fetching = sum(feeder.seconds_fetching for feeder in self._feeders)
        return fetching > sum(feeder.seconds_decoding for feeder in self._feeders)


def _weight(candidate: Candidate) -> int:
    """The bytes of a candidate's file, as far as it matters how many are handed out together."""
    # Each of several would have to wait until all are fetched.
    return LARGE_FILE if is_elsewhere(candidate.place) else candidate.file.size
