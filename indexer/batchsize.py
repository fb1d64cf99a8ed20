"""The batch size: given, usual, or found by trial; and smaller where memory says so."""

from __future__ import annotations

__all__ = ["USUAL_SIZE", "BatchSize"]

USUAL_SIZE = 8
"""On a CPU more at a time are not quicker, and take more memory."""

LEAST_GAIN = 1.05
"""How many times as quick twice as large a batch must be to be worth its memory and its wait."""
TRIALS = 3
"""Batches of one size that are timed; before them one is not, which may compile and allocate."""


class BatchSize:
    """How many images to embed at a time; for one thread.

    Starts at `start` and never goes over `most`. While on `trial` it doubles as long as the images
    a second rise by more than a few percent.
    """

    def __init__(self, start: int, most: int, *, trial: bool) -> None:
        self.size = max(1, min(start, most))
        self._most = most
        self._trial = trial
        self._seconds: list[float] = []
        self._before: tuple[int, float] | None = None

    def took(self, images: int, seconds: float) -> None:
        """Hear how long a batch took; only full ones say something."""
        if not self._trial or images != self.size:
            return
        self._seconds.append(seconds)
        if len(self._seconds) <= TRIALS:
            return
        pace = self.size / max(min(self._seconds[1:]), 1e-9)
        self._seconds = []
        if self._before is not None and pace < LEAST_GAIN * self._before[1]:
            self.size, self._trial = self._before[0], False
        elif 2 * self.size > self._most:
            self._trial = False
        else:
            self._before = self.size, pace
            self.size *= 2

    def too_many(self, images: int) -> None:
        """Hear that so many were more than the device has memory for: half of it, from now on."""
        self._most = max(1, images // 2)
        self.size = min(self.size, self._most)
        self._trial = False
