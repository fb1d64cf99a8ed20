"""Many coroutines, a few at a time, whose results come in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from typing import TypeVar

import anyio

__all__ = ["in_order"]

T = TypeVar("T")
R = TypeVar("R")


async def in_order(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], concurrency: int
) -> AsyncGenerator[R]:
    """Call a function for each item, at most `concurrency` at a time; results in order.

    No more items than that are read ahead. The first error ends it, and what still runs; so does
    closing the generator.
    """
    # Nothing may be left waiting inside a group of tasks when a generator yields: whoever iterates
    # may go away, and the group with what it has to end would hang in the air. Under asyncio tasks
    # can do without one. Elsewhere (trio) they cannot, and `concurrency` calls are made together.
    strategy = _sliding if _is_asyncio() else _in_groups
    async with aclosing(strategy(function, iter(items), concurrency)) as results:
        async for result in results:
            yield result


async def _sliding(
    function: Callable[[T], Awaitable[R]], items: Iterator[T], concurrency: int
) -> AsyncGenerator[R]:
    async def called(item: T) -> R:
        return await function(item)

    running: deque[asyncio.Task[R]] = deque()
    try:
        while True:
            ahead = islice(items, concurrency - len(running))
            running.extend(asyncio.create_task(called(item)) for item in ahead)
            if not running:
                return
            result = await running[0]
            running.popleft()
            yield result
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _in_groups(
    function: Callable[[T], Awaitable[R]], items: Iterator[T], concurrency: int
) -> AsyncGenerator[R]:
    while group := list(islice(items, concurrency)):
        results, error = await _together(function, group)
        for place in range(len(group)):
            if error is not None and place not in results:
                raise error
            yield results[place]


async def _together(
    function: Callable[[T], Awaitable[R]], items: Sequence[T]
) -> tuple[dict[int, R], Exception | None]:
    """Results by place, all of them unless there is an error, which ends the others."""
    results: dict[int, R] = {}
    errors: list[Exception] = []

    async def called(place: int, item: T) -> None:
        try:
            results[place] = await function(item)
        except Exception as error:  # noqa: BLE001  # raised by who called, in its turn
            errors.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for place, item in enumerate(items):
            tasks.start_soon(called, place, item)
    return results, errors[0] if errors else None


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
