"""Batches of pictures to caption: opened ahead of the networks, with what the ITM head looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.blip import BlipCaptioner, BlipRetriever
from blipsearch.collection import Collection
from blipsearch.contents import open_picture
from blipsearch.errors import ImageError
from blipsearch.records import ImageEntry, ImageStates, StateKey
from indexer.records import FailedPath

__all__ = ["Batch", "CaptionOptions", "Opened", "Opener"]

BATCHES_AHEAD = 2
"""Batches whose pictures are opened while the network works on another one."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """How captions are made.

    One that matches its image with less than `threshold`, from 0 to 1, is drawn `draws` more times.
    `batch_size` images are captioned at a time, one transaction each; `threads` open the pictures.
    """

    threshold: float = 0.5
    draws: int = 3
    batch_size: int = 8
    threads: int = 2
    max_pixels: int = 200_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A picture as the captioner reads it, and as the retriever does where it has no states."""

    entry: ImageEntry
    pixels: Floats
    judged: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Up to `size` pictures, those that could be opened and those that could not.

    `parts` are what the ITM head looks at, with the pictures' numbers: apart, because another
    process may change meanwhile how states are kept. Without an ITM head there are none.
    """

    size: int
    opened: Sequence[Opened]
    failed: Sequence[FailedPath]
    parts: Sequence[tuple[Sequence[int], ImageStates]]

    def matches(
        self, retriever: BlipRetriever, texts: Sequence[tuple[int, str]]
    ) -> list[float | None]:
        """The match of each text with the picture whose number it has; None without an ITM head."""
        found: list[float | None] = [None] * len(texts)
        for numbers, states in self.parts:
            row = {number: place for place, number in enumerate(numbers)}
            which = [at for at, (number, _) in enumerate(texts) if number in row]
            own = [states.rows(slice(row[texts[at][0]], row[texts[at][0]] + 1)) for at in which]
            logits = retriever.match_many([texts[at][1] for at in which], own)
            for at, pair in zip(which, logits, strict=True):
                found[at] = float(retriever.match_probability(pair)[0])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """Pictures that are being opened; `stored` says of which the states were, `states`."""

    size: int
    pictures: Sequence[Future[Opened | FailedPath]]
    stored: npt.NDArray[np.bool_]
    states: ImageStates | None


class Opener:
    """Opens the pictures of one collection for a captioner and a retriever."""

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

    def batches(self, ids: Sequence[int]) -> Generator[Batch]:
        """Yield these images in batches, while the pictures of further ones are opened."""
        ahead: deque[_Waiting] = deque()
        size = self._options.batch_size
        with ThreadPoolExecutor(self._options.threads, thread_name_prefix="caption") as pool:
            try:
                for start in range(0, len(ids), size):
                    ahead.append(self._begun(ids[start : start + size], pool))
                    if len(ahead) > BATCHES_AHEAD:
                        yield self._finished(ahead.popleft())
                while ahead:
                    yield self._finished(ahead.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _begun(self, ids: Sequence[int], pool: ThreadPoolExecutor) -> _Waiting:
        """Have the pictures of these images opened; images that went meanwhile are left out."""
        entries = self._collection.images(ids)
        stored, states = np.ones(len(entries), dtype=np.bool_), None
        if self._retriever.has_itm:
            keys = [StateKey(entry.id, entry.sha256) for entry in entries]
            stored, states = self._collection.stored_states(keys)
        pictures = [
            pool.submit(self._open, entry, judged=not known)
            for entry, known in zip(entries, stored.tolist(), strict=True)
        ]
        return _Waiting(len(ids), pictures, stored, states)

    def _open(self, entry: ImageEntry, *, judged: bool) -> Opened | FailedPath:
        size = max(self._captioner.image_size, self._retriever.image_size)
        try:
            picture = open_picture(
                entry.place, max_pixels=self._options.max_pixels, network_size=size
            )
        except ImageError as error:
            return FailedPath(entry.absolute_path, str(error))
        own = self._retriever.prepare(picture) if judged else None
        return Opened(entry, self._captioner.prepare(picture), own)

    def _finished(self, waiting: _Waiting) -> Batch:
        """Wait for the pictures, and encode those without stored states."""
        opened: list[Opened] = []
        failed: list[FailedPath] = []
        rows = np.cumsum(waiting.stored) - 1  # of each picture in waiting.states, where it is there
        kept: list[int] = []
        for number, future in enumerate(waiting.pictures):
            found = future.result()
            if isinstance(found, FailedPath):
                failed.append(found)
                continue
            opened.append(found)
            if found.judged is None:
                kept.append(int(rows[number]))
        parts: list[tuple[Sequence[int], ImageStates]] = []
        if waiting.states is not None and kept:
            numbers = [number for number, one in enumerate(opened) if one.judged is None]
            parts.append((numbers, waiting.states.rows(np.array(kept, dtype=np.int64))))
        made = [number for number, one in enumerate(opened) if one.judged is not None]
        if made:
            pixels = [one.judged for one in opened if one.judged is not None]
            parts.append((made, self._encoded(np.stack(pixels))))
        return Batch(waiting.size, opened, failed, parts)

    def _encoded(self, pixels: Floats) -> ImageStates:
        """The states as they would be stored; what did not fit into the store stays out of it."""
        encoded = self._retriever.encode_prepared(pixels).states
        return self._retriever.pack_states(encoded, self._collection.states_kind)
