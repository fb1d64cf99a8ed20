"""A feeder: the thread that keeps one decoder process at work, and replaces it when it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace

from indexer.decode import outcome_of
from indexer.decoders.fetching import Fetching
from indexer.decoders.lineup import Lineup
from indexer.decoders.looking import Answer, Ask, Bad, Gone, Job, Needs
from indexer.decoders.process import DecoderCrashedError, DecoderHungError, DecoderProcess
from indexer.decoders.worker import Asked, Orders
from indexer.gate import GateClosedError, MemoryGate
from indexer.plan import Candidate

__all__ = ["Desk", "Feeder"]


@dataclass(frozen=True, slots=True)
class Desk:
    """What all feeders of a run share. `share` is what each may have decoded without asking."""

    candidates: Sequence[Candidate]
    orders: Orders
    ask: Ask | None
    isolated: bool
    lineup: Lineup
    fetching: Fetching
    gate: MemoryGate
    share: int
    processes: set[DecoderProcess] = field(default_factory=set)


class Feeder:
    """Feeds one decoder until the line-up is empty; `run` is for a thread of its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._process: DecoderProcess | None = None
        self.seconds_fetching = 0.0
        self.seconds_decoding = 0.0

    def run(self) -> None:
        """Work; what goes wrong with the decoders themselves ends the line-up."""
        try:
            while numbers := self._desk.lineup.take():
                self._work_through(numbers)
        except (GateClosedError, CancelledError):
            pass  # the run is over
        except BaseException as error:  # noqa: BLE001  # raised again by who waits for outcomes
            self._desk.lineup.fail(error)
        finally:
            self._dismiss()

    def _work_through(self, numbers: Sequence[int]) -> None:
        """Look into a few candidates; those that want more memory than a share come last."""
        desk = self._desk
        began = time.monotonic()
        jobs = {number: job for number in numbers if (job := self._job(number)) is not None}
        fetched = time.monotonic()
        with desk.gate.hold(desk.share):
            larger = self._answer(jobs)
        for number, needed in larger.items():
            with desk.gate.hold(needed):
                self._answer({number: replace(jobs[number], granted=needed)})
        for number in numbers:
            desk.fetching.give_back(number)
        self.seconds_fetching += fetched - began
        self.seconds_decoding += time.monotonic() - fetched

    def _job(self, number: int) -> Job | None:
        """What is to be done for a candidate; None where there is nothing to look into."""
        candidate = self._desk.candidates[number]
        content = self._desk.fetching.get(number)
        if isinstance(content, Gone | Bad):
            self._settle(number, content)
            return None
        known = candidate.known
        return Job(
            place=candidate.place,
            content=content,
            known_sha256="" if known is None else known.sha256,
            may_have_moved=known is None and self._desk.ask is not None,
            granted=self._desk.share,
        )

    def _answer(self, jobs: dict[int, Job]) -> dict[int, int]:
        """Settle these candidates, whatever becomes of the process; but for those that need more.

        Returns the latter, by number, with the bytes. A file at which the process crashed is tried
        once more: it may have been another's memory that the system wanted.
        """
        left, needed, crashed = deque(jobs), dict[int, int](), set[int]()
        while left and not self._desk.lineup.is_closed:
            try:
                for answer in self._answers([jobs[number] for number in left]):
                    number = left.popleft()
                    if isinstance(answer, Needs):
                        needed[number] = answer.bytes
                    else:
                        self._settle(number, answer)
            except (DecoderCrashedError, DecoderHungError) as error:
                self._lose()
                if left[0] in crashed or isinstance(error, DecoderHungError):
                    self._settle(left.popleft(), Bad(str(error), lasting=True))
                else:
                    crashed.add(left[0])
        return needed

    def _answers(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield an answer for each job in turn."""
        orders, ask = self._desk.orders, self._desk.ask or _nobody_knows
        if not self._desk.isolated:
            for job in jobs:
                yield orders.look(job, orders.rules, ask)
            return
        process = self._at_work()
        process.send(jobs)
        for _ in jobs:
            while isinstance(said := process.receive(), Asked):
                process.tell(ask(said.sha256))
            if said.tired:
                self._dismiss()
            yield said.answer

    def _settle(self, number: int, answer: Answer) -> None:
        self._desk.lineup.put(number, outcome_of(self._desk.candidates[number], answer))

    def _at_work(self) -> DecoderProcess:
        if self._process is None:
            self._process = DecoderProcess(self._desk.orders)
            self._desk.processes.add(self._process)
            if self._desk.lineup.is_closed:
                self._process.end()  # who ends them all may have looked already
        return self._process

    def _lose(self) -> None:
        """Have done with a process that crashed or hangs."""
        if self._process is not None:
            self._process.end()
        self._dismiss()

    def _dismiss(self) -> None:
        if self._process is not None:
            self._desk.processes.discard(self._process)
            self._process.close()
            self._process = None


def _nobody_knows(_sha256: str) -> None:
    return None
