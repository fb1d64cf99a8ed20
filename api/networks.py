"""The checkpoints in memory: loaded once, computing in shared batches, let go when idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from PIL import Image

from api.batched import BatchedRetriever, RetrieverLanes
from api.batching import Batcher, Lane, Ticket
from blipsearch.blip import BlipAnswerer, BlipCaptioner, BlipRetriever
from blipsearch.describe import answer_checkpoint, caption_checkpoint
from blipsearch.records import CheckpointIdentity
from blipsearch.settings import Settings

__all__ = ["Networks", "Writer"]

DECODED_TOGETHER = 16
"""Pictures that are captioned, or asked about, in one batch at most."""

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Slot(Generic[T]):
    """One checkpoint that may be in memory."""

    load: Callable[[], T]
    value: T | None = None
    used: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, ticket: Ticket) -> T:
        """The loaded checkpoint; whoever comes first loads it, the others wait for their time."""
        if not self.lock.acquire(timeout=ticket.seconds_left):
            raise ticket.too_late()
        try:
            if self.value is None:
                self.value = self.load()
            self.used = time.monotonic()
            return self.value
        finally:
            self.lock.release()

    def unload_after(self, seconds: float) -> None:
        """Let go of it where it was idle for so long; batches that run hold it to their end."""
        with self.lock:
            if time.monotonic() - self.used >= seconds:
                self.value = None


class Writer:
    """A captioning or answering checkpoint whose calls gather in batches."""

    def __init__(self, network: BlipCaptioner | BlipAnswerer, lane: Lane, batcher: Batcher) -> None:
        self.network = network
        self._lane = lane
        self._batcher = batcher

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.network.identity.name

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the square the network sees."""
        return self.network.image_size

    def write(self, images: Sequence[Image.Image], words: str, ticket: Ticket) -> list[str]:
        """A caption that begins with these words, or an answer to them, for each RGB picture.

        Raises QueryError for words that cannot be used, and what `Ticket.check` raises.
        """
        return self._batcher.call_all(self._lane, [((image, words), 1) for image in images], ticket)


class Answering:
    """An answering checkpoint: `free` writes answers, `choosing` picks one of those given."""

    def __init__(self, answerer: BlipAnswerer, batcher: Batcher) -> None:
        self._answerer = answerer
        self._batcher = batcher
        self.free = self.choosing(None)

    def choosing(self, choices: Sequence[str] | None) -> Writer:
        """A writer whose answers share batches only with each other."""

        def run(calls: Sequence[tuple[Image.Image, str]]) -> list[str]:
            images, questions = [image for image, _ in calls], [asked for _, asked in calls]
            return self._answerer.answer(images, questions, choices)

        return Writer(self._answerer, Lane("answer", run, DECODED_TOGETHER), self._batcher)


class Networks:
    """Gives each request what it computes with; safe to use from any thread."""

    def __init__(self, settings: Settings, batcher: Batcher) -> None:
        self._settings = settings
        self._batcher = batcher
        self._lock = threading.Lock()
        self._retrievers: dict[str, _Slot[RetrieverLanes]] = {}
        self._captioners: dict[str, _Slot[Writer]] = {}
        self._answerers: dict[str, _Slot[Answering]] = {}

    def retriever(self, identity: CheckpointIdentity, ticket: Ticket) -> BatchedRetriever:
        """The retrieval checkpoint of a collection, for one request. Raises CheckpointError.

        Its weights may be others than the collection was embedded with; a Searcher checks that.
        """
        with self._lock:
            slot = self._retrievers.setdefault(
                identity.fingerprint, _Slot(lambda: self._load_retriever(identity.name))
            )
        return BatchedRetriever(slot.get(ticket), self._batcher, ticket)

    def captioner(self, retrieval: str, ticket: Ticket) -> Writer:
        """The captioning checkpoint that goes with this retrieval checkpoint.

        Raises CheckpointError.
        """
        name = caption_checkpoint(self._settings, retrieval)
        with self._lock:
            slot = self._captioners.setdefault(name, _Slot(lambda: self._load_captioner(name)))
        return slot.get(ticket)

    def answerer(
        self, retrieval: str, ticket: Ticket, choices: Sequence[str] | None = None
    ) -> Writer:
        """The answering checkpoint that goes with it, which may choose. Raises CheckpointError.

        Answers that are chosen share batches only with those from the same choices.
        """
        name = answer_checkpoint(self._settings, retrieval)
        with self._lock:
            slot = self._answerers.setdefault(name, _Slot(lambda: self._load_answerer(name)))
        answering = slot.get(ticket)
        return answering.free if choices is None else answering.choosing(choices)

    def loaded(self) -> dict[str, list[str]]:
        """The names of the checkpoints in memory, by what they are for."""
        with self._lock:
            return {
                "retrieval": [
                    slot.value.retriever.identity.name
                    for slot in self._retrievers.values()
                    if slot.value is not None
                ],
                "caption": [name for name, slot in self._captioners.items() if slot.value],
                "answer": [name for name, slot in self._answerers.items() if slot.value],
            }

    def unload_idle(self, seconds: float) -> None:
        """Let go of the captioning and answering checkpoints that were idle for so long."""
        with self._lock:
            slots: list[_Slot[Any]] = [*self._captioners.values(), *self._answerers.values()]
        for slot in slots:
            slot.unload_after(seconds)

    def _load_retriever(self, name: str) -> RetrieverLanes:
        settings = self._settings
        retriever = BlipRetriever.from_pretrained(
            name, device=settings.device, dtype=settings.dtype, match_dtype=settings.match_dtype
        )
        return RetrieverLanes(retriever)

    def _load_captioner(self, name: str) -> Writer:
        captioner = BlipCaptioner.from_pretrained(
            name, device=self._settings.device, dtype=self._settings.dtype
        )

        def run(calls: Sequence[tuple[Image.Image, str]]) -> list[str]:
            images, prompts = [image for image, _ in calls], [prompt for _, prompt in calls]
            return captioner.caption(images, prompts)

        return Writer(captioner, Lane("caption", run, DECODED_TOGETHER), self._batcher)

    def _load_answerer(self, name: str) -> Answering:
        answerer = BlipAnswerer.from_pretrained(
            name, device=self._settings.device, dtype=self._settings.dtype
        )
        return Answering(answerer, self._batcher)
