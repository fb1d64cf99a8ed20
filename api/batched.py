"""A retriever and a writer whose calls share batches with those of other requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from api.batching import Batcher, Lane, Ticket
from blipsearch.blip import (
    AnyImage,
    BlipAnswerer,
    BlipCaptioner,
    BlipRetriever,
    EncodedImages,
    EncodedQuery,
)
from blipsearch.blip.heatmaps import HeatMaps
from blipsearch.records import CheckpointIdentity, Embeddings, ImageStates, StatesKind

__all__ = ["BatchedRetriever", "BatchedWriter", "RetrieverLanes", "WriterLane"]

TEXTS = 64
"""Texts embedded or read in one batch at most."""
PICTURES = 8
"""Pictures encoded in one batch at most: a tower takes its time, and others wait."""
PAIRS = 128
"""Pairs matched in one batch on a CPU at most: more are no quicker there, and others wait."""
SMALLEST_PART = 8_000_000
"""Numbers of states that are worth a thread of their own: with fewer, threads wait for each other
more than they compute."""

Floats = npt.NDArray[np.float32]
States = npt.NDArray[np.float32] | npt.NDArray[np.float16]


class RetrieverLanes:
    """A loaded retriever and the lanes in which calls to it gather."""

    def __init__(self, retriever: BlipRetriever) -> None:
        self.retriever = retriever
        self.embed = Lane("embed", self._embed, TEXTS)
        self.read = Lane("read", self._read, TEXTS)
        self.encode = Lane("encode", self._encode, PICTURES)
        self.alone = Lane("explain", lambda calls: [call() for call in calls], 1)
        self._match_lanes: dict[object, Lane] = {}
        self._lock = threading.Lock()

    def match(self, query: EncodedQuery, states: ImageStates) -> Lane:
        """The lane for states of this kind: only equal ones fit into one batch."""
        kind = states.values.dtype, states.values.shape[1], states.sizes is None
        with self._lock:
            if kind not in self._match_lanes:
                most = self.retriever.images_at_once(query)
                if self.retriever.device == "cpu":
                    most = min(most, PAIRS)
                self._match_lanes[kind] = Lane("match", self._match, most)
            return self._match_lanes[kind]

    def _embed(self, calls: Sequence[Sequence[str]]) -> list[Embeddings]:
        texts = [text for call in calls for text in call]
        return _split(self.retriever.get_text_features(texts), calls)

    def _read(self, texts: Sequence[str]) -> list[EncodedQuery]:
        return self.retriever.encode_queries(texts)

    def _encode(self, calls: Sequence[Floats]) -> list[EncodedImages]:
        encoded = self.retriever.encode_prepared(np.concatenate(calls))
        features, states = _split(encoded.features, calls), _split(encoded.states, calls)
        return [EncodedImages(*parts) for parts in zip(features, states, strict=True)]

    def _match(self, calls: Sequence[tuple[EncodedQuery, ImageStates]]) -> list[Floats]:
        return self.retriever.match_many([query for query, _ in calls], [one for _, one in calls])


class BatchedRetriever:
    """The Retriever of one request: what BlipRetriever does, computed in batches with others.

    Its methods wait for their turn, and raise besides their own errors CancelledError once the
    request's client has left and OverloadedError once its time is up.
    """

    def __init__(self, lanes: RetrieverLanes, batcher: Batcher, ticket: Ticket) -> None:
        self._lanes = lanes
        self._retriever = lanes.retriever
        self._batcher = batcher
        self._ticket = ticket

    @property
    def identity(self) -> CheckpointIdentity:
        """Which weights these are."""
        return self._retriever.identity

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return self._retriever.dim

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the square the network sees."""
        return self._retriever.image_size

    @property
    def has_itm(self) -> bool:
        """Whether it can match."""
        return self._retriever.has_itm

    def prepare(self, image: AnyImage) -> Floats:
        """See Tower.prepare: no work for the network, so it is done at once."""
        return self._retriever.prepare(image)

    def get_text_features(self, texts: Sequence[str]) -> Embeddings:
        """See BlipRetriever.get_text_features."""
        found: Embeddings = self._call(self._lanes.embed, texts, len(texts))
        return found

    def get_image_features(self, images: Sequence[AnyImage]) -> Embeddings:
        """See BlipRetriever.get_image_features."""
        return self.encode_prepared(np.stack([self.prepare(image) for image in images])).features

    def encode_prepared(self, pixels: Floats) -> EncodedImages:
        """See BlipRetriever.encode_prepared; several pictures are shared out among the threads."""
        each = max(1, len(pixels) // self._batcher.threads)
        parts = [pixels[start : start + each] for start in range(0, len(pixels), each)]
        sized = [(part, len(part)) for part in parts]
        found = self._batcher.call_all(self._lanes.encode, sized, self._ticket)
        return EncodedImages(
            np.concatenate([one.features for one in found]),
            np.concatenate([one.states for one in found]),
        )

    def pack_states(self, states: States, kind: StatesKind) -> ImageStates:
        """See BlipRetriever.pack_states."""
        packed: ImageStates = self._call(
            self._lanes.alone, lambda: self._retriever.pack_states(states, kind)
        )
        return packed

    def encode_query(self, text: str) -> EncodedQuery:
        """See BlipRetriever.encode_query."""
        query: EncodedQuery = self._call(self._lanes.read, text)
        return query

    def images_at_once(self, query: EncodedQuery) -> int:
        """See BlipRetriever.images_at_once; as many for each thread."""
        return self._retriever.images_at_once(query) * self._batcher.threads

    def match(self, text: str | EncodedQuery, states: States | ImageStates) -> Floats:
        """See BlipRetriever.match; shared out among the threads where they have nothing to do."""
        query = self.encode_query(text) if isinstance(text, str) else text
        seen = states if isinstance(states, ImageStates) else ImageStates(states)
        lane = self._lanes.match(query, seen)
        most = max(1, lane.most)
        parts = min(self._batcher.threads, max(1, seen.values.size // SMALLEST_PART))
        if self._batcher.depth == 0:
            most = min(most, max(1, -(-len(seen) // parts)))
        rows = [seen.rows(slice(start, start + most)) for start in range(0, len(seen), most)]
        found = self._batcher.call_all(
            lane, [((query, part), len(part)) for part in rows], self._ticket
        )
        return np.concatenate(found or [np.empty((0, 2), dtype=np.float32)])

    def match_probability(self, logits: Floats) -> Floats:
        """See BlipRetriever.match_probability."""
        return self._retriever.match_probability(logits)

    def heat_maps(self, text: str, states: States | ImageStates) -> HeatMaps:
        """See BlipRetriever.heat_maps."""
        maps: HeatMaps = self._call(
            self._lanes.alone, lambda: self._retriever.heat_maps(text, states)
        )
        return maps

    def _call(self, lane: Lane, payload: object, size: int = 1) -> Any:  # noqa: ANN401
        return self._batcher.call(lane, payload, self._ticket, size)


@dataclass(frozen=True, slots=True)
class WriterLane:
    """A loaded captioner or answerer and the lane in which calls to it gather."""

    network: BlipCaptioner | BlipAnswerer
    lane: Lane


class BatchedWriter:
    """The Writer of one request: its calls wait, and raise, as those of BatchedRetriever do."""

    def __init__(self, lane: WriterLane, batcher: Batcher, ticket: Ticket) -> None:
        self._network = lane.network
        self._lane = lane.lane
        self._batcher = batcher
        self._ticket = ticket

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self._network.identity.name

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the square the network sees."""
        return self._network.image_size

    def write(self, images: Sequence[AnyImage], words: str) -> list[str]:
        """See Writer.write."""
        calls = [((image, words), 1) for image in images]
        return self._batcher.call_all(self._lane, calls, self._ticket)


def _split(rows: Floats, calls: Sequence[Sequence[object] | Floats]) -> list[Floats]:
    """The rows of a whole batch, for each call its own."""
    return np.split(rows, np.cumsum([len(call) for call in calls])[:-1])
