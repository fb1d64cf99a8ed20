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
from dataclasses import asdict
from types import FrameType

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.edge import ExitCode
from blipsearch.errors import CollectionNotFoundError, LibraryBusyError, SnapshotError
from blipsearch.images import memory_returned_at_once
from blipsearch.library import Library
from blipsearch.settings import Settings
from blipsearch.vectors import IndexNeeds
from indexer.pipeline import IndexOptions, IndexSummary, index_collection
from indexer.progress import building, indexing

__all__ = ["run_index"]


def run_index(
    sources: Sequence[str], settings: Settings, *, checkpoint: str | None, as_json: bool
) -> ExitCode:
    """Index the sources into the settings' collection, making it where it is not there yet.

    `checkpoint` is what the user asked for, if anything: a collection that is there is otherwise
    continued with its own.
    """
    with (
        Library.open(settings.library, create=True) as library,
        _opened(library, settings, checkpoint) as (collection, retriever),
        _interruptible() as stop,
    ):
        with _quiet_decoders(), memory_returned_at_once(), indexing() as on_progress:
            options = IndexOptions(
                batch_size=settings.batch_size,
                threads=settings.decode_threads,
                max_pixels=settings.max_pixels,
            )
            summary = index_collection(collection, retriever, sources, options, on_progress, stop)
        needs = IndexNeeds(settings.vector_bytes, settings.vector_recall)
        notices = [*summary.notices, *_build(collection, needs, stop)]
        info = collection.info
    for notice in notices:
        sys.stderr.write(f"note: {notice}\n")
    report = _as_json if as_json else _as_text
    sys.stdout.write(report(summary, info.name, info.indexed))
    return _exit_code(summary)


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
def _opened(
    library: Library, settings: Settings, checkpoint: str | None
) -> Iterator[tuple[Collection, BlipRetriever]]:
    try:
        collection = library.collection(settings.collection)
    except CollectionNotFoundError:
        retriever = _loaded(settings.checkpoint, settings)
        collection = library.create_collection(settings.collection, retriever.identity)
        with collection:
            collection.set_states(settings.states, settings.states_budget)
            yield collection, retriever
        return
    with collection:
        retriever = _loaded(checkpoint or collection.info.checkpoint.name, settings)
        collection.check_checkpoint(retriever.identity)
        collection.set_states(settings.states, settings.states_budget)
        yield collection, retriever


def _loaded(checkpoint: str, settings: Settings) -> BlipRetriever:
    retriever = BlipRetriever.from_pretrained(
        checkpoint, device=settings.device, dtype=settings.dtype
    )
    sys.stderr.write(f"{retriever.description}\n")
    return retriever


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


def _as_json(summary: IndexSummary, collection: str, images: int) -> str:
    document = {"collection": collection, "images": images} | asdict(summary)
    return json.dumps(document | {"seconds": round(summary.seconds, 3)}, indent=2) + "\n"


def _as_text(summary: IndexSummary, collection: str, images: int) -> str:
    counts = {
        "added": summary.added,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
        "moved": summary.moved,
        "missing": summary.missing,
        "failed": len(summary.failed),
    }
    pace = (summary.added + summary.changed) / summary.seconds if summary.seconds > 0 else 0.0
    state = "interrupted" if summary.interrupted else "done"
    lines = [f"{name:<10}{count:>9,}" for name, count in counts.items()]
    lines += [f"  {failed.path}: {failed.reason}" for failed in summary.failed]
    lines.append(
        f"{state} in {summary.seconds:.1f} s ({pace:.1f} images/s); "
        f"collection {collection!r} holds {images:,} images"
    )
    # Names that are no UTF-8 cannot be printed as they are.
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode() + "\n"


def _exit_code(summary: IndexSummary) -> ExitCode:
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_IMAGES_FAILED if summary.failed else ExitCode.OK
