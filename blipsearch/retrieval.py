"""Retrieval: from a query to the images nearest to it, before any is looked at closely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.blip import Retriever
from blipsearch.collection import Collection
from blipsearch.errors import ImageError, QueryError
from blipsearch.filters import Filter
from blipsearch.images import open_image
from blipsearch.query import Query
from blipsearch.records import Embedding, Embeddings
from blipsearch.schemas import Hybrid, Term
from blipsearch.timings import Timings

__all__ = ["AWAY", "Retrieval", "Retrieved"]

AWAY = 0.25
"""How far a term that must not match moves the query away from it, against one that should."""
FUSION = 60
"""The constant of reciprocal rank fusion, as published."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Retrieved:
    """n images, best first.

    `ids` (n,) int64, `cosines` (n,) float32 to the query, `scores` (n,) float64, what they are
    ordered by: the cosine, or the fused rank. `searched` images were in question, in `probes` lists
    of the index; `captions` of them were found by the words of a caption.
    """

    ids: Ids
    cosines: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float64]
    searched: int
    probes: int = 0
    captions: int = 0


class Retrieval:
    """Finds the images of one collection that are nearest to a query."""

    def __init__(self, collection: Collection, retriever: Retriever, *, max_pixels: int) -> None:
        self._collection = collection
        self._retriever = retriever
        self._max_pixels = max_pixels

    def retrieve(
        self, query: Query, count: int, within: Filter | None, hybrid: Hybrid, timings: Timings
    ) -> Retrieved:
        """The `count` images nearest to the query among those that the filter lets through.

        An image that is a term of the query is no hit of it. Raises QueryError for a query that
        cannot be embedded, ImageNotFoundError for an image that is not there.
        """
        with timings.stage("embed"):
            embedding = self.embed(query)
        allowed = None
        if within is not None:
            with timings.stage("filter"):
                allowed = self._collection.matching_ids(within)
        with timings.stage("retrieve"):
            nearest = self._nearest(embedding, count, allowed, query.image_ids)
        if hybrid == "off" or not query.wanted_texts:
            return nearest
        with timings.stage("captions"):
            return self._with_captions(query, embedding, nearest, allowed, only=hybrid == "only")

    def embed(self, query: Query) -> Embeddings:
        """The query as one vector, (1, dim) float32 of unit norm.

        It is the sum of the terms' unit vectors by weight, `AWAY` times a term that must not match
        taken away. Raises QueryError where nothing is left of it.
        """
        vectors = self._vectors(query.terms)
        weights = [-AWAY * term.weight if term.negated else term.weight for term in query.terms]
        total = np.asarray(weights) @ vectors.astype(np.float64)
        norm = float(np.linalg.norm(total))
        if norm < 1e-6:
            raise QueryError(f"the terms of {str(query)!r} cancel out: change a weight")
        unit: Embeddings = (total / norm).astype(np.float32)[np.newaxis]
        return unit

    def _vectors(self, terms: Sequence[Term]) -> Embeddings:
        """The terms' own vectors, (terms, dim) float32, unit rows; texts go in one batch."""
        vectors = np.empty((len(terms), self._retriever.dim), dtype=np.float32)
        texts = [number for number, term in enumerate(terms) if term.text is not None]
        if texts:
            vectors[texts] = self._retriever.get_text_features(
                [term.text for term in terms if term.text is not None]
            )
        for number, term in enumerate(terms):
            if term.image is not None:
                vectors[number] = self._image_vector(term.image)
            elif term.image_id is not None:
                vectors[number] = self._collection.embedding(term.image_id)
            elif term.vector is not None:
                vectors[number] = self._unit(term.vector)
        return vectors

    def _image_vector(self, content: bytes) -> Embedding:
        try:
            opened = open_image(
                content, max_pixels=self._max_pixels, network_size=self._retriever.image_size
            )
        except ImageError as error:
            raise type(error)(f"the query's image cannot be used: {error}") from error
        vector: Embedding = self._retriever.get_image_features([opened])[0]
        return vector

    def _unit(self, numbers: Sequence[float]) -> Embedding:
        vector = np.asarray(numbers, dtype=np.float64)
        with np.errstate(over="ignore"):  # an infinite norm is refused below
            norm = float(np.linalg.norm(vector))
        if len(vector) != self._retriever.dim or not np.isfinite(norm) or norm == 0:
            raise QueryError(
                f"a query vector has {self._retriever.dim} finite numbers, not all 0; "
                f"this one has {len(vector)} and the norm {norm}"
            )
        unit: Embedding = (vector / norm).astype(np.float32)
        return unit

    def _nearest(
        self, embedding: Embeddings, count: int, allowed: Ids | None, left_out: Sequence[int]
    ) -> Retrieved:
        # One more for each image that is found only to be left out.
        found = self._collection.search(embedding, count + len(left_out), allowed)
        kept = (found.ids[0] >= 0) & ~np.isin(found.ids[0], left_out)
        ids, cosines = found.ids[0][kept][:count], found.cosines[0][kept][:count]
        searched = self._collection.index_info.vectors if allowed is None else len(allowed)
        return Retrieved(ids, cosines, cosines.astype(np.float64), searched, found.probes)

    def _with_captions(
        self,
        query: Query,
        embedding: Embeddings,
        nearest: Retrieved,
        allowed: Ids | None,
        *,
        only: bool,
    ) -> Retrieved:
        """Fuse what is near with what is captioned in the query's words.

        Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): an image's score is the
        sum of 1 / (60 + rank) over the lists it is in.
        """
        limit = len(nearest.ids)
        within = None if allowed is None else set(allowed.tolist())
        words = " ".join(query.wanted_texts)
        captioned = [
            image_id
            for image_id in self._collection.find_captions(words, limit, within)
            if image_id not in query.image_ids
        ]
        scores: dict[int, float] = {}
        for ranks in [captioned] if only else [nearest.ids.tolist(), captioned]:
            for rank, image_id in enumerate(ranks, start=1):
                scores[image_id] = scores.get(image_id, 0.0) + 1 / (FUSION + rank)
        cosines = self._cosines(embedding, nearest, scores)
        best = sorted(
            (image_id for image_id in scores if image_id in cosines),
            key=lambda image_id: (-scores[image_id], -cosines[image_id], image_id),
        )[:limit]
        return Retrieved(
            np.array(best, dtype=np.int64),
            np.array([cosines[image_id] for image_id in best], dtype=np.float32),
            np.array([scores[image_id] for image_id in best], dtype=np.float64),
            nearest.searched,
            nearest.probes,
            len(captioned),
        )

    def _cosines(
        self, embedding: Embeddings, nearest: Retrieved, wanted: dict[int, float]
    ) -> dict[int, float]:
        """The cosines of these images; one that was removed meanwhile has none."""
        known = dict(zip(nearest.ids.tolist(), nearest.cosines.tolist(), strict=True))
        others = np.array([number for number in wanted if number not in known], dtype=np.int64)
        if len(others):
            found = self._collection.search(embedding, len(others), others)
            rows = zip(found.ids[0].tolist(), found.cosines[0].tolist(), strict=True)
            known.update((number, cosine) for number, cosine in rows if number >= 0)
        return known
