"""Web: images behind URLs of http and https, fetched for those who wait."""

from __future__ import annotations

import asyncio
import errno
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO
from urllib.parse import urlsplit

from blipsearch.contents.limits import ContentLimits
from blipsearch.contents.pieces import temporary_file
from blipsearch.errors import ImageTooLargeError, ImageUnreadableError
from blipsearch.fetching import Allowed, Budget, FetchError, WebFetcher

__all__ = ["Web"]

GONE = frozenset({404, 410})
PASSING = frozenset({408, 425, 429})


class Web:
    """Fetches images for any number of threads, a few at a time of one host.

    What may be fetched from is what `allowed` says; nothing else is connected to.
    """

    def __init__(self, limits: ContentLimits, allowed: Allowed) -> None:
        self._limits = limits
        self._allowed = allowed
        self._lock = threading.Lock()
        # Only while somebody waits there: a manifest may name a million hosts.
        self._hosts: weakref.WeakValueDictionary[str, threading.BoundedSemaphore] = (
            weakref.WeakValueDictionary()
        )
        self._made: WebFetcher | None = None

    def open(self, url: str) -> BinaryIO:
        """Fetch an image, as a file.

        Raises FileNotFoundError where there is none, TimeoutError and OSError where another time
        may do, and ImageError where the URL or what is there is no good.
        """
        target = temporary_file()
        try:
            with self._turn(url):
                _run(self._fetch(url, target))
            target.seek(0)
        except FetchError as error:
            target.close()
            raise self._translated(error) from error
        except TimeoutError as error:
            target.close()
            raise TimeoutError(
                errno.ETIMEDOUT,
                f"it did not come within {self._limits.fetch_seconds:g} seconds",
            ) from error
        except BaseException:
            target.close()
            raise
        return target

    async def _fetch(self, url: str, target: BinaryIO) -> None:
        seconds = self._limits.fetch_seconds
        async with asyncio.timeout(seconds):
            budget = Budget(self._limits.member_bytes)
            await self._fetcher().fetch(url, budget, target.write)

    def _fetcher(self) -> WebFetcher:
        """The one for all threads: reading the certificates takes longer than many an image."""
        with self._lock:
            if self._made is None:
                self._made = WebFetcher(seconds=self._limits.fetch_seconds, allowed=self._allowed)
            return self._made

    def _turn(self, url: str) -> threading.BoundedSemaphore:
        """What all who fetch from the URL's host wait for."""
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            host = ""
        with self._lock:
            return self._hosts.setdefault(host, threading.BoundedSemaphore(self._limits.per_host))

    def _translated(self, error: FetchError) -> OSError | ImageUnreadableError | ImageTooLargeError:
        if error.failure == "too_large":
            return ImageTooLargeError(
                f"it has more than {self._limits.member_bytes:,} bytes; make it smaller"
            )
        if error.status in GONE:
            return FileNotFoundError(errno.ENOENT, str(error))
        passing = error.status >= 500 or error.status in PASSING
        if error.failure == "unreachable" or passing:
            return OSError(errno.EIO, str(error))
        return ImageUnreadableError(str(error))


def _run(coroutine: Coroutine[object, object, None]) -> None:
    """Wait for a coroutine, in whatever thread: a notebook's has a loop that is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(coroutine)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()
