"""Watching: after a first run over the sources, index what changes in them within seconds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blipsearch.collection import Collection
from blipsearch.records import Source
from indexer.events import FolderEvents, Settling
from indexer.records import IndexSummary
from indexer.sources.ignoring import IGNORE_FILE
from indexer.sources.names import is_image_name, is_passed_over, suffix_of
from indexer.sources.records import Origin
from indexer.sources.roots import below, deepest_root
from indexer.sources.sidecars import SIDECARS
from indexer.watched import Watched

__all__ = ["Indexing", "WatchOptions", "watch_sources"]

MOST_PATHS = 10_000
"""Of more changes at a time a run over everything makes less work."""


class Indexing(Protocol):
    """How a collection is brought up to date."""

    def everything(self) -> IndexSummary:
        """Look through all sources."""
        ...

    def some(self, source: Source, paths: Sequence[str]) -> IndexSummary:
        """Look at these paths of one source: files, folders, or what is gone."""
        ...


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How sources are watched.

    What changed is indexed once it was left alone for `settle_seconds`. Everything is looked
    through each `full_pass_seconds` besides, as a system may forget to tell of a change. `polling`
    says whether folders are compared instead of waiting for events; None does what suits their file
    systems.
    """

    settle_seconds: float = 0.5
    full_pass_seconds: float = 900.0
    polling: bool | None = None


def watch_sources(
    collection: Collection,
    origins: Sequence[Origin],
    indexing: Indexing,
    options: WatchOptions,
    on_look: Callable[[Watched], None],
    stop: threading.Event,
) -> None:
    """Index the sources, and then what changes in them, until `stop` is set.

    `on_look` is told of each look, the first over everything. Whole folders are followed as they
    change. Of patterns and single files a change leads to a look at all sources, as it does where a
    folder comes or goes. Archives, lists and what is elsewhere are only looked at when everything
    is. Raises what `indexing` raises.
    """
    watch = _Watch(collection, origins, indexing, options, on_look)
    with watch:
        watch.until(stop)


class _Watch:
    def __init__(
        self,
        collection: Collection,
        origins: Sequence[Origin],
        indexing: Indexing,
        options: WatchOptions,
        on_look: Callable[[Watched], None],
    ) -> None:
        folders = [origin for origin in origins if origin.kind == "folder"]
        self._collection = collection
        self._roots = {one.root for one in folders}
        self._whole = {one.root for one in folders if one.pattern is None and one.file is None}
        self._own = {str(collection.directory.absolute().parents[1])}
        self._events = FolderEvents(self._roots, polling=options.polling)
        self._settling = Settling(options.settle_seconds)
        self._indexing = indexing
        self._options = options
        self._on_look = on_look
        self._looked = 0.0

    def __enter__(self) -> None:
        self._events.start()

    def __exit__(self, *_: object) -> None:
        self._events.close()

    def until(self, stop: threading.Event) -> None:
        """Look at everything, then at what changes."""
        self._look_at_everything()
        while not stop.is_set():
            self._settling.see(self._events.look(), time.monotonic())
            if self._events.came_or_went():
                self._events.start()
                self._look_at_everything()
            elif self._is_due() or len(self._settling) > MOST_PATHS:
                self._look_at_everything()
            elif not stop.is_set():
                self._look_at(self._settling.settled(time.monotonic()))

    def _is_due(self) -> bool:
        return time.monotonic() - self._looked >= self._options.full_pass_seconds

    def _look_at_everything(self) -> None:
        self._settling.clear()  # what happens from now on is told again
        self._on_look(Watched(self._indexing.everything(), None))
        self._looked = time.monotonic()

    def _look_at(self, paths: Sequence[str]) -> None:
        """Index what changed; what is written to meanwhile is looked at once more."""
        stamps = {path: _stamp(path) for path in paths}
        changed = [meant for path in paths if (meant := self._meant(path)) is not None]
        if any(deepest_root(path, self._whole) is None for path in changed):
            self._look_at_everything()
            return
        for source, below_it in self._by_source(changed):
            watched = Watched(self._indexing.some(source, below_it), len(below_it))
            if watched.says_anything:
                self._on_look(watched)
        moving = [path for path, stamp in stamps.items() if _stamp(path) != stamp]
        self._settling.see(moving, time.monotonic())

    def _meant(self, path: str) -> str | None:
        """The file or folder that is to be looked at for a changed one, if any."""
        root = deepest_root(path, self._roots)
        if root is None or path == root or deepest_root(path, self._own) is not None:
            return None
        *folders, name = Path(below(root, path)).parts
        if any(map(is_passed_over, folders)):
            return None
        if name == IGNORE_FILE:
            return os.path.dirname(path)  # noqa: PTH120  # plain strings by contract
        if is_passed_over(name):
            return None
        if is_image_name(name) or suffix_of(name) in SIDECARS:
            return path
        # Any other file is nobody's picture; what is gone may have been a folder of them.
        return path if os.path.isdir(path) or not os.path.lexists(path) else None  # noqa: PTH112  # as above

    def _by_source(self, paths: Iterable[str]) -> list[tuple[Source, list[str]]]:
        """The changed paths by their source, and relative to its root.

        Sources that lost something come first: what went from there to another is not new there.
        """
        sources = {one.root: one for one in self._collection.sources() if one.kind == "folder"}
        by_root: dict[str, list[str]] = {}
        for path in paths:
            root = deepest_root(path, sources)
            if root is not None:
                by_root.setdefault(root, []).append(path)
        return [
            (sources[root], sorted({below(root, path) for path in changed}))
            for root, changed in sorted(
                by_root.items(), key=lambda one: all(map(os.path.lexists, one[1]))
            )
        ]


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  # plain strings by contract
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
