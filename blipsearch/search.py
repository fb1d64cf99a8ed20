"""From a sentence to ranked hits: embed, retrieve candidates, rerank, cut."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import ImageError, QueryError
from blipsearch.images import open_image
from blipsearch.records import Embeddings, ImageEntry
from blipsearch.schemas import Hit, SearchResponse

__all__ = ["Searcher"]

logger = logging.getLogger(__name__)

RERANK_BATCH = 8
"""Images whose states are held at once: 8 of base size are 14 MiB in float32."""

Progress = Callable[[int, int], None]
"""Told how many of how many candidates are reranked."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that retrieval proposes, and what the rerank says of it once it has."""

    entry: ImageEntry
    cosine: float
    logit: float | None = None
    match: float | None = None

    @property
    def score(self) -> float:
        """The published ranking score: `itm_logits[:, 1] + itc_cosine`, both raw.

        Source: evaluation() in train_retrieval.py of salesforce/BLIP.
        """
        return self.cosine if self.logit is None else self.logit + self.cosine


@dataclass(slots=True)
class Timings:
    """Milliseconds by stage, in the order the stages ran."""

    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the stage of that name."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - start) * 1000
            self.milliseconds[name] = round(self.milliseconds.get(name, 0.0) + spent, 3)


class Searcher:
    """Answers sentences from one collection with the checkpoint that embedded it.

    Raises CollectionCheckpointError when the retriever's weights are not the ones that made the
    collection's embeddings: cosines between two checkpoints mean nothing.
    """

    def __init__(
        self, collection: Collection, retriever: BlipRetriever, *, max_pixels: int
    ) -> None:
        collection.check_checkpoint(retriever.identity)
        self._collection = collection
        self._retriever = retriever
        self._max_pixels = max_pixels

    def search_by_cosine(self, query: str, *, limit: int = 10) -> SearchResponse:
        """Rank by the cosine of the ITC embeddings alone; hits carry no match probability.

        Raises QueryError for an empty query or a limit below 1.
        """
        timings = Timings()
        return _unjudged(self._retrieve(query, limit, timings), timings)

    def search_by_image(self, image: Image.Image, *, limit: int = 10) -> SearchResponse:
        """Rank by the cosine to the embedding of `image` (an RGB picture as `open_image` gives it).

        Raises QueryError for a limit below 1.
        """
        timings = Timings()
        with timings.stage("embed"):
            embedding = self._retriever.get_image_features([image])
        return _unjudged(self._nearest(embedding, limit, timings), timings)

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        candidates: int = 64,
        min_match: float | None = None,
        on_progress: Progress | None = None,
    ) -> SearchResponse:
        """Retrieve by cosine, then rerank by BLIP's ITM head: each hit has a match probability.

        `candidates` images (at least `limit`) are reranked; those with a match below `min_match`
        (0 to 1) are left out, so that the answer may rightly be empty. A candidate whose file
        cannot be read any more keeps its cosine, has no match, and comes after all that have one.

        Raises QueryError for an empty query or numbers out of range, CheckpointMismatchError when
        the checkpoint has no ITM head.
        """
        if min_match is not None and not 0 <= min_match <= 1:
            raise QueryError(f"min_match is a probability from 0 to 1, not {min_match}")
        if candidates < 1:
            raise QueryError(f"candidates must be at least 1, not {candidates}")
        timings = Timings()
        found = self._retrieve(query, max(candidates, limit), timings)
        ranked = self._rerank(query, found, timings, on_progress)
        matching = [
            candidate
            for candidate in ranked
            if min_match is None or (candidate.match is not None and candidate.match >= min_match)
        ]
        return SearchResponse(
            hits=tuple(_hit(candidate) for candidate in matching[:limit]),
            count=len(matching),
            candidates=len(ranked),
            unverified=sum(candidate.match is None for candidate in ranked),
            timings=timings.milliseconds,
        )

    def _retrieve(self, query: str, count: int, timings: Timings) -> list[Candidate]:
        if not query.strip():
            raise QueryError("the query is empty: say what the picture shows, as in 'a red boat'")
        with timings.stage("embed"):
            embedding = self._retriever.get_text_features([query])
        return self._nearest(embedding, count, timings)

    def _nearest(self, embedding: Embeddings, count: int, timings: Timings) -> list[Candidate]:
        if count < 1:
            raise QueryError(f"limit must be at least 1, not {count}")
        with timings.stage("retrieve"):
            neighbours = self._collection.search(embedding, count)
            ids = [int(number) for number in neighbours.ids[0] if number >= 0]
            entries = self._collection.images(ids)
            # Another process may delete an image between the two calls: its row is then gone.
            cosines = dict(zip(ids, neighbours.cosines[0].tolist(), strict=False))
        return [Candidate(entry, cosines[entry.id]) for entry in entries]

    def _rerank(
        self,
        query: str,
        candidates: Sequence[Candidate],
        timings: Timings,
        on_progress: Progress | None,
    ) -> list[Candidate]:
        ranked: list[Candidate] = []
        with ThreadPoolExecutor(max_workers=2) as decoders:
            for start in range(0, len(candidates), RERANK_BATCH):
                batch = candidates[start : start + RERANK_BATCH]
                with timings.stage("decode"):
                    pixels = list(decoders.map(self._read, batch))
                ranked += self._match(query, batch, pixels, timings)
                if on_progress is not None:
                    on_progress(len(ranked), len(candidates))
        # Sorting is stable: equal scores stay in order of cosine.
        return sorted(ranked, key=lambda one: (one.match is None, -one.score))

    def _match(
        self,
        query: str,
        batch: Sequence[Candidate],
        pixels: Sequence[npt.NDArray[np.float32] | None],
        timings: Timings,
    ) -> list[Candidate]:
        readable = [index for index, image in enumerate(pixels) if image is not None]
        if not readable:
            return list(batch)
        with timings.stage("encode"):
            stacked = np.stack([image for image in pixels if image is not None])
            states = self._retriever.encode_prepared(stacked).states
        with timings.stage("match"):
            logits = self._retriever.match(query, states)
            matches = self._retriever.match_probability(logits)
        reranked = list(batch)
        for row, index in enumerate(readable):
            one = batch[index]
            reranked[index] = Candidate(
                one.entry, one.cosine, float(logits[row, 1]), float(matches[row])
            )
        return reranked

    def _read(self, candidate: Candidate) -> npt.NDArray[np.float32] | None:
        try:
            opened = open_image(
                candidate.entry.absolute_path,
                max_pixels=self._max_pixels,
                network_size=self._retriever.image_size,
            )
        except ImageError as error:
            logger.warning("not reranked: %s: %s", candidate.entry.absolute_path, error)
            return None
        return self._retriever.prepare(opened.image)


def _unjudged(candidates: Sequence[Candidate], timings: Timings) -> SearchResponse:
    return SearchResponse(
        hits=tuple(_hit(candidate) for candidate in candidates),
        count=len(candidates),
        candidates=len(candidates),
        timings=timings.milliseconds,
    )


def _hit(candidate: Candidate) -> Hit:
    entry = candidate.entry
    return Hit(
        id=entry.id,
        match=candidate.match,
        score=candidate.score,
        cosine=candidate.cosine,
        source=entry.source.name,
        path=entry.path,
        width=entry.width,
        height=entry.height,
        metadata=entry.metadata,
    )
