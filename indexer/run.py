"""Run `index`: load what it needs, follow it on stderr, print its summary on stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from blipsearch.blip import BlipRetriever
from blipsearch.blip.device import device_names
from blipsearch.collection import Collection
from blipsearch.edge import ExitCode
from blipsearch.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    LibraryBusyError,
    SnapshotError,
)
from blipsearch.images import memory_returned_at_once
from blipsearch.library import Library
from blipsearch.records import Source
from blipsearch.settings import Settings
from blipsearch.vectors import IndexNeeds
from blipsearch.wording import printable
from indexer.captioning import Captioning
from indexer.indexing import index_collection, index_paths, save_snapshot
from indexer.into import index_into
from indexer.lock import indexing_alone
from indexer.preflight import check_sources
from indexer.progress import building, indexing
from indexer.records import CaptionSummary, IndexOptions, IndexSummary
from indexer.report import summary_as_json, summary_as_text
from indexer.request import Request
from indexer.watched import Watched, WatchTotals
from indexer.watching import WatchOptions, watch_sources

__all__ = ["index_as_asked", "run_index"]


def run_index(request: Request) -> ExitCode:
    """Do what a command line asks for, and print what came of it."""
    with _ready(request) as run:
        if request.watch:
            return run.watch()
        summary = run.finished()
        info = run.collection.info
    report = summary_as_json if request.as_json else summary_as_text
    sys.stdout.write(report(summary, info.name, info.indexed))
    return _exit_code(summary)


def index_as_asked(request: Request) -> IndexSummary:
    """Do the same, but leave it to the caller to print what came of it."""
    with _ready(request) as run:
        return run.finished()


@contextmanager
def _ready(request: Request) -> Iterator[_Run]:
    with (
        Library.open(request.settings.library, create=True) as library,
        _opened(library, request) as (collection, retrievers),
        _interruptible() as stop,
    ):
        yield _Run(library, request, collection, retrievers, stop)


class _Run:
    """What a request came to, with all that it needs open."""

    def __init__(
        self,
        library: Library,
        request: Request,
        collection: Collection,
        retrievers: list[BlipRetriever],
        stop: threading.Event,
    ) -> None:
        self._library = library
        self._request = request
        self._collection = collection
        self._retrievers = retrievers
        self._stop = stop
        self._options = _options(request)
        self._captioning = Captioning(collection, request.settings)

    @property
    def collection(self) -> Collection:
        """The collection that is written."""
        return self._collection

    def finished(self) -> IndexSummary:
        """Do all that is asked for, and write on stderr what a person should know besides."""
        summary = self.once()
        for notice in (*summary.notices, *self.afterwards()):
            sys.stderr.write(f"note: {notice}\n")
        return summary

    def once(self) -> IndexSummary:
        """Index everything that is asked for, and caption it where that is, too."""
        if self._request.captions:
            self._captioning.check()
        return self._captioned(self._indexed())

    def _indexed(self) -> IndexSummary:
        request, options, stop = self._request, self._options, self._stop
        with _quiet_decoders(), memory_returned_at_once(), indexing() as on_progress:
            if request.into is None:
                return index_collection(
                    self._collection, self._retrievers, request.sources, options, on_progress, stop
                )
            with self._library.collection(request.settings.collection) as old:
                return index_into(
                    old, self._collection, self._retrievers, options, on_progress, stop
                )

    def watch(self) -> ExitCode:
        """Index everything, and then what changes, until Ctrl-C."""
        origins = check_sources(self._collection, self._request.sources, self._request.rules)
        options = WatchOptions(full_pass_seconds=self._request.settings.watch_interval)
        totals = WatchTotals()

        def tell(watched: Watched) -> None:
            totals.add(watched)
            self._tell(watched)

        with indexing_alone(self._collection.directory):
            watch_sources(self._collection, origins, self, options, tell, self._stop)
        for notice in save_snapshot(self._collection):
            sys.stderr.write(f"note: {notice}\n")
        now = self._collection.info
        as_json = self._request.as_json
        sys.stdout.write(f"{json.dumps(totals.document(now)) if as_json else totals.line(now)}\n")
        return ExitCode.OK

    def everything(self) -> IndexSummary:
        """A look at all sources, for a watch."""
        summary = self.once()
        return replace(summary, notices=(*summary.notices, *self.afterwards()))

    def some(self, source: Source, paths: Sequence[str]) -> IndexSummary:
        """A look at what changed, for a watch."""
        with _quiet_decoders(), memory_returned_at_once():
            summary = index_paths(
                self._collection, self._retrievers, source, paths, self._options, self._stop
            )
        return self._captioned(summary) if summary.added or summary.changed else summary

    def _captioned(self, summary: IndexSummary) -> IndexSummary:
        if not self._request.captions or self._stop.is_set():
            return summary
        with _quiet_decoders(), memory_returned_at_once():
            captions = self._captioning.caption(self._retrievers[0], self._stop)
        notices = (*summary.notices, *captions.notices)
        return replace(summary, captions=captions, notices=notices)

    def _tell(self, watched: Watched) -> None:
        """Say what a look came to: programs read it on stdout, people on stderr as it goes."""
        for notice in watched.summary.notices:
            sys.stderr.write(f"note: {notice}\n")
        if self._request.as_json:
            sys.stdout.write(f"{json.dumps(watched.document)}\n")
            sys.stdout.flush()
            return
        for failed in watched.summary.failed:
            sys.stderr.write(printable(f"  {failed.path}: {failed.reason}\n"))
        sys.stderr.write(f"{watched.line}\n")

    def afterwards(self) -> list[str]:
        """Build the index that suits what is there now; say what a person should know."""
        request = self._request
        notices = _build(self._collection, _needs(request.settings), self._stop)
        if request.into is not None and not self._stop.is_set():
            old, new = request.settings.collection, request.into
            notices.append(f"`blipsearch switch {old} {new}` lets the two change names")
        return notices


def _options(request: Request) -> IndexOptions:
    settings = request.settings
    return IndexOptions(
        batch_size=settings.batch_size,
        threads=settings.decode_threads,
        max_pixels=settings.max_pixels,
        memory=int(settings.index_memory),
        decode_timeout=settings.decode_timeout,
        rules=request.rules,
        retry_failed=request.retry_failed,
        prune=request.prune,
    )


def _needs(settings: Settings) -> IndexNeeds:
    return IndexNeeds(settings.vector_bytes, settings.vector_recall)


def _build(collection: Collection, needs: IndexNeeds, stop: threading.Event) -> list[str]:
    """Build the index that suits what is there now, if it is another one; say what went wrong."""
    if stop.is_set() or not collection.wants_build(needs):
        return []
    try:
        with building() as on_progress:
            plan = collection.build_index(needs, on_progress, stop)
    except (LibraryBusyError, SnapshotError) as error:
        return [str(error)]
    return [] if plan is None else [f"the index is now {plan.description}: {plan.why}"]


@contextmanager
def _opened(library: Library, request: Request) -> Iterator[tuple[Collection, list[BlipRetriever]]]:
    """The collection to write, made where it is not there yet; its checkpoint on each device."""
    settings = request.settings
    name = request.into or settings.collection
    retrievers: list[BlipRetriever] | None = None
    try:
        collection = library.collection(name)
    except CollectionNotFoundError:
        retrievers = _loaded(settings.checkpoint, settings)
        collection = _made(library, name, retrievers[0])
    with collection:
        if retrievers is None:
            retrievers = _loaded(request.checkpoint or collection.checkpoint.name, settings)
        collection.check_checkpoint(retrievers[0].identity)
        collection.set_states(settings.states, settings.states_budget)
        yield collection, retrievers


def _made(library: Library, name: str, retriever: BlipRetriever) -> Collection:
    try:
        return library.create_collection(name, retriever.identity)
    except CollectionExistsError:  # another process was quicker
        return library.collection(name)


def _loaded(checkpoint: str, settings: Settings) -> list[BlipRetriever]:
    retrievers = [
        BlipRetriever.from_pretrained(checkpoint, device=device, dtype=settings.dtype)
        for device in device_names(settings.device)
    ]
    for retriever in retrievers:
        sys.stderr.write(f"{retriever.description}\n")
    return retrievers


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Let the first Ctrl-C ask for a stop; the second one stops at once."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def ask(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # sys.stderr may be in the middle of a write.
        os.write(2, b"stopping after the batch at hand; Ctrl-C again stops at once\n")
        stop.set()

    signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet_decoders() -> Iterator[None]:
    """Keep Pillow's remarks on odd files off the screen; what cannot be read is reported anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _exit_code(summary: IndexSummary) -> ExitCode:
    captions = summary.captions or CaptionSummary()
    if summary.interrupted or captions.interrupted:
        return ExitCode.INTERRUPTED
    failed = summary.failed or captions.failed
    return ExitCode.SOME_IMAGES_FAILED if failed else ExitCode.OK
