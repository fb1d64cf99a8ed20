"""Builds of one collection's index: one at a time, at once or in the background."""

from __future__ import annotations

import logging
import threading

from blipsearch.errors import BlipSearchError, LibraryBusyError
from blipsearch.live import LiveIndex
from blipsearch.vectors import BuildProgress, IndexNeeds, IndexPlan

__all__ = ["IndexBuilds"]

logger = logging.getLogger("blipsearch.collection")


class IndexBuilds:
    """What a collection builds its index with; safe to share between threads."""

    def __init__(self, live: LiveIndex) -> None:
        self._live = live
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.error: BlipSearchError | None = None

    @property
    def running(self) -> bool:
        """Whether a build is under way in the background."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def build(
        self,
        needs: IndexNeeds,
        on_progress: BuildProgress | None = None,
        stop: threading.Event | None = None,
    ) -> IndexPlan | None:
        """Build now; see Collection.build_index."""
        return self._live.build(needs, on_progress, stop or self._stop)

    def start(self, needs: IndexNeeds) -> None:
        """Build in a thread; see Collection.build_index_in_background."""
        with self._lock:
            if self.running:
                raise LibraryBusyError(
                    "the index of this collection is being built already; "
                    "searches take it over once it is ready"
                )
            self.error = None
            # A process that is ended with a build under way need not wait for it.
            self._thread = threading.Thread(
                target=self._run, args=(needs,), name="build-index", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop what is under way in the background and wait for its end."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self, needs: IndexNeeds) -> None:
        try:
            self.build(needs)
        except BlipSearchError as error:
            logger.warning("the index was not built: %s", error)
            self.error = error
