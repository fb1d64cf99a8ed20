"""What a search answers, in the same words for Python, JSON, the service and the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CollectionList",
    "CollectionSummary",
    "Hit",
    "SearchRequest",
    "SearchResponse",
    "StatesSummary",
]


class Wire(BaseModel):
    """Base of the types that travel: frozen, and unknown fields of a newer server are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Hit(Wire):
    """One image of a search's answer.

    `match` is BLIP's probability, 0 to 1, that the picture matches the sentence (softmax of the
    ITM logits, [ENC]); None where no rerank ran or the file could not be read for it. `cosine` is
    the similarity of the two embeddings, -1 to 1. `score` is what the hits are ordered by: the ITM
    match logit plus the cosine after a rerank (the published ranking), else the cosine. `path` is
    relative to the root of `source`.
    """

    id: int
    match: Annotated[float, Field(ge=0, le=1)] | None
    score: float
    cosine: float
    source: str
    path: str
    width: int | None
    height: int | None
    metadata: Mapping[str, object] = Field(default_factory=dict)


class SearchResponse(Wire):
    """The hits, best first.

    `count` is how many of the candidates matched (at least `min_match`, where one was given), of
    which `hits` are the first. `candidates` is how many images the ranking looked at, `reranked`
    how many of them have a match probability, `unverified` how many the rerank could not read;
    where these are fewer, the time was up. `timings` are milliseconds by stage.
    """

    hits: tuple[Hit, ...]
    count: int
    candidates: int
    reranked: int = 0
    unverified: int = 0
    timings: Mapping[str, float]


class SearchRequest(Wire):
    """What to search for: the body of a search over HTTP.

    `candidates` images are reranked by BLIP's ITM head unless `rerank` is false, or as many of them
    as can be in `rerank_budget` seconds; hits with a match probability below `min_match` are left
    out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: Annotated[str, Field(min_length=1, max_length=1000)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    candidates: Annotated[int, Field(ge=1, le=1000)] = 64
    rerank: bool = True
    min_match: Annotated[float, Field(ge=0, le=1)] | None = None
    rerank_budget: Annotated[float, Field(gt=0, le=3600)] | None = None


class StatesSummary(Wire):
    """The image states that a collection keeps on disk for reranking.

    `kind` says how they are kept and `budget` how many bytes they may take; `images` have one, in
    `bytes` on disk.
    """

    kind: Literal["float16", "int8", "merged", "none"]
    images: int
    bytes: int
    budget: int


class CollectionSummary(Wire):
    """One collection: how many images it holds and which checkpoint embedded them."""

    name: str
    images: int
    failed: int
    missing: int
    checkpoint: str
    fingerprint: str
    dim: int
    created_at: datetime
    states: StatesSummary


class CollectionList(Wire):
    """The collections of a library."""

    collections: tuple[CollectionSummary, ...]
