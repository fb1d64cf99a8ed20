"""A decoder process: takes files over a connection, and answers for each of them in turn."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from blipsearch.images import memory_returned_at_once
from indexer.decoders.looking import Answer, Job, Look, Rules, why_not

__all__ = ["LONGEST_SECONDS", "READY", "Answered", "Asked", "Orders", "run_worker"]

READY = "ready"
"""What a worker says first."""

NICENESS = 10
"""Decoders yield to the network: where it limits, they are ahead of it anyway. At 19 the rest of a
busy machine would hardly let them start."""

LONGEST_SECONDS = 1_000_000
"""What is still a time to the system's timers: eleven days."""
PATIENCE = 10
"""How many times its time a file may take on a busy machine: it is CPU time that counts."""
ALARM_SECONDS = 30
"""How much longer than that a decoder may live, should nobody be left to end it."""

GROWN_BYTES = 64 << 20
"""A process that has grown by so much, and kept it, is replaced by a fresh one."""

_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told first: what to do with each file, by which rules, in which time."""

    look: Look
    rules: Rules
    timeout: float


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """The answer for the next file; a `tired` worker is to be replaced after its last one."""

    answer: Answer
    tired: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The worker waits to be told which image the file is, by its hash; None for a new one."""

    sha256: str


def run_worker(connection: Connection) -> None:
    """Work until the other end closes the connection or its process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, args=(connection.fileno(),), daemon=True).start()
    try:
        with memory_returned_at_once():
            orders: Orders = connection.recv()
            connection.send(READY)
            _work(connection, orders)
    except (EOFError, OSError):
        return  # nobody listens any more


def _work(connection: Connection, orders: Orders) -> None:
    at_start = _resident_bytes()
    seconds = int(min(PATIENCE * orders.timeout, LONGEST_SECONDS)) + ALARM_SECONDS

    def ask(sha256: str) -> int | None:
        connection.send(Asked(sha256))
        image_id: int | None = connection.recv()
        return image_id

    while True:
        jobs: Sequence[Job] = connection.recv()
        for number, job in enumerate(jobs, 1):
            signal.alarm(seconds)
            try:
                answer = orders.look(job, orders.rules, ask)
            except Exception as error:  # noqa: BLE001  # no file may stop a run
                answer = why_not(error)
            tired = number == len(jobs) and _resident_bytes() - at_start > GROWN_BYTES
            connection.send(Answered(answer, tired))
        signal.alarm(0)


def _resident_bytes() -> int:
    """The memory that this process has now; 0 where the system does not say."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _end_with_parent(descriptor: int) -> None:
    """End this process, whatever its decoder is at, once the other end is gone."""
    poller = select.poll()
    poller.register(descriptor, 0)  # hang-ups are told whatever was asked for
    poller.poll()
    os._exit(1)
