"""What a process and all that it started take in memory, over time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = ["MemoryCurve", "tree_bytes"]


class MemoryCurve:
    """Bytes beyond those at the start, by seconds since then: `points` are (seconds, bytes)."""

    def __init__(self, every: float) -> None:
        self.points: list[tuple[float, int]] = []
        self._every = every

    @property
    def peak(self) -> int:
        """The highest."""
        return max((amount for _, amount in self.points), default=0)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for the length of the block."""
        gc.collect()
        over, before, began = threading.Event(), tree_bytes(), time.monotonic()

        def watch() -> None:
            while not over.wait(self._every):
                self.points.append((time.monotonic() - began, tree_bytes() - before))

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def tree_bytes() -> int:
    """What this process and its children have for themselves; what they share counts once.

    Pages of mapped files are left out: they are the system's cache, which it drops when it wants
    the memory. Image states are written and read through such pages.
    """
    this = psutil.Process()
    return sum(_own_bytes(process) for process in (this, *this.children(recursive=True)))


def _own_bytes(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0  # it has just ended
    sizes = {name: int(size.split()[0]) for name, size in (line.split(":", 1) for line in lines)}
    return 1024 * (sizes["Pss_Anon"] + sizes["Pss_Shmem"])
