"""Queries, hits and pages, in the same words for Python, JSON, the service and the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from blipsearch.filters import Filter
from blipsearch.schemas.fields import (
    Content,
    FileText,
    ImageId,
    ImageUrl,
    Metadata,
    Text,
    Vector,
    Wire,
    exactly_one,
)

__all__ = [
    "EventName",
    "Explanation",
    "Hit",
    "Hybrid",
    "Include",
    "Judged",
    "Judgements",
    "SearchRequest",
    "SearchResponse",
    "Sort",
    "Term",
]

MOST_HITS = 1000
"""Hits of one page at most."""
MOST_CANDIDATES = 4096
MOST_SAID = 64
"""Hits of one page at most that carry captions or answers."""
MOST_TERMS = 32


Hybrid = Literal["off", "on", "only"]
"""Whether captions are searched by their words: not, beside the embeddings, or instead of them."""

Sort = Literal[
    "taken_at",
    "-taken_at",
    "path",
    "-path",
    "size",
    "-size",
    "width",
    "-width",
    "height",
    "-height",
]
"""A field to order matches by; with - from the newest or largest. What has none comes last."""


EventName = Literal["ranking", "matches", "result"]
"""What an event of a search is: the hits by cosine, a batch that was judged, or the answer."""

Include = Literal["caption", "metadata"]
"""What a hit may carry besides: a caption of its picture. Metadata always comes along."""


class Term(Wire):
    """One part of a query: a sentence, a picture file, an indexed image or a vector.

    Exactly one of `text`, `image` (in base64), `image_url` (http or https, where the service allows
    it), `image_id` and `vector` (dim numbers, of any length but 0). `weight` says how much the term
    counts beside the others. With `not`, pictures that match the term go down, or out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    text: Text | None = None
    image: Content | None = None
    image_url: ImageUrl | None = None
    image_id: ImageId | None = None
    vector: Vector | None = None
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    negated: bool = Field(default=False, alias="not")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        exactly_one(self, ("text", "image", "image_url", "image_id", "vector"))
        return self


class Hit(Wire):
    """One image of a search's answer.

    `match` is BLIP's probability, 0 to 1, that the picture matches the sentence (softmax of the
    ITM logits, [ENC]); None where no rerank ran or the file could not be read for it. `cosine` is
    the similarity of the two embeddings, -1 to 1. `score` is what the hits are ordered by: the ITM
    match logit plus the cosine after a rerank (the published ranking), else the cosine, or with
    `hybrid` the fused rank. `path` is relative to the root of `source`. An image that was removed
    after its ranking was made keeps its place, `removed`, without a path. `caption` and `answer`
    are there where the search asked for them with `include` and `ask`.
    """

    id: int
    match: Annotated[float, Field(ge=0, le=1)] | None
    score: float
    cosine: float
    source: FileText
    path: FileText
    width: int | None
    height: int | None
    metadata: Metadata = Field(default_factory=dict)
    removed: bool = False
    caption: str | None = None
    answer: str | None = None


class Judged(Wire):
    """What the ITM head said of one candidate; `match` is None where it could not be read.

    `score` is what it will be ranked by.
    """

    id: int
    match: Annotated[float, Field(ge=0, le=1)] | None
    score: float


class Judgements(Wire):
    """A batch of candidates that were just judged: one event of a progressive search.

    `reranked` of `candidates` are done so far.
    """

    matches: tuple[Judged, ...]
    reranked: int
    candidates: int


class Explanation(Wire):
    """How a search came to its answer.

    `query` is the query as it was understood. `judged` are the sentences that the ITM head was
    asked, with what must not match marked by `not`; a query image appears by its caption. `index`
    is the kind of vector index, `probes` how many of its `lists` were searched (0: vectors were
    compared one by one), `searched` how many images were in question after the filter, `captions`
    how many came from a full-text search of captions.
    """

    query: str
    judged: tuple[Term, ...]
    index: str
    lists: int
    probes: int
    searched: int
    captions: int


class SearchResponse(Wire):
    """A page of one frozen ranking, best first.

    `count` is how many images that ranking has: those with a match of at least `min_match` where
    one was given. `candidates` is how many were looked at closely, `reranked` how many of these
    have a match probability, `unverified` how many the rerank could not read; where these are
    fewer, the time was up. `next_cursor` asks for the next page; None on the last. `timings` are
    milliseconds by stage.
    """

    hits: tuple[Hit, ...]
    count: int
    candidates: int
    reranked: int = 0
    unverified: int = 0
    next_cursor: str | None = None
    timings: Mapping[str, float]
    explanation: Explanation | None = None


class SearchRequest(Wire):
    """What to search for: the body of a search over HTTP.

    One of `query` (a sentence), `image` (a picture file, in base64), `image_url` (where the service
    allows it), `image_id`, `vector`, `terms` (several of these) and `cursor` (the next page of an
    earlier search; with it go only `limit`, `include` and `ask`).

    `candidates` images are reranked by BLIP's ITM head, or as many of them as can be in
    `rerank_budget` seconds; images behind them follow by cosine. `rerank` is true where the query
    has a sentence; for a query image it asks about the image's caption. Hits with a match
    probability below `min_match` are left out. `filter` is a filter's short form or its JSON form.
    `hybrid` says whether captions are searched by their words, too. `sort` orders what matches (at
    least `min_match`, or 0.5) by a field, with - from the highest. `include` has "caption" where
    each hit is to carry one, and `ask` is a question that is answered about each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: Text | None = None
    image: Content | None = None
    image_url: ImageUrl | None = None
    image_id: ImageId | None = None
    vector: Vector | None = None
    terms: Annotated[tuple[Term, ...], Field(min_length=1, max_length=MOST_TERMS)] | None = None
    cursor: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = 10
    candidates: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] = 64
    rerank: bool | None = None
    min_match: Annotated[float, Field(ge=0, le=1)] | None = None
    rerank_budget: Annotated[float, Field(gt=0, le=3600)] | None = None
    filter: str | Filter | None = None
    hybrid: Hybrid = "off"
    sort: Sort | None = None
    explain: bool = False
    include: tuple[Include, ...] = ()
    ask: Text | None = None

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        exactly_one(self, ("query", "image", "image_url", "image_id", "vector", "terms", "cursor"))
        beside = sorted(self.model_fields_set - {"cursor", "limit", "include", "ask"})
        if self.cursor is not None and beside:
            names = ", ".join(beside)
            raise ValueError(f"a cursor goes with limit, include and ask alone, not with {names}")
        if self.limit > MOST_SAID and (self.include or self.ask):
            raise ValueError(f"captions and answers come with a limit of at most {MOST_SAID}")
        for name in ("min_match", "rerank_budget"):
            if self.rerank is False and getattr(self, name) is not None:
                raise ValueError(f"{name} needs the rerank: leave out rerank, or make it true")
        return self
