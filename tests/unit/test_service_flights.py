"""Equal questions are computed once, remembered for a while, and dropped when nobody waits."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from api.batching import Batcher, CancelledError, Ticket
from api.flights import Flights
from api.gate import Gate, while_connected
from api.observe.metrics import CacheOutcome
from blipsearch.errors import OverloadedError


def flights(most: int = 4) -> tuple[Flights[str], list[CacheOutcome]]:
    seen: list[CacheOutcome] = []
    return Flights(most, seen.append), seen


def test_equal_questions_in_flight_share_one_computation() -> None:
    async def ask() -> tuple[list[str], int, list[CacheOutcome]]:
        shared, seen = flights()
        started = []

        def start() -> asyncio.Future[str]:
            started.append(asyncio.ensure_future(asyncio.sleep(0.01, "answer")))
            return started[-1]

        answers = await asyncio.gather(*(shared.answer("key", start) for _ in range(3)))
        answers.append(await shared.answer("key", start))
        return answers, len(started), seen

    answers, started, seen = asyncio.run(ask())
    assert (answers, started) == (["answer"] * 4, 1)
    assert seen == ["miss", "shared", "shared", "hit"]


def test_without_a_key_or_room_nothing_is_shared_or_remembered() -> None:
    async def ask(key: str | None, most: int) -> list[CacheOutcome]:
        shared, seen = flights(most)
        for _ in range(2):
            await shared.answer(key, lambda: asyncio.ensure_future(asyncio.sleep(0, "answer")))
        return seen

    assert asyncio.run(ask(None, 4)) == ["miss", "miss"]
    assert asyncio.run(ask("key", 0)) == ["miss", "miss"]


def test_an_error_reaches_all_who_wait_and_is_not_remembered() -> None:
    async def fail() -> str:
        await asyncio.sleep(0.01)
        raise OverloadedError("no")

    async def ask() -> tuple[list[object], str]:
        shared, _ = flights()
        both = [shared.answer("key", lambda: asyncio.ensure_future(fail())) for _ in range(2)]
        failed = await asyncio.gather(*both, return_exceptions=True)
        again = await shared.answer("key", lambda: asyncio.ensure_future(asyncio.sleep(0, "now")))
        return list(failed), again

    failed, again = asyncio.run(ask())
    assert [type(error) for error in failed] == [OverloadedError, OverloadedError]
    assert again == "now"


def test_a_question_goes_on_until_the_last_who_asked_has_left() -> None:
    async def ask() -> tuple[bool, bool, str]:
        shared, _ = flights()
        slow = asyncio.ensure_future(asyncio.sleep(60, "never"))
        tasks = [asyncio.create_task(shared.answer("key", lambda: slow)) for _ in range(2)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        after_first = slow.cancelled()
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        anew = await shared.answer("key", lambda: asyncio.ensure_future(asyncio.sleep(0, "new")))
        return after_first, slow.cancelled(), anew

    assert asyncio.run(ask()) == (False, True, "new")


def test_the_gate_refuses_at_once_what_has_no_room() -> None:
    async def fill() -> tuple[list[int], OverloadedError]:
        with Batcher(1) as batcher:
            gate = Gate(batcher, concurrency=1, queue=1, seconds=10)
            go = threading.Event()

            def wait(_: Ticket) -> int:
                go.wait(10)
                return 1

            inside = [gate.start(wait) for _ in range(2)]
            with pytest.raises(OverloadedError) as refused:
                gate.start(wait)
            assert (gate.working, gate.waiting) == (1, 1)
            go.set()
            answers = [await one for one in inside]
            gate.close()
            return answers, refused.value

    answers, refused = asyncio.run(fill())
    assert answers == [1, 1]
    assert refused.reason == "queue"


def test_what_waited_too_long_in_the_gate_is_not_begun() -> None:
    async def wait() -> tuple[float, OverloadedError]:
        with Batcher(1) as batcher:
            gate = Gate(batcher, concurrency=1, queue=5, seconds=60)
            go = threading.Event()
            first = gate.start(lambda _: go.wait(60))
            gate._seconds = 0.01  # for what comes now
            late = gate.start(lambda ticket: ticket.seconds_left)
            await asyncio.sleep(0.02)
            go.set()
            await first
            with pytest.raises(OverloadedError) as refused:
                await late
            gate.close()
            return 0.0, refused.value

    assert asyncio.run(wait())[1].reason == "time"


def test_cancelling_what_runs_tells_its_thread() -> None:
    async def leave() -> bool:
        with Batcher(1) as batcher:
            gate = Gate(batcher, concurrency=1, queue=0, seconds=10)
            began, noticed = threading.Event(), threading.Event()

            def work(ticket: Ticket) -> None:
                began.set()
                while not noticed.is_set():
                    try:
                        ticket.check()
                    except CancelledError:
                        noticed.set()
                        raise

            running = gate.start(work)
            await asyncio.to_thread(began.wait, 10)
            running.cancel()
            found = await asyncio.to_thread(noticed.wait, 10)
            gate.close()
            return found

    assert asyncio.run(leave())


def test_closing_the_gate_ends_what_runs_with_a_503() -> None:
    async def close() -> OverloadedError:
        with Batcher(1) as batcher:
            gate = Gate(batcher, concurrency=1, queue=0, seconds=60)
            began = threading.Event()

            def work(ticket: Ticket) -> None:
                began.set()
                while True:
                    ticket.check()
                    time.sleep(0.001)

            running = gate.start(work)
            await asyncio.to_thread(began.wait, 10)
            await asyncio.to_thread(gate.close)
            with pytest.raises(OverloadedError) as refused:
                await running
            return refused.value

    assert asyncio.run(close()).reason == "stopping"


def test_a_block_ends_when_its_client_leaves() -> None:
    async def leave() -> float:
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        request = Request({"type": "http", "headers": []}, receive)
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.01, left.set)
        with pytest.raises(ClientDisconnect):
            async with while_connected(request):
                await asyncio.sleep(60)
        return time.monotonic() - began

    assert asyncio.run(leave()) < 10
