"""From a sentence to ranked hits: embed, retrieve candidates, rerank, cut."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import QueryError
from blipsearch.records import Embeddings
from blipsearch.rerank import Candidate, Progress, Reranker, Timings
from blipsearch.schemas import Hit, SearchResponse

__all__ = ["Searcher"]


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
        self._reranker = Reranker(collection, retriever, max_pixels=max_pixels)

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
        rerank_budget: float | None = None,
        on_progress: Progress | None = None,
    ) -> SearchResponse:
        """Retrieve by cosine, then rerank by BLIP's ITM head: each hit has a match probability.

        `candidates` images (at least `limit`) are reranked, in order of cosine, or as many of them
        as can be in `rerank_budget` seconds; those with a match below `min_match` (0 to 1) are left
        out, so that the answer may rightly be empty. A candidate that the time did not suffice
        for, or without stored states and with a file that cannot be read any more, keeps its
        cosine, has no match, and comes after all that have one.

        Raises QueryError for an empty query or numbers out of range, CheckpointMismatchError when
        the checkpoint has no ITM head.
        """
        if min_match is not None and not 0 <= min_match <= 1:
            raise QueryError(f"min_match is a probability from 0 to 1, not {min_match}")
        if candidates < 1:
            raise QueryError(f"candidates must be at least 1, not {candidates}")
        if rerank_budget is not None and not rerank_budget > 0:
            raise QueryError(f"rerank_budget is a time in seconds, above 0, not {rerank_budget}")
        timings = Timings()
        found = self._retrieve(query, max(candidates, limit), timings)
        ranked = self._reranker.rerank(
            query, found, timings, budget=rerank_budget, on_progress=on_progress
        )
        matching = [
            candidate
            for candidate in ranked.candidates
            if min_match is None or (candidate.match is not None and candidate.match >= min_match)
        ]
        return SearchResponse(
            hits=tuple(_hit(candidate) for candidate in matching[:limit]),
            count=len(matching),
            candidates=len(ranked.candidates),
            reranked=ranked.judged,
            unverified=ranked.unreadable,
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
