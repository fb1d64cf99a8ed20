"""Pipeline: discover, compare, decode ahead of the network, embed, write; one batch at a time."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import SnapshotError
from blipsearch.records import RunCounts, StateKey
from indexer.batch import Batch
from indexer.decode import Decoder, Outcome
from indexer.plan import Candidate, Plan, make_plan
from indexer.records import (
    STAGES,
    FailedPath,
    IndexOptions,
    IndexProgress,
    IndexSummary,
    Progress,
)
from indexer.sources import list_files, natural_key, resolve_sources

__all__ = [
    "FailedPath",
    "IndexOptions",
    "IndexProgress",
    "IndexSummary",
    "Progress",
    "index_collection",
]

LONGEST_QUEUE = 1024
"""Files decoded ahead at most, however small their pixels are."""


def index_collection(
    collection: Collection,
    retriever: BlipRetriever,
    sources: Sequence[str | os.PathLike[str]],
    options: IndexOptions | None = None,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> IndexSummary:
    """Bring a collection up to date with its sources: folders, files and patterns.

    Files that are new or changed are embedded, in natural order, and written a batch at a time,
    one transaction each; a file that cannot be indexed is recorded with its reason and does not
    stop the run. Whatever was written stays written: a run that ends early, by an error or because
    `stop` was set, is continued by the next. After `stop` the batch at hand is still finished.

    Raises SourceError, before anything else, for a source that does not exist, and
    CollectionCheckpointError where the collection holds another checkpoint's embeddings.
    """
    origins = resolve_sources(sources)
    collection.check_checkpoint(retriever.identity)
    started = time.monotonic()
    run_id = collection.begin_run()
    listings = list_files(origins, [source.root for source in collection.sources()])
    plan = make_plan(collection, listings)
    run = _Run(collection, retriever, plan, options or IndexOptions())
    run.work_through(on_progress, stop or threading.Event())
    unsaved = _snapshot(collection)
    summary = run.summary(time.monotonic() - started)
    summary = replace(summary, notices=(*summary.notices, *unsaved))
    collection.finish_run(run_id, _counts(summary), summary.seconds)
    return summary


class _Run:
    """One run over a plan's candidates, and what it counted so far."""

    def __init__(
        self, collection: Collection, retriever: BlipRetriever, plan: Plan, options: IndexOptions
    ) -> None:
        self._collection = collection
        self._retriever = retriever
        self._plan = plan
        self._options = options
        self._batch = Batch(options.batch_size)
        # Without an ITM head nothing would ever read them.
        self._states_kind = collection.states_kind if retriever.has_itm else "none"
        self._started = time.monotonic()
        self._stage_seconds = dict.fromkeys(STAGES, 0.0)
        self._done = self._embedded = self._added = self._changed = self._vanished = 0
        self._unchanged = plan.unchanged
        self._failed = list(plan.failed)
        self._interrupted = False

    def work_through(self, on_progress: Progress | None, stop: threading.Event) -> None:
        """Decode, embed and write all candidates, or those before `stop` was set."""
        candidates = self._plan.candidates
        threads = self._options.threads or _cores()
        decoder = Decoder(self._retriever.prepare, self._retriever.image_size, self._options)
        ahead = self._queue_length(threads)
        if candidates and on_progress is not None:
            on_progress(self._progress())
        with closing(_decoded(candidates, decoder, threads, ahead)) as decoded:
            for outcome in self._awaited(decoded):
                self._batch.add(outcome)
                if self._batch.is_full or stop.is_set():
                    self._finish_batch(on_progress)
                if stop.is_set():
                    break
        if len(self._batch):
            self._finish_batch(on_progress)
        self._interrupted = self._done < len(candidates)

    def summary(self, seconds: float) -> IndexSummary:
        """Say what the run did."""
        notices = list(self._plan.notices)
        if self._vanished:
            what = "1 file" if self._vanished == 1 else f"{self._vanished:,} files"
            notices.append(f"{what} vanished during the run; the next one will see to it")
        return IndexSummary(
            added=self._added,
            changed=self._changed,
            unchanged=self._unchanged,
            moved=0,
            missing=self._plan.missing,
            failed=tuple(sorted(self._failed, key=lambda one: natural_key(one.path))),
            seconds=seconds,
            interrupted=self._interrupted,
            notices=tuple(notices),
        )

    def _awaited(self, decoded: Iterator[Outcome]) -> Iterator[Outcome]:
        """Pass the outcomes on, and count the time it took to wait for each."""
        began = time.monotonic()
        for outcome in decoded:
            self._stage_seconds["decoding"] += time.monotonic() - began
            yield outcome
            began = time.monotonic()

    def _finish_batch(self, on_progress: Progress | None) -> None:
        """Embed and write the batch at hand, and begin the next one."""
        batch, self._batch = self._batch, Batch(self._options.batch_size)
        began = time.monotonic()
        if batch.prepared:
            encoded = self._retriever.encode_prepared(batch.pixels())
            indexed = batch.indexed_files(encoded.features)
            states = self._retriever.pack_states(encoded.states, self._states_kind)
        else:
            indexed, states = [], None
        embedded = time.monotonic()
        failed = batch.failed_files()
        if indexed or failed:
            ids = self._collection.write(indexed, failed)
            if states is not None:
                self._collection.keep_states(
                    [StateKey(*key) for key in zip(ids, batch.contents(), strict=True)],
                    states,
                    self._states_kind,
                )
        if batch.same:
            self._collection.touch([one.candidate.file for one in batch.same])
        self._stage_seconds["embedding"] += embedded - began
        self._stage_seconds["writing"] += time.monotonic() - embedded
        self._count(batch)
        if on_progress is not None:
            on_progress(self._progress())

    def _count(self, batch: Batch) -> None:
        added = sum(one.candidate.known is None for one in batch.prepared)
        self._added += added
        self._changed += len(batch.prepared) - added
        self._embedded += len(batch.prepared)
        self._unchanged += len(batch.same)
        self._vanished += len(batch.vanished)
        self._failed += [
            FailedPath(one.candidate.absolute_path, one.reason) for one in batch.refused
        ]
        self._done += len(batch)

    def _progress(self) -> IndexProgress:
        return IndexProgress(
            done=self._done,
            total=len(self._plan.candidates),
            failed=len(self._failed),
            embedded=self._embedded,
            seconds=time.monotonic() - self._started,
            limited_by=max(self._stage_seconds, key=lambda stage: self._stage_seconds[stage]),
        )

    def _queue_length(self, threads: int) -> int:
        """Say how many files may be decoded ahead so that their pixels stay within their bytes."""
        pixels = 3 * self._retriever.image_size**2 * 4
        return max(threads, min(self._options.queue_bytes // pixels, LONGEST_QUEUE))


def _decoded(
    candidates: Sequence[Candidate], decoder: Decoder, threads: int, ahead: int
) -> Generator[Outcome]:
    """Yield the outcome of each candidate in order, while up to `ahead` others are decoded."""
    waiting: deque[Future[Outcome]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        for candidate in candidates:
            waiting.append(pool.submit(decoder, candidate))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _snapshot(collection: Collection) -> list[str]:
    """Save the vectors; say so where that fails, because the catalog is complete without."""
    try:
        collection.snapshot()
    except SnapshotError as error:
        return [str(error)]
    return []


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _counts(summary: IndexSummary) -> RunCounts:
    return RunCounts(
        added=summary.added,
        changed=summary.changed,
        unchanged=summary.unchanged,
        moved=summary.moved,
        missing=summary.missing,
        failed=len(summary.failed),
    )
