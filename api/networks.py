"""The checkpoints in memory: loaded once, computing in shared batches, let go when idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from api.batched import BatchedRetriever, BatchedWriter, RetrieverLanes, WriterLane
from api.batching import Batcher, Lane, Ticket
from blipsearch.blip import AnyImage, BlipAnswerer
from blipsearch.describe import (
    answer_checkpoint,
    caption_checkpoint,
    load_answerer,
    load_captioner,
    load_retriever,
)
from blipsearch.records import CheckpointIdentity
from blipsearch.settings import Settings

__all__ = ["RequestNetworks", "SharedNetworks"]

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


class _Answering:
    """An answering checkpoint: `free` writes answers, `choosing` picks one of those given."""

    def __init__(self, answerer: BlipAnswerer) -> None:
        self._answerer = answerer
        self.free = self.choosing(None)

    def choosing(self, choices: Sequence[str] | None) -> WriterLane:
        """A lane whose answers share batches only with each other."""

        def run(calls: Sequence[tuple[AnyImage, str]]) -> list[str]:
            images, questions = [image for image, _ in calls], [asked for _, asked in calls]
            return self._answerer.answer(images, questions, choices)

        return WriterLane(self._answerer, Lane("answer", run, DECODED_TOGETHER))


class SharedNetworks:
    """Gives each request what it computes with; safe to use from any thread."""

    def __init__(self, settings: Settings, batcher: Batcher) -> None:
        self._settings = settings
        self._batcher = batcher
        self._lock = threading.Lock()
        self._retrievers: dict[str, _Slot[RetrieverLanes]] = {}
        self._captioners: dict[str, _Slot[WriterLane]] = {}
        self._answerers: dict[str, _Slot[_Answering]] = {}

    def for_request(self, ticket: Ticket) -> RequestNetworks:
        """The networks as one request has them."""
        return RequestNetworks(self, ticket)

    def retriever(self, identity: CheckpointIdentity, ticket: Ticket) -> BatchedRetriever:
        """See Networks.retriever."""
        with self._lock:
            slot = self._retrievers.setdefault(
                identity.fingerprint, _Slot(lambda: self._load_retriever(identity.name))
            )
        return BatchedRetriever(slot.get(ticket), self._batcher, ticket)

    def captioner(self, retrieval: str, ticket: Ticket) -> BatchedWriter:
        """See Networks.captioner."""
        name = caption_checkpoint(self._settings, retrieval)
        with self._lock:
            slot = self._captioners.setdefault(name, _Slot(lambda: self._load_captioner(name)))
        return BatchedWriter(slot.get(ticket), self._batcher, ticket)

    def answerer(
        self, retrieval: str, ticket: Ticket, choices: Sequence[str] | None = None
    ) -> BatchedWriter:
        """See Networks.answerer.

        Answers that are chosen share batches only with those from the same choices.
        """
        name = answer_checkpoint(self._settings, retrieval)
        with self._lock:
            slot = self._answerers.setdefault(name, _Slot(lambda: self._load_answerer(name)))
        answering = slot.get(ticket)
        lane = answering.free if choices is None else answering.choosing(choices)
        return BatchedWriter(lane, self._batcher, ticket)

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
        return RetrieverLanes(load_retriever(self._settings, name))

    def _load_captioner(self, name: str) -> WriterLane:
        captioner = load_captioner(self._settings, name)

        def run(calls: Sequence[tuple[AnyImage, str]]) -> list[str]:
            images, prompts = [image for image, _ in calls], [prompt for _, prompt in calls]
            return captioner.caption(images, prompts)

        return WriterLane(captioner, Lane("caption", run, DECODED_TOGETHER))

    def _load_answerer(self, name: str) -> _Answering:
        return _Answering(load_answerer(self._settings, name))


class RequestNetworks:
    """The Networks of one request: what they compute waits and ends as its ticket says."""

    def __init__(self, shared: SharedNetworks, ticket: Ticket) -> None:
        self._shared = shared
        self._ticket = ticket

    def retriever(self, identity: CheckpointIdentity) -> BatchedRetriever:
        """See Networks.retriever."""
        return self._shared.retriever(identity, self._ticket)

    def captioner(self, retrieval: str) -> BatchedWriter:
        """See Networks.captioner."""
        return self._shared.captioner(retrieval, self._ticket)

    def answerer(self, retrieval: str, choices: Sequence[str] | None = None) -> BatchedWriter:
        """See Networks.answerer."""
        return self._shared.answerer(retrieval, self._ticket, choices)
