"""How often a key may ask."""

from __future__ import annotations

import time

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from blipsearch.errors import RateLimitedError, SettingsError
from blipsearch.records import ApiKey

__all__ = ["RateLimit"]


class RateLimit:
    """Counts the requests of each key in a window that moves along; for one event loop.

    `allowed` is written as `600/minute` or `10/second;600/minute`; nothing for no limit. Raises
    SettingsError where it cannot be read.
    """

    def __init__(self, allowed: str) -> None:
        self._items = _parsed(allowed)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def count(self, key: ApiKey) -> None:
        """Count a request. Raises RateLimitedError where it is one too many."""
        for item in self._items:
            if not await self._limiter.hit(item, str(key.id)):
                stats = await self._limiter.get_window_stats(item, str(key.id))
                raise RateLimitedError(
                    f"the key {key.name!r} may ask {item} and has; ask again later, "
                    "or let the service take more with BLIPSEARCH_SERVICE_RATE_LIMIT",
                    retry_after=max(1.0, stats.reset_time - time.time()),
                )


def _parsed(allowed: str) -> list[RateLimitItem]:
    if not allowed.strip():
        return []
    try:
        return parse_many(allowed)
    except ValueError as error:
        raise SettingsError(
            f"setting 'rate_limit' cannot be {allowed!r}: write it as in 600/minute, or leave it "
            "empty; see BLIPSEARCH_SERVICE_RATE_LIMIT"
        ) from error
