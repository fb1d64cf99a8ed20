"""Pictures that requests name by URL: fetched from the public internet, and from nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

import anyio

from blipsearch.errors import (
    BlipSearchError,
    ForbiddenError,
    OverloadedError,
    QueryError,
    RequestTooLargeError,
)
from blipsearch.fetching import (
    Allowed,
    Budget,
    FetchError,
    Lookup,
    WebFetcher,
    is_public_web,
    looked_up,
    shown,
)

__all__ = ["ImageFetcher"]

SECONDS = 10.0
MOST_AT_A_TIME = 8
_INSTEAD = "fetch it yourself and send its bytes as image"


class ImageFetcher:
    """Fetches pictures over http and https, a few requests' at a time; for one event loop.

    Where from is as guarded as by WebFetcher.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        seconds: float = SECONDS,
        allowed: Allowed = is_public_web,
        lookup: Lookup = looked_up,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._web = WebFetcher(seconds=seconds, allowed=allowed, lookup=lookup, context=context)
        self._under_way = 0

    async def fetch(self, urls: Iterable[str]) -> dict[str, bytes]:
        """Fetch pictures, each once; all together have `max_bytes` and `seconds`.

        Raises ForbiddenError for a place that is not `allowed`, QueryError where there is no
        picture, RequestTooLargeError, and OverloadedError where others are being fetched already.
        """
        if self._under_way >= MOST_AT_A_TIME:
            raise OverloadedError("the service is fetching enough pictures for others; ask again")
        budget = Budget(self._max_bytes)
        self._under_way += 1
        try:
            with anyio.fail_after(self._seconds):
                return {url: await self._one(url, budget) for url in dict.fromkeys(urls)}
        except TimeoutError as error:
            raise QueryError(
                f"what the request names by URL did not come within {self._seconds:g} seconds; "
                f"{_INSTEAD}"
            ) from error
        finally:
            self._under_way -= 1

    async def _one(self, url: str, budget: Budget) -> bytes:
        parts: list[bytes] = []
        try:
            await self._web.fetch(url, budget, parts.append)
        except FetchError as error:
            raise self._in_the_services_words(error, url) from error
        return b"".join(parts)

    def _in_the_services_words(self, error: FetchError, url: str) -> BlipSearchError:
        if error.failure == "too_large":
            return RequestTooLargeError(
                f"what the request names by URL has more than {self._max_bytes} bytes, at "
                f"{shown(url)}; name a smaller picture, or let the service take more with "
                "BLIPSEARCH_SERVICE_MAX_BODY"
            )
        if error.failure == "forbidden":
            return ForbiddenError(f"{error}, and the service fetches from nowhere else")
        if error.failure in {"no_url", "redirects"}:
            return QueryError(str(error))
        return QueryError(f"{error}; {_INSTEAD}")
