"""Equal questions are computed once, and their answers remembered for a little while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import TTLCache

from api.observe.metrics import CacheOutcome

__all__ = ["Flights"]

REMEMBERED_SECONDS = 60.0

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Flight(Generic[T]):
    future: asyncio.Future[T]
    waiting: int = 0


class Flights(Generic[T]):
    """The questions that are being answered, by a key that says all of them; for one event loop.

    `most` answers are remembered. A question whose last asker has left is cancelled.
    """

    def __init__(self, most: int, watch: Callable[[CacheOutcome], None]) -> None:
        self._answers: TTLCache[Hashable, T] = TTLCache(max(1, most), REMEMBERED_SECONDS)
        self._remember = most > 0
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._watch = watch

    def remembered(self, key: Hashable | None) -> T | None:
        """The answer to an equal question, if it is still known."""
        found = None if key is None else self._answers.get(key)
        if found is not None:
            self._watch("hit")
        return found

    def remember(self, key: Hashable | None, answer: T) -> None:
        """Keep an answer for the next one who asks; None is no key."""
        if key is not None and self._remember:
            self._answers[key] = answer

    async def answer(self, key: Hashable | None, start: Callable[[], asyncio.Future[T]]) -> T:
        """The answer: remembered, or that of the equal question in flight, or from `start()`.

        Without a key it is always started. Raises what the computation raises.
        """
        known = self.remembered(key)
        if known is not None:
            return known
        flight = self._flights.get(key)
        if flight is None or flight.future.cancelled():
            self._watch("miss")
            flight = self._begin(key, start())
        else:
            self._watch("shared")
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.future)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.future.done():
                flight.future.cancel()

    def _begin(self, key: Hashable | None, future: asyncio.Future[T]) -> _Flight[T]:
        flight = _Flight(future)

        def landed(done: asyncio.Future[T]) -> None:
            # Both at once: whoever asks next finds the flight or the answer.
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not done.cancelled() and done.exception() is None:
                self.remember(key, done.result())

        if key is not None:
            self._flights[key] = flight
            future.add_done_callback(landed)
        return flight
