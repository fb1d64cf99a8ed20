"""Which checkpoints a collection is searched and described with, and having them in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from blipsearch.blip import AnyImage, BlipAnswerer, BlipCaptioner, BlipRetriever, Retriever
from blipsearch.blip.find import BUILTIN
from blipsearch.records import CheckpointIdentity
from blipsearch.settings import Settings

__all__ = [
    "LoadedNetworks",
    "Networks",
    "Writer",
    "answer_checkpoint",
    "caption_checkpoint",
    "load_answerer",
    "load_captioner",
    "load_retriever",
]


class Writer(Protocol):
    """A captioning checkpoint, or an answering one: it puts pictures into words."""

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        ...

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the square the network sees."""
        ...

    def write(self, images: Sequence[AnyImage], words: str) -> list[str]:
        """A caption that begins with these words, or an answer to them, for each RGB picture.

        Raises QueryError for words that cannot be used.
        """
        ...


class Networks(Protocol):
    """The checkpoints that go with collections; each method raises CheckpointError."""

    def retriever(self, identity: CheckpointIdentity) -> Retriever:
        """The retrieval checkpoint of a collection.

        Its weights may be others than the collection was embedded with; a Searcher checks that.
        """
        ...

    def captioner(self, retrieval: str) -> Writer:
        """The captioning checkpoint that goes with this retrieval checkpoint."""
        ...

    def answerer(self, retrieval: str, choices: Sequence[str] | None = None) -> Writer:
        """The answering checkpoint that goes with it; with `choices` it picks the likeliest."""
        ...


def caption_checkpoint(settings: Settings, retrieval_checkpoint: str) -> str:
    """Name the captioning checkpoint for what this retrieval checkpoint embedded.

    It is the settings' one, or the built-in one for a collection that the built-in one embedded,
    unless the settings name another.
    """
    chosen = "caption_checkpoint" in settings.model_fields_set
    own = retrieval_checkpoint == BUILTIN and not chosen
    return BUILTIN if own else settings.caption_checkpoint


def answer_checkpoint(settings: Settings, retrieval_checkpoint: str) -> str:
    """Name the answering checkpoint, chosen in the same way."""
    chosen = "answer_checkpoint" in settings.model_fields_set
    own = retrieval_checkpoint == BUILTIN and not chosen
    return BUILTIN if own else settings.answer_checkpoint


def load_retriever(settings: Settings, name: str) -> BlipRetriever:
    """Load a retrieval checkpoint as the settings say. Raises CheckpointError."""
    return BlipRetriever.from_pretrained(
        name, device=settings.device, dtype=settings.dtype, match_dtype=settings.match_dtype
    )


def load_captioner(settings: Settings, name: str) -> BlipCaptioner:
    """Load a captioning checkpoint in the same way."""
    return BlipCaptioner.from_pretrained(name, device=settings.device, dtype=settings.dtype)


def load_answerer(settings: Settings, name: str) -> BlipAnswerer:
    """Load an answering checkpoint in the same way."""
    return BlipAnswerer.from_pretrained(name, device=settings.device, dtype=settings.dtype)


class LoadedNetworks:
    """Networks that are loaded when they are first needed, once, and computed with at once.

    Safe to use from any thread: whoever comes first loads, the others wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._retrievers: dict[str, BlipRetriever] = {}
        self._captioners: dict[str, BlipCaptioner] = {}
        self._answerers: dict[str, BlipAnswerer] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Let go of what is loaded; whoever computes with it does so to the end."""
        with self._lock:
            self._retrievers.clear()
            self._captioners.clear()
            self._answerers.clear()

    def retriever(self, identity: CheckpointIdentity) -> BlipRetriever:
        """See Networks.retriever."""
        with self._lock:
            if identity.fingerprint not in self._retrievers:
                loaded = load_retriever(self._settings, identity.name)
                self._retrievers[identity.fingerprint] = loaded
            return self._retrievers[identity.fingerprint]

    def captioner(self, retrieval: str) -> Writer:
        """See Networks.captioner."""
        name = caption_checkpoint(self._settings, retrieval)
        with self._lock:
            if name not in self._captioners:
                self._captioners[name] = load_captioner(self._settings, name)
            return _Captions(self._captioners[name])

    def answerer(self, retrieval: str, choices: Sequence[str] | None = None) -> Writer:
        """See Networks.answerer."""
        name = answer_checkpoint(self._settings, retrieval)
        with self._lock:
            if name not in self._answerers:
                self._answerers[name] = load_answerer(self._settings, name)
            return _Answers(self._answerers[name], choices)


@dataclass(frozen=True, slots=True)
class _Captions:
    """A captioner as a Writer."""

    captioner: BlipCaptioner

    @property
    def name(self) -> str:
        return self.captioner.identity.name

    @property
    def image_size(self) -> int:
        return self.captioner.image_size

    def write(self, images: Sequence[AnyImage], words: str) -> list[str]:
        return self.captioner.caption(images, words)


@dataclass(frozen=True, slots=True)
class _Answers:
    """An answerer as a Writer, with the answers that it may choose from."""

    answerer: BlipAnswerer
    choices: Sequence[str] | None

    @property
    def name(self) -> str:
        return self.answerer.identity.name

    @property
    def image_size(self) -> int:
        return self.answerer.image_size

    def write(self, images: Sequence[AnyImage], words: str) -> list[str]:
        return self.answerer.answer(images, words, self.choices)
