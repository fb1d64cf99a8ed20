"""Callers of a service, in a process of their own: what `benchmarks/service.py` loads it with."""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

__all__ = ["Load", "Request", "measured"]

IDLE_SECONDS = 4.0
"""A connection that was idle for longer is not used again."""


@dataclass(frozen=True)
class Request:
    """One POST of JSON."""

    path: str
    body: dict[str, object]

    def to_bytes(self) -> bytes:
        """The request as it is sent, on a connection that stays open."""
        content = json.dumps(self.body).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content


@dataclass(frozen=True)
class Load:
    """What to send: `callers` who each wait for their answer before they ask again, for `seconds`.

    With `rate` requests a second go out whether or not others were answered, over as many
    connections as that takes, up to `callers`.
    """

    port: int
    requests: Sequence[Request]
    callers: int
    seconds: float
    rate: float | None = None


@dataclass
class Answers:
    """What came back: when each answer was there (seconds since the start), its status, its time.

    `unsent` requests found no free connection.
    """

    seconds: float = 0.0
    rows: list[tuple[float, int, float]] = field(default_factory=list)
    unsent: int = 0

    @property
    def answered(self) -> list[tuple[float, int, float]]:
        """The rows with status 200."""
        return [row for row in self.rows if row[1] == 200]

    @property
    def statuses(self) -> dict[int, int]:
        """How many answers have which status; 0 is a connection that broke."""
        counts: dict[int, int] = {}
        for _, status, _ in self.rows:
            counts[status] = counts.get(status, 0) + 1
        return dict(sorted(counts.items()))

    @property
    def throughput(self) -> float:
        """Answers with status 200 a second."""
        return len(self.answered) / self.seconds

    def percentile(self, share: float) -> float:
        """The time of an answer, in milliseconds, that this share of them do not exceed."""
        times = sorted(time for _, _, time in self.answered)
        return 1000 * times[min(len(times) - 1, int(share * len(times)))] if times else float("nan")


def measured(load: Load) -> Answers:
    """Put a load on a service from another process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers: Answers = pool.apply(_run, (load,))
        return answers


def _run(load: Load) -> Answers:
    return asyncio.run(_callers(load) if load.rate is None else _stream(load))


async def _callers(load: Load) -> Answers:
    answers = Answers()
    requests = cycle([request.to_bytes() for request in load.requests])
    began = time.perf_counter()
    await asyncio.gather(*(_caller(load, requests, answers, began) for _ in range(load.callers)))
    answers.seconds = time.perf_counter() - began
    return answers


async def _caller(load: Load, requests: Iterator[bytes], answers: Answers, began: float) -> None:
    connection = _Connection(load.port)
    while time.perf_counter() - began < load.seconds:
        await _ask(connection, next(requests), answers, began)
    connection.close()


async def _stream(load: Load) -> Answers:
    """Send at a steady rate, and wait for what is still unanswered at the end."""
    assert load.rate is not None
    answers = Answers()
    requests = cycle([request.to_bytes() for request in load.requests])
    free = [_Connection(load.port) for _ in range(load.callers)]
    tasks: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    sent = 0

    async def send(content: bytes) -> None:
        connection = free.pop()
        await _ask(connection, content, answers, began)
        free.append(connection)

    while (passed := time.perf_counter() - began) < load.seconds:
        while sent < passed * load.rate:
            sent += 1
            if not free:
                answers.unsent += 1
                continue
            task = asyncio.create_task(send(next(requests)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(0)
        await asyncio.sleep(0.002)
    answers.seconds = time.perf_counter() - began
    await asyncio.gather(*tasks)
    for connection in free:
        connection.close()
    return answers


async def _ask(connection: "_Connection", content: bytes, answers: Answers, began: float) -> None:
    asked = time.perf_counter()
    try:
        status = await connection.ask(content)
    except (OSError, asyncio.IncompleteReadError, ValueError):
        status = 0
        connection.close()
    now = time.perf_counter()
    answers.rows.append((now - began, status, now - asked))


class _Connection:
    """One connection that stays open; only as much HTTP as the service's JSON answers need."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, content: bytes) -> int:
        # As all clients do: a server closes what is idle for 5 seconds, perhaps just now.
        if time.perf_counter() - self._used > IDLE_SECONDS:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        self._used = time.perf_counter()
        return int(head[9:12])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
