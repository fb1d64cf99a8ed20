"""Indexing: bring a collection up to date with its sources, or with some paths of one of them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import SnapshotError
from blipsearch.records import RunCounts, Source
from indexer.lock import indexing_alone
from indexer.pipeline import run_plan
from indexer.plan import Plan, PlanOptions, make_plan
from indexer.preflight import check_sources
from indexer.records import IndexOptions, IndexSummary, Progress
from indexer.sources import FileListing, list_files, list_paths

__all__ = ["Retrievers", "index_collection", "index_paths", "run_listings", "save_snapshot"]

Retrievers = BlipRetriever | Sequence[BlipRetriever]
"""One, or one for each device, all of the same checkpoint."""


def index_collection(
    collection: Collection,
    retrievers: Retrievers,
    sources: Sequence[str | os.PathLike[str]] = (),
    options: IndexOptions | None = None,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> IndexSummary:
    """Bring a collection up to date with its sources; without any, with all that it knows.

    Files that are new or changed are embedded, in natural order, and written a batch at a time,
    one transaction each; a file that cannot be indexed is recorded with its reason and does not
    stop the run. Whatever was written stays written: a run that ends early, by an error or because
    `stop` was set, is continued by the next. After `stop` the batches at hand are still finished.

    A file that moved stays the image that it was. What is gone becomes missing, and goes for good
    only where the options say `prune`: never of a root that is not there or is empty all at once.

    Raises, before anything is written, SourceError for a source that does not exist,
    CollectionCheckpointError where the collection holds another checkpoint's embeddings, and
    LibraryBusyError while another process indexes into it.
    """
    options = options or IndexOptions()
    several = _checked(collection, retrievers)
    with indexing_alone(collection.directory):
        origins = check_sources(collection, sources, options.rules)

        def find() -> list[FileListing]:
            return list_files(origins, collection.sources(), options.rules)

        return run_listings(collection, several, find, options, on_progress, stop)


def index_paths(
    collection: Collection,
    retrievers: Retrievers,
    source: Source,
    paths: Iterable[str],
    options: IndexOptions | None = None,
    stop: threading.Event | None = None,
) -> IndexSummary:
    """Bring some paths of a folder up to date: files, folders, and what is gone.

    What else is known of the folder is left alone; nothing is pruned, no run is recorded and no
    snapshot taken, as this is for few files at a time. Raises what `index_collection` raises.
    """
    options = options or IndexOptions()
    stop = stop or threading.Event()
    several = _checked(collection, retrievers)
    with indexing_alone(collection.directory):
        listing = list_paths(source, paths, options.rules)
        plan = make_plan(collection, [listing], PlanOptions(retry_failed=options.retry_failed))
        return run_plan(collection, several, plan, options, None, stop)


def run_listings(
    collection: Collection,
    retrievers: Retrievers,
    find: Callable[[], Sequence[FileListing]],
    options: IndexOptions,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> IndexSummary:
    """Record a run, bring the collection in step with what is found, and take a snapshot.

    The caller holds the collection's lock. Raises CollectionCheckpointError.
    """
    several = _checked(collection, retrievers)
    began = time.monotonic()
    run_id = collection.begin_run()
    plan = make_plan(collection, find(), PlanOptions(retry_failed=options.retry_failed))
    summary = run_plan(collection, several, plan, options, on_progress, stop or threading.Event())
    if options.prune:
        summary = _pruned(collection, plan, summary)
    notices = (*summary.notices, *save_snapshot(collection))
    summary = replace(summary, notices=notices, seconds=time.monotonic() - began)
    collection.finish_run(run_id, _counts(summary), summary.seconds)
    return summary


def _checked(collection: Collection, retrievers: Retrievers) -> Sequence[BlipRetriever]:
    several = [retrievers] if isinstance(retrievers, BlipRetriever) else retrievers
    for retriever in several:
        collection.check_checkpoint(retriever.identity)
    return several


def _pruned(collection: Collection, plan: Plan, summary: IndexSummary) -> IndexSummary:
    """Remove for good what is gone; a run that was stopped may not have seen where it went."""
    notices = [
        f"--prune leaves the {one.images:,} missing images of {one.source.root} alone, as it is "
        f"not there or empty; `blipsearch remove --source {one.source.name}` removes them"
        for one in plan.lost
        if one.images
    ]
    if summary.interrupted:
        return replace(summary, notices=(*summary.notices, *notices))
    pruned = collection.remove_missing(plan.absent.unclaimed())
    return replace(
        summary,
        missing=summary.missing - pruned,
        pruned=pruned,
        notices=(*summary.notices, *notices),
    )


def save_snapshot(collection: Collection) -> list[str]:
    """Save the vectors; say so where that fails, because the catalog is complete without."""
    try:
        collection.snapshot()
    except SnapshotError as error:
        return [str(error)]
    return []


def _counts(summary: IndexSummary) -> RunCounts:
    return RunCounts(
        added=summary.added,
        changed=summary.changed,
        unchanged=summary.unchanged,
        moved=summary.moved,
        missing=summary.missing,
        failed=len(summary.failed),
    )
