"""From a query to pages of ranked hits: embed, retrieve candidates, rerank, cut, sort, freeze."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from blipsearch.blip import Retriever
from blipsearch.collection import Collection
from blipsearch.contents import open_picture
from blipsearch.errors import QueryError
from blipsearch.explain import Explainer
from blipsearch.filters.text import load_filter
from blipsearch.images import open_image
from blipsearch.query import Query, as_request, query_of
from blipsearch.rankings import Ranking
from blipsearch.records import ImageEntry
from blipsearch.rerank import Candidate, Judgement, Reranker
from blipsearch.retrieval import Retrieval, Retrieved
from blipsearch.schemas import (
    Explanation,
    Hit,
    Judged,
    Judgements,
    SearchRequest,
    SearchResponse,
    Term,
)
from blipsearch.timings import Timings

__all__ = ["Describe", "OnEvent", "SearchEvent", "Searcher"]

LENGTH = 1000
"""How many images a ranking goes on for: as far as its pages go."""

MATCHES = 0.5
"""From which probability on an image counts as a match where matches are to be sorted."""

SearchEvent = SearchResponse | Judgements
"""What there is before the answer: first the ranking by cosine, then batches of judgements."""

OnEvent = Callable[[SearchEvent], None]
"""Told of each event, in the thread that searches; an error it raises ends the search."""

Describe = Callable[[Image.Image], str]
"""Puts a picture (RGB) into one sentence."""


class Searcher:
    """Answers queries from one collection with the checkpoint that embedded it.

    `describe` is for reranking query images, about which the ITM head can only be asked in words.

    Raises CollectionCheckpointError when the retriever's weights are not the ones that made the
    collection's embeddings: cosines between two checkpoints mean nothing.
    """

    def __init__(
        self,
        collection: Collection,
        retriever: Retriever,
        *,
        max_pixels: int,
        describe: Describe | None = None,
    ) -> None:
        collection.check_checkpoint(retriever.identity)
        self._collection = collection
        self._max_pixels = max_pixels
        self._describe = describe
        self._retrieval = Retrieval(collection, retriever, max_pixels=max_pixels)
        self._reranker = Reranker(collection, retriever, max_pixels=max_pixels)
        self._explainer = Explainer(collection, retriever, max_pixels=max_pixels)

    def search(
        self,
        wanted: str | Query | SearchRequest,
        *,
        on_event: OnEvent | None = None,
        **options: Any,  # noqa: ANN401  # each is a field of SearchRequest, which checks it
    ) -> SearchResponse:
        """Answer a sentence, a query, or a whole request; `options` are fields of SearchRequest.

        The images nearest to the query are its candidates. BLIP's ITM head judges the first
        `candidates` of them, in order of cosine: these come first, by `itm_logit + itc_cosine`, and
        have a match. The others follow by cosine, to a length of 1000, unless `min_match` or `sort`
        is given, which are about what was judged. A candidate that the time did not suffice for, or
        without stored states and with a file that cannot be read any more, has no match and comes
        behind those that have one. That ranking does not depend on `limit`; it is kept for the
        pages that `next_cursor` leads to.

        Where a rerank follows, `on_event` first gets the page by cosine, then each batch of
        judgements. `include` and `ask` change nothing here: Operations sees to them.

        Raises QueryError for a query or numbers that cannot be used, InvalidFilterError,
        InvalidCursorError, CursorExpiredError, ImageNotFoundError for an image in the query,
        ImageError where it cannot be opened, and CheckpointMismatchError when a rerank is asked of
        a checkpoint without an ITM head.
        """
        request = as_request(wanted, options)
        if request.cursor is not None:
            return self.more(request.cursor, limit=request.limit)
        timings = Timings()
        query = query_of(request)
        ranking, explanation, known = self._rank(query, request, timings, on_event)
        name = None
        if len(ranking) > request.limit:
            with timings.stage("freeze"):
                name = self._collection.rankings.keep(ranking)
        page = self._page(ranking, (name, 0), request.limit, timings, known)
        return page.model_copy(update={"explanation": explanation}) if request.explain else page

    def more(self, cursor: str, *, limit: int = 10) -> SearchResponse:
        """The next page of the ranking that a search began: nothing is searched anew.

        Raises InvalidCursorError, CursorExpiredError, and QueryError for a limit below 1.
        """
        if limit < 1:
            raise QueryError(f"limit must be at least 1, not {limit}")
        timings = Timings()
        with timings.stage("cursor"):
            ranking, name, offset = self._collection.rankings.find(cursor)
        return self._page(ranking, (name, offset), limit, timings, known={})

    def heat_map(self, image_id: int, text: str) -> Image.Image:
        """Draw which part of an image answers to which word of a text; see Explainer.heat_map.

        Raises ImageNotFoundError, ImageError, CheckpointMismatchError.
        """
        return self._explainer.heat_map(self._collection.image(image_id), text)

    def _rank(
        self,
        query: Query,
        request: SearchRequest,
        timings: Timings,
        on_event: OnEvent | None,
    ) -> tuple[Ranking, Explanation, dict[int, ImageEntry]]:
        """The ranking, how it came about, and the entries that were read for it."""
        within = None if request.filter is None else load_filter(request.filter)
        length = max(LENGTH, request.candidates)
        found = self._retrieval.retrieve(query, length, within, request.hybrid, timings)
        reranks = request.rerank or (request.rerank is None and bool(query.texts))
        if not reranks and request.sort is None:  # no need to look at the images themselves
            return _as_found(found, request), self._explanation(query, [], found), {}
        with timings.stage("retrieve"):
            head = self._candidates(found, request.candidates)
        judgements: list[Judgement] = []
        reranked = unverified = 0
        if reranks:
            judgements = self._judgements(query, timings, captions=bool(request.rerank))
            if on_event is not None:
                on_event(self._by_cosine(head, found, request, timings))
            outcome = self._reranker.rerank(
                judgements,
                head,
                timings,
                budget=request.rerank_budget,
                on_progress=None if on_event is None else partial(_tell, on_event),
            )
            head, reranked, unverified = outcome.candidates, outcome.judged, outcome.unreadable
        ranking = replace(_ranking(head, found, request), reranked=reranked, unverified=unverified)
        known = {one.entry.id: one.entry for one in head}
        return ranking, self._explanation(query, judgements, found), known

    def _by_cosine(
        self,
        head: Sequence[Candidate],
        found: Retrieved,
        request: SearchRequest,
        timings: Timings,
    ) -> SearchResponse:
        """The first page as it is before anything is judged."""
        unjudged = request.model_copy(update={"min_match": None, "sort": None})
        known = {one.entry.id: one.entry for one in head}
        ranking = _ranking(head, found, unjudged)
        return self._page(ranking, (None, 0), request.limit, timings, known)

    def _candidates(self, found: Retrieved, count: int) -> list[Candidate]:
        ids = found.ids[:count].tolist()
        numbers = zip(found.cosines[:count].tolist(), found.scores[:count].tolist(), strict=True)
        said = dict(zip(ids, numbers, strict=True))
        # Another process may have deleted an image since the index saw it: its row is then gone.
        return [Candidate(entry, *said[entry.id]) for entry in self._collection.images(ids)]

    def _judgements(self, query: Query, timings: Timings, *, captions: bool) -> list[Judgement]:
        """The sentences to ask about: the query's own and, if wanted, captions of its images."""
        judgements = []
        for term in query.terms:
            text = term.text
            if text is None and captions and term.vector is None:
                with timings.stage("caption"):
                    text = self._caption(term)
            if text is not None:
                judgements.append(Judgement(text, term.weight, negated=term.negated))
        if not judgements:
            raise QueryError("a vector has no words to rerank by: leave out rerank")
        return judgements

    def _caption(self, term: Term) -> str:
        """A sentence for a query's image: the best stored one, else one that is made now."""
        if term.image_id is not None:
            stored = self._collection.best_captions([term.image_id])
            if term.image_id in stored:
                return stored[term.image_id]
        if self._describe is None:
            raise QueryError(
                "to rerank by an image its caption is needed, and no captioning checkpoint is at "
                "hand: leave out rerank, or give the Searcher a `describe`"
            )
        if term.image_id is None:
            opened = open_image(term.image or b"", max_pixels=self._max_pixels)
        else:
            place = self._collection.image(term.image_id).place
            opened = open_picture(place, max_pixels=self._max_pixels)
        return self._describe(opened.image)

    def _page(
        self,
        ranking: Ranking,
        place: tuple[str | None, int],
        limit: int,
        timings: Timings,
        known: Mapping[int, ImageEntry],
    ) -> SearchResponse:
        """The page at a place, the kept ranking's name and an offset; reads what is not `known`."""
        name, offset = place
        end = offset + limit
        page = ranking.rows(slice(offset, end))
        with timings.stage("page"):
            others = [number for number in page.ids.tolist() if number not in known]
            read = self._collection.images(others) if others else []
            entries = {**known, **{entry.id: entry for entry in read}}
            hits = tuple(_hit(page, row, entries) for row in range(len(page)))
        more = name is not None and end < len(ranking)
        return SearchResponse(
            hits=hits,
            count=len(ranking),
            candidates=ranking.candidates,
            reranked=ranking.reranked,
            unverified=ranking.unverified,
            next_cursor=self._collection.rankings.cursor(name, end) if more and name else None,
            timings=timings.milliseconds,
        )

    def _explanation(
        self, query: Query, judgements: Sequence[Judgement], found: Retrieved
    ) -> Explanation:
        index = self._collection.index_info
        return Explanation(
            query=str(query),
            judged=tuple(
                Term(text=one.text, weight=one.weight, negated=one.negated) for one in judgements
            ),
            index=index.description,
            lists=index.lists,
            probes=found.probes,
            searched=found.searched,
            captions=found.captions,
        )


