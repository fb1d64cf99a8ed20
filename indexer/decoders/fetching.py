"""Fetching: files from elsewhere are had ahead of the decoders, by threads, and as bytes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from blipsearch.contents import open_content
from blipsearch.errors import BlipSearchError
from blipsearch.places import Place
from indexer.decoders.looking import Bad, Gone, why_not
from indexer.plan import Candidate

__all__ = ["Fetched", "Fetching", "is_elsewhere"]

THREADS = 16
AHEAD = 64
"""Files that are fetched before a decoder asks for them."""
USUAL_BYTES = 4 << 20
"""What a file is thought to have whose size nobody told."""

Fetched = bytes | Gone | Bad


def is_elsewhere(place: Place) -> bool:
    """Whether a file has to be fetched: its connections and their limits belong to one process."""
    return place.local_file is None and place.kind != "archive"


class Fetching:
    """Fetches those candidates that are elsewhere, in their order; for any number of threads.

    What is fetched and was not given back yet takes about `most_bytes`; what is asked for is
    fetched in any case, or nothing would move.
    """

    def __init__(self, candidates: Sequence[Candidate], most_bytes: int) -> None:
        self._candidates = candidates
        self._most_bytes = most_bytes
        self._wanted = [number for number, one in enumerate(candidates) if is_elsewhere(one.place)]
        self._begun = 0
        self._asked_for = -1
        self._futures: dict[int, Future[Fetched]] = {}
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, "fetch") if self._wanted else None

    def get(self, number: int) -> Fetched | None:
        """The content of a candidate, or why there is none; None for one that is not elsewhere.

        Waits until it is there, while those after it are being fetched.
        """
        with self._lock:
            self._asked_for = max(self._asked_for, number)
            self._fetch_ahead()
            future = self._futures.pop(number, None)
        if future is None:
            return None
        fetched = future.result()
        with self._lock:
            self._held[number] = len(fetched) if isinstance(fetched, bytes) else 0
        return fetched

    def give_back(self, number: int) -> None:
        """Have done with a candidate's content."""
        with self._lock:
            if self._held.pop(number, 0):
                self._fetch_ahead()

    def close(self) -> None:
        """Fetch no more; waits for what is under way."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _fetch_ahead(self) -> None:
        """Begin what was asked for, and what comes after it as far as there is room."""
        while self._pool is not None and self._begun < len(self._wanted):
            number = self._wanted[self._begun]
            amount = self._candidates[number].file.size or USUAL_BYTES
            has_room = sum(self._held.values()) + amount <= self._most_bytes
            if number > self._asked_for and not (has_room and number < self._asked_for + AHEAD):
                return
            self._held[number] = amount
            self._futures[number] = self._pool.submit(_content, self._candidates[number].place)
            self._begun += 1


def _content(place: Place) -> Fetched:
    try:
        with open_content(place) as file:
            return file.read()
    except FileNotFoundError:
        return Gone()
    except (OSError, BlipSearchError) as error:
        return why_not(error)
    except Exception as error:  # noqa: BLE001  # storage libraries raise what they like
        return Bad(f"cannot be read: {type(error).__name__}: {error}", lasting=False)
