"""Captions while indexing: written in batches, judged by the ITM head, and drawn anew where poor.

After CapFilt (J. Li et al., "BLIP: Bootstrapping Language-Image Pre-training", 2022): one network
writes, another one filters what was written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.blip import BlipCaptioner, BlipRetriever
from blipsearch.blip.captioner import PROMPT
from blipsearch.collection import Collection
from blipsearch.records import ImageEntry, WrittenCaption
from indexer.caption_batches import Batch, CaptionOptions, Opener
from indexer.lock import indexing_alone
from indexer.records import CaptionSummary, FailedPath

__all__ = ["CaptionOptions", "CaptionProgress", "caption_collection"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CaptionProgress:
    """How far a run is: `done` of `total` images without a caption, `redrawn` of them."""

    done: int
    total: int
    redrawn: int
    failed: int
    seconds: float


Progress = Callable[[CaptionProgress], None]
"""Told how far a run is, after each batch; called in the thread that runs it."""


def caption_collection(
    collection: Collection,
    captioner: BlipCaptioner,
    retriever: BlipRetriever,
    options: CaptionOptions | None = None,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> CaptionSummary:
    """Caption every indexed image that has no caption by this captioning checkpoint.

    Each gets a caption by beam search, judged by the ITM head of the collection's retriever. One
    below the threshold is drawn again by nucleus sampling, and the one that matches best is kept,
    with its match; what is drawn depends on the image's content alone. A batch that is written
    stays: a run that ends early, by `stop` or otherwise, is continued by the next. A picture that
    cannot be opened is named in the summary and does not stop the run.

    Raises CollectionCheckpointError where the retriever is not the collection's, and
    LibraryBusyError while another process indexes into it.
    """
    collection.check_checkpoint(retriever.identity)
    run = _Run(collection, captioner, retriever, options or CaptionOptions())
    with indexing_alone(collection.directory):
        return run.work_through(on_progress, stop or threading.Event())


class _Run:
    """One run over the images without a caption, and what it counted so far."""

    def __init__(
        self,
        collection: Collection,
        captioner: BlipCaptioner,
        retriever: BlipRetriever,
        options: CaptionOptions,
    ) -> None:
        self._collection = collection
        self._captioner = captioner
        self._retriever = retriever
        self._options = options
        self._opener = Opener(collection, captioner, retriever, options)
        self._done = self._captioned = self._redrawn = 0
        self._first: list[float] = []
        self._kept: list[float] = []
        self._failed: list[FailedPath] = []

    def work_through(self, on_progress: Progress | None, stop: threading.Event) -> CaptionSummary:
        """Caption all images, or those before `stop` was set."""
        began = time.monotonic()
        ids = self._collection.uncaptioned(self._captioner.identity.name)
        with closing(self._opener.batches(ids)) as batches:
            for batch in batches:
                self._failed += batch.failed
                if batch.opened:
                    self._caption(batch)
                self._done += batch.size
                if on_progress is not None:
                    on_progress(self._progress(len(ids), time.monotonic() - began))
                if stop.is_set():
                    break
        return CaptionSummary(
            captioned=self._captioned,
            redrawn=self._redrawn,
            below=sum(match < self._options.threshold for match in self._kept),
            first_match=_mean(self._first),
            match=_mean(self._kept),
            failed=tuple(self._failed),
            seconds=time.monotonic() - began,
            interrupted=self._done < len(ids),
            notices=self._notices(),
        )

    def _notices(self) -> tuple[str, ...]:
        if self._retriever.has_itm or not self._captioned:
            return ()
        name = self._retriever.identity.name
        return (f"the captions were not judged: {name} has no ITM head",)

    def _progress(self, total: int, seconds: float) -> CaptionProgress:
        return CaptionProgress(self._done, total, self._redrawn, len(self._failed), seconds)

    def _caption(self, batch: Batch) -> None:
        """Caption a batch and write what is kept."""
        # Once for all captions of an image.
        states = self._captioner.encode_prepared(np.stack([one.pixels for one in batch.opened]))
        texts = _without_prompt(self._captioner.caption_states(states, PROMPT))
        matches = batch.matches(self._retriever, list(enumerate(texts)))
        self._first += [match for match in matches if match is not None]
        self._draw_again(batch, states, texts, matches)
        self._kept += [match for match in matches if match is not None]
        written = [
            WrittenCaption(one.entry.id, one.entry.sha256, text, match)
            for one, text, match in zip(batch.opened, texts, matches, strict=True)
        ]
        name = self._captioner.identity.name
        self._captioned += self._collection.add_captions(name, written)

    def _draw_again(
        self, batch: Batch, states: Floats, texts: list[str], matches: list[float | None]
    ) -> None:
        """Put better captions in the place of those below the threshold, where one is drawn."""
        poor = [
            number
            for number, match in enumerate(matches)
            if match is not None and match < self._options.threshold
        ]
        draws = [(number, draw) for number in poor for draw in range(self._options.draws)]
        if not draws:
            return
        self._redrawn += len(poor)
        again = [number for number, _ in draws]
        seeds = [_seed(batch.opened[number].entry, draw) for number, draw in draws]
        drawn = _without_prompt(self._captioner.sample_states(states[again], PROMPT, seed=seeds))
        judged = batch.matches(self._retriever, list(zip(again, drawn, strict=True)))
        for number, text, match in zip(again, drawn, judged, strict=True):
            best = matches[number]
            if match is not None and best is not None and match > best:
                texts[number], matches[number] = text, match


def _without_prompt(texts: Sequence[str]) -> list[str]:
    return [text.removeprefix(PROMPT.strip()).strip() for text in texts]


def _seed(entry: ImageEntry, draw: int) -> int:
    """One for each draw of a content, so that an index made anew has the same captions."""
    return int(f"{entry.sha256}{draw:04x}", 16)


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