def _as_found(found: Retrieved, request: SearchRequest) -> Ranking:
    """All that pages go through where nothing was judged."""
    unjudged = np.full(len(found.ids), np.nan, dtype=np.float32)
    candidates = min(request.candidates, len(found.ids))
    return Ranking(found.ids, found.cosines, found.scores, unjudged, candidates=candidates)


def _tell(on_event: OnEvent, judged: Sequence[Candidate], done: int, total: int) -> None:
    matches = tuple(Judged(id=one.entry.id, match=one.match, score=one.score) for one in judged)
    on_event(Judgements(matches=matches, reranked=done, candidates=total))


def _ranking(head: Sequence[Candidate], found: Retrieved, request: SearchRequest) -> Ranking:
    """All that pages go through: the candidates that are wanted, and what follows them."""
    least = request.min_match
    if least is None and request.sort is not None and any(one.match is not None for one in head):
        least = MATCHES
    kept = [one for one in head if least is None or _matches(one, least)]
    if request.sort is not None:
        kept = _sorted(kept, request.sort)
    follows = request.min_match is None and request.sort is None
    tail = slice(request.candidates if follows else len(found.ids), None)
    return Ranking(
        np.concatenate([np.array([one.entry.id for one in kept], dtype=np.int64), found.ids[tail]]),
        np.concatenate(
            [np.array([one.cosine for one in kept], dtype=np.float32), found.cosines[tail]]
        ),
        np.concatenate(
            [np.array([one.score for one in kept], dtype=np.float64), found.scores[tail]]
        ),
        np.array(
            [np.nan if one.match is None else one.match for one in kept]
            + [np.nan] * len(found.ids[tail]),
            dtype=np.float32,
        ),
        candidates=len(head),
    )


