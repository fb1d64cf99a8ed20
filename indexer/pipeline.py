"""The pipeline: decode ahead of the network, embed, and write behind it, all at the same time.

Decoders look into the candidates, in processes of their own; a thread for each retriever embeds;
the caller's thread writes and tells the progress. What lies between them is bounded in bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from blipsearch.blip import BlipRetriever
from blipsearch.blip.device import cores_shared
from blipsearch.collection import Collection
from blipsearch.records import StatesKind
from indexer.decode import rules_for
from indexer.decoders.pool import Decoders, Provision
from indexer.decoders.worker import Orders
from indexer.embedding import Embedded, Embedders, batch_size_for, side_by_side_for
from indexer.outbox import Outbox
from indexer.plan import Plan
from indexer.records import IndexOptions, IndexSummary, Progress, Stage
from indexer.shares import Shares, share_out
from indexer.writing import Writing

__all__ = ["run_plan"]

STOP_SECONDS = 0.2
"""How soon a stop is heeded that comes while nothing is written."""


def run_plan(  # who, what, how, and two ways to talk to it
    collection: Collection,
    retrievers: Sequence[BlipRetriever],
    plan: Plan,
    options: IndexOptions,
    on_progress: Progress | None,
    stop: threading.Event,
) -> IndexSummary:
    """Look into a plan's candidates, embed what is new, and write a batch at a time, in order.

    Each batch is one transaction. A file that cannot be indexed is recorded with its reason and
    does not stop the run; nor does one at which the decoder crashes or hangs. `retrievers` hold
    the same checkpoint, on a device each. After `stop` the batches that the network has begun are
    finished and written. An error of any stage ends the run; what was written stays.
    """
    shares = share_out(options.memory, options.threads)
    kind = collection.states_kind if retrievers[0].has_itm else "none"
    writing = Writing(collection, plan, kind)
    writing.write_given()
    if not plan.candidates:
        return writing.summary(None)
    if on_progress is not None:
        on_progress(writing.progress("decoding"))
    run = _Run(retrievers, plan, options, shares, kind)
    limited_by = run.work_through(writing, on_progress, stop)
    return writing.summary(limited_by)


class _Run:
    """The stages of one run, side by side."""

    def __init__(
        self,
        retrievers: Sequence[BlipRetriever],
        plan: Plan,
        options: IndexOptions,
        shares: Shares,
        kind: StatesKind,
    ) -> None:
        self._abreast = 1
        if len(retrievers) == 1:
            images = len(plan.candidates)
            self._abreast = side_by_side_for(retrievers[0], images, shares.batch)
            retrievers = [*retrievers] * self._abreast
        # Without an ITM head nothing would ever read the states.
        self._retrievers = retrievers
        self._kind: StatesKind = kind
        self._sizes = [
            batch_size_for(one, options.batch_size, shares.batch // len(retrievers), kind)
            for one in retrievers
        ]
        self._decoders = Decoders(
            plan.candidates,
            Orders(
                options.look,
                rules_for(retrievers[0], options.max_pixels, shares.decoding),
                options.decode_timeout,
            ),
            Provision(
                shares.processes,
                shares.decoding,
                shares.waiting,
                shares.fetching,
                options.isolated,
            ),
            plan.absent.claim if plan.absent else None,
        )
        self._outbox: Outbox[Embedded] = Outbox(shares.writing, len(retrievers))

    def work_through(
        self, writing: Writing, on_progress: Progress | None, stop: threading.Event
    ) -> Stage:
        """Work until all is written, or what was begun before `stop`; say which stage limited."""
        self._embedders = Embedders(
            self._retrievers, self._sizes, self._kind, self._decoders.next, self._outbox, stop
        )
        with self._decoders, cores_shared(self._abreast):
            self._embedders.start()
            try:
                self._write(writing, on_progress, stop)
            finally:
                self._decoders.stop()
                self._outbox.close()
                self._embedders.abandon()
        return self._limits

    def _write(self, writing: Writing, on_progress: Progress | None, stop: threading.Event) -> None:
        while not self._outbox.is_done:
            embedded = self._outbox.get(STOP_SECONDS)
            if embedded is not None:
                writing.write(embedded)
                if on_progress is not None:
                    on_progress(writing.progress(self._limits))
            if stop.is_set():
                self._decoders.stop()

    @property
    def _limits(self) -> Stage:
        limits = self._embedders.stopwatch.limits
        return "fetching" if limits == "decoding" and self._decoders.mostly_fetch else limits
