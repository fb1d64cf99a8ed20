"""Embedding: a thread for each retriever turns prepared pictures into embeddings and states."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.blip import BlipRetriever
from blipsearch.blip.device import MOST_THREADS, side_by_side
from blipsearch.blip.vision import PART_BYTES
from blipsearch.errors import DeviceMemoryError
from blipsearch.records import Embeddings, ImageStates, StatesKind
from indexer.batch import Batch
from indexer.batchsize import USUAL_SIZE, BatchSize
from indexer.decode import Outcome
from indexer.outbox import Outbox
from indexer.stopwatch import Stopwatch

__all__ = ["Embedded", "Embedders", "batch_size_for", "side_by_side_for"]

Squares = npt.NDArray[np.uint8]

ACTIVATIONS = 3
"""How many arrays as large as its widest a layer of the vision tower holds at its highest."""
MOST_ON_GPU = 1024
MANY = 32
"""Fewer images are embedded sooner by all cores together."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A batch and what the network says of its pictures; None where it has none."""

    batch: Batch
    features: Embeddings | None
    states: ImageStates | None


class Embedders:
    """The threads that embed; what they made is in `outbox`, in the order of the outcomes.

    `next_outcome` gives what was decoded, in order, and None after the last. Once `stop` is set,
    batches that were begun are finished.
    """

    def __init__(
        self,
        retrievers: Sequence[BlipRetriever],
        sizes: Sequence[BatchSize],
        kind: StatesKind,
        next_outcome: Callable[[], Outcome | None],
        outbox: Outbox[Embedded],
        stop: threading.Event,
    ) -> None:
        self.stopwatch = Stopwatch()
        self._kind = kind
        self._next_outcome = next_outcome
        self._outbox = outbox
        self._stop = stop
        self._gathering = threading.Lock()
        self._batches = 0
        self._abandoned = False
        self._threads = [
            threading.Thread(target=self._work, args=pair, name=f"embed-{number}")
            for number, pair in enumerate(zip(retrievers, sizes, strict=True))
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def abandon(self) -> None:
        """Begin no other batch, and wait until all have ended."""
        self._abandoned = True
        for thread in self._threads:
            thread.join()

    def _work(self, retriever: BlipRetriever, size: BatchSize) -> None:
        try:
            while (found := self._gather(size.size)) is not None:
                number, batch = found
                with self.stopwatch.timed("embedding"):
                    embedded = self._embed(retriever, size, batch)
                with self.stopwatch.timed("waiting for the disk"):
                    self._outbox.put(number, embedded, _bytes_of(embedded))
        except BaseException as error:  # noqa: BLE001  # raised again by who takes from the outbox
            self._outbox.end(error)
        else:
            self._outbox.end()

    def _gather(self, size: int) -> tuple[int, Batch] | None:
        """Gather the next batch; None after the last one."""
        with self._gathering:
            batch = Batch(size)
            # The first batch is waited for whatever limits.
            timed = self.stopwatch.timed("waiting for pictures") if self._batches else nullcontext()
            with timed:
                while not batch.is_full and not self._is_over:
                    outcome = self._next_outcome()
                    if outcome is None:
                        break
                    batch.add(outcome)
            if not len(batch) or self._is_over:
                return None
            self._batches += 1
            return self._batches - 1, batch

    @property
    def _is_over(self) -> bool:
        return self._abandoned or self._stop.is_set()

    def _embed(self, retriever: BlipRetriever, size: BatchSize, batch: Batch) -> Embedded:
        if not batch.prepared:
            return Embedded(batch, None, None)
        squares = batch.take_squares()
        began = time.monotonic()
        parts = self._encode(retriever, size, squares)
        size.took(len(squares), time.monotonic() - began)
        states = [part for _, part in parts if part is not None]
        return Embedded(
            batch,
            np.concatenate([features for features, _ in parts]),
            ImageStates.joined(states) if states else None,
        )

    def _encode(
        self, retriever: BlipRetriever, size: BatchSize, squares: Squares
    ) -> list[tuple[Embeddings, ImageStates | None]]:
        """Embed pictures in one pass, or in as many as the device has memory for."""
        half = len(squares) // 2
        try:
            return [retriever.encode_squares(squares, self._kind)]
        except DeviceMemoryError:
            if not half:
                raise
            size.too_many(len(squares))
        # Not within the except block: the error would hold on to the tensors that were too many.
        first = self._encode(retriever, size, squares[:half])
        return first + self._encode(retriever, size, squares[half:])


def batch_size_for(
    retriever: BlipRetriever, wanted: int | None, memory: int, kind: StatesKind
) -> BatchSize:
    """How many images a retriever embeds at a time, within so many bytes of this machine's memory.

    `wanted` is taken as it is; None is the usual size on a CPU, and found by trial elsewhere.
    """
    if wanted is not None:
        return BatchSize(wanted, wanted, trial=False)
    if retriever.device == "cpu":
        layer, each = _cpu_bytes(retriever)
        return BatchSize(USUAL_SIZE, (memory - layer) // each, trial=False)
    pixels, numbers = 3 * retriever.image_size**2, retriever.tokens * retriever.width
    each = 2 * pixels + (0 if kind == "none" else 2 * numbers)
    return BatchSize(USUAL_SIZE, min(memory // each, MOST_ON_GPU), trial=True)


def side_by_side_for(retriever: BlipRetriever, images: int, memory: int) -> int:
    """How many threads embed with one retriever, each within its part of so many bytes.

    Threads with a core each do more together than one with all cores, and when a decoder takes a
    core only one of them waits for it.
    """
    if images < MANY or retriever.device != "cpu":
        return 1
    layer, each = _cpu_bytes(retriever)
    room_for = memory // (layer + USUAL_SIZE // 2 * each)
    return side_by_side(retriever.device, min(MOST_THREADS, room_for))


def _cpu_bytes(retriever: BlipRetriever) -> tuple[int, int]:
    """What embedding takes on a CPU: for a layer, whatever the batch, and for each image."""
    states = 4 * retriever.tokens * retriever.width
    pixels = 3 * retriever.image_size**2
    # A layer is four times as wide within. States are there twice while parts are joined; pixels
    # as levels, as indices and as floats.
    return ACTIVATIONS * max(PART_BYTES, 4 * states), 2 * states + 9 * pixels


def _bytes_of(embedded: Embedded) -> int:
    states = embedded.states
    return 0 if states is None else states.values.nbytes