def _matches(candidate: Candidate, least: float) -> bool:
    return candidate.match is not None and candidate.match >= least


def _sorted(candidates: list[Candidate], order: str) -> list[Candidate]:
    """Order by a field; equal ones stay as they are, and those without a value come last."""
    field = order.removeprefix("-")
    values = [(_field(one.entry, field), one) for one in candidates]
    known = [pair for pair in values if pair[0] is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.startswith("-"))
    return [one for _, one in known] + [one for value, one in values if value is None]


def _field(entry: ImageEntry, name: str) -> Any:  # noqa: ANN401  # text, number or time
    return entry.exif.taken_at if name == "taken_at" else getattr(entry, name)


def _hit(page: Ranking, row: int, entries: Mapping[int, ImageEntry]) -> Hit:
    image_id, match = int(page.ids[row]), float(page.matches[row])
    entry = entries.get(image_id)
    about: dict[str, Any] = (
        {"source": "", "path": "", "width": None, "height": None, "removed": True}
        if entry is None
        else {
            "source": entry.source.name,
            "path": entry.path,
            "width": entry.width,
            "height": entry.height,
            "metadata": entry.metadata,
        }
    )
    return Hit(
        id=image_id,
        match=None if np.isnan(match) else match,
        score=float(page.scores[row]),
        cosine=float(page.cosines[row]),
        **about,
    )
