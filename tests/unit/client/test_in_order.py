"""Many coroutines in order, under both event loops."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from itertools import count
from typing import Any

import anyio
import pytest

from blipsearch.client.order import in_order

Test = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Test], None]:
    return lambda test: anyio.run(test, backend=request.param)


class Work:
    """Takes longer for smaller numbers, fails for one, and notes what runs."""

    def __init__(self, *, failing: int | None = None, seconds: float = 0.02) -> None:
        self.failing = failing
        self.seconds = seconds
        self.running: set[int] = set()
        self.most = 0
        self.done: list[int] = []

    async def __call__(self, number: int) -> str:
        self.running.add(number)
        self.most = max(self.most, len(self.running))
        try:
            await anyio.sleep(self.seconds * (4 - number % 4))
            if number == self.failing:
                raise ValueError(f"{number} fails")
            self.done.append(number)
            return str(number)
        finally:
            self.running.remove(number)


def test_results_come_in_order_a_few_at_a_time(run: Callable[[Test], None]) -> None:
    work = Work()

    async def test() -> None:
        found = [one async for one in in_order(work, range(17), 4)]
        assert found == [str(number) for number in range(17)]

    run(test)
    assert work.most == 4
    assert work.done != sorted(work.done)


def test_no_more_are_read_than_run(run: Callable[[Test], None]) -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in count():
            read.append(number)
            yield number

    async def test() -> None:
        async with aclosing(in_order(Work(seconds=0), numbers(), 3)) as found:
            async for one in found:
                if one == "5":
                    break

    run(test)
    assert max(read) <= 5 + 3


def test_what_came_before_an_error_comes_and_what_runs_behind_it_ends(
    run: Callable[[Test], None],
) -> None:
    work = Work(failing=6)
    found = []

    async def test() -> None:
        async for one in in_order(work, range(100), 4):
            found.append(one)  # noqa: PERF401  # kept when it raises

    with pytest.raises(ValueError, match="6 fails"):
        run(test)
    assert found == [str(number) for number in range(len(found))]
    assert len(found) >= 4
    assert not work.running
    assert max(work.done) < 12


def test_leaving_ends_what_runs(run: Callable[[Test], None]) -> None:
    work = Work()

    async def test() -> None:
        async with aclosing(in_order(work, range(100), 4)) as found:
            async for _ in found:
                break
        assert not work.running

    run(test)


def test_being_cancelled_ends_what_runs(run: Callable[[Test], None]) -> None:
    work = Work(seconds=5)

    async def test() -> None:
        with anyio.move_on_after(0.1) as scope:
            async with aclosing(in_order(work, range(100), 4)) as found:
                async for _ in found:
                    pass
        assert scope.cancelled_caught
        assert not work.running

    run(test)
