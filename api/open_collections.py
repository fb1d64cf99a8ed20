"""The collections that are open, and the thread that keeps them as new as the catalog."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack

from blipsearch.collection import Collection
from blipsearch.errors import BlipSearchError, CollectionNotFoundError
from blipsearch.library import Library
from blipsearch.resource import Resource
from blipsearch.vectors import IndexNeeds

__all__ = ["OpenCollections"]

logger = logging.getLogger("blipsearch.service")

FOLLOW_EVERY = 0.5
"""Seconds between two looks at what other processes wrote."""


class OpenCollections(Resource):
    """Gives out open collections by name; searches go on while one is brought up to date."""

    def __init__(self, library: Library, needs: IndexNeeds) -> None:
        self._library = library
        self._needs = needs
        self._open: dict[str, Collection] = {}
        self._resources = ExitStack()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._follower.start()
        self._closed = False

    def __str__(self) -> str:
        return "the open collections of the service"

    def close(self) -> None:
        """Stop following and close them all; may be called again."""
        self._closed = True
        self._stop.set()
        self._follower.join()
        self._resources.close()

    def get(self, name: str) -> Collection:
        """The open collection of that name. Raises CollectionNotFoundError."""
        with self._lock:
            if name not in self._open:
                opened = self._library.collection(name)
                self._open[name] = self._resources.enter_context(opened)
            return self._open[name]

    def opened(self, name: str) -> Collection | None:
        """The collection of that name, if it is open already; never waits."""
        return self._open.get(name)

    def _follow(self) -> None:
        while not self._stop.wait(FOLLOW_EVERY):
            with self._lock:
                followed = list(self._open.items())
            for name, collection in followed:
                try:
                    collection.refresh()
                    self._follow_name(name, collection)
                    self._keep_index_fit(collection)
                except CollectionNotFoundError:
                    logger.info("the collection %r was removed", name)
                    with self._lock:
                        # Another may have its name by now. Searches may still use it: it is
                        # closed with the others, at the end.
                        if self._open.get(name) is collection:
                            del self._open[name]
                except BlipSearchError as error:
                    logger.warning("the collection %r is not followed now: %s", name, error)
                except Exception:
                    # Were this thread to end, searches would go on and never see anything new.
                    logger.exception("following the collection %r failed", name)

    def _follow_name(self, name: str, collection: Collection) -> None:
        """Give a collection out by its new name where it got one, and none by its old one."""
        named = collection.name
        if named == name:
            return
        logger.info("the collection %r is called %r now", name, named)
        with self._lock:
            other = self._open.get(named)
            if self._open.get(name) is collection:
                del self._open[name]
            # Where two changed names, the other was looked at before: it has this one's now.
            if other is not None and other is not collection:
                self._open.setdefault(name, other)
            self._open[named] = collection

    def _keep_index_fit(self, collection: Collection) -> None:
        """Build a better index in the background; searches have the old one until it is there."""
        if collection.building or collection.build_error is not None:
            return  # what failed once is in the log, and `blipsearch plan --build` tries it again
        if collection.wants_build(self._needs):
            collection.build_index_in_background(self._needs)
