"""The stopwatch: which stage the others wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

__all__ = ["Doing", "Stopwatch"]

Doing = Literal["waiting for pictures", "embedding", "waiting for the disk"]

LEAST_WAIT = 0.1
"""The share of its time that the network waits at least before another stage is said to limit."""


class Stopwatch:
    """Counts what the network's threads spend their time with; for any number of threads."""

    def __init__(self) -> None:
        self._seconds: dict[Doing, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timed(self, doing: Doing) -> Iterator[None]:
        """Count the time of the block."""
        began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                seconds = self._seconds.get(doing, 0.0) + time.monotonic() - began
                self._seconds[doing] = seconds

    @property
    def limits(self) -> Literal["decoding", "embedding", "writing"]:
        """The stage that never waits: the network, unless it waits for one of its neighbours."""
        with self._lock:
            seconds = dict(self._seconds)
        pictures = seconds.get("waiting for pictures", 0.0)
        disk = seconds.get("waiting for the disk", 0.0)
        if max(pictures, disk) <= LEAST_WAIT * sum(seconds.values()):
            return "embedding"
        return "decoding" if pictures >= disk else "writing"
