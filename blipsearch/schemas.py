"""What a search answers, in the same words for Python, JSON, the service and the SDK."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from blipsearch.filters import Filter

__all__ = [
    "Alive",
    "AnswerRequest",
    "AnswerResponse",
    "CaptionRequest",
    "CaptionResponse",
    "CollectionList",
    "CollectionSummary",
    "ErrorResponse",
    "Explanation",
    "Hit",
    "Hybrid",
    "ImageChange",
    "ImageDetail",
    "Include",
    "Judged",
    "Judgements",
    "Problem",
    "Ready",
    "SearchRequest",
    "SearchResponse",
    "Sort",
    "StatesSummary",
    "StoredAnswer",
    "StoredCaption",
    "Term",
]

MOST_HITS = 1000
"""Hits of one page at most."""
MOST_CANDIDATES = 4096
MOST_SAID = 64
"""Hits of one page at most that carry captions or answers."""
MOST_TERMS = 32


def _from_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise PydanticCustomError("base64", "a file's bytes come as base64") from error


def _readable(text: str) -> str:
    """Text that UTF-8 can hold: the bytes of a file name that is none are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _readable_values(value: object) -> object:
    if isinstance(value, str):
        return _readable(value)
    if isinstance(value, Mapping):
        return {_readable(str(key)): _readable_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_readable_values(one) for one in value]
    return value


FileText = Annotated[str, PlainSerializer(_readable, return_type=str, when_used="json")]
"""A path or a name of a file. In JSON, what in it is no UTF-8 is written as escapes."""
Metadata = Annotated[
    Mapping[str, object],
    PlainSerializer(_readable_values, return_type=Mapping[str, object], when_used="json"),
]
Content = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(lambda content: base64.b64encode(content).decode("ascii"), when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
    Field(min_length=1),
]
"""The bytes of a file; base64 in JSON."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
Vector = Annotated[tuple[float, ...], Field(min_length=1, max_length=65_536)]
ImageId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""What databases keep as an integer."""
ImageUrl = Annotated[
    str, StringConstraints(max_length=2000, pattern=r"^https?://", strip_whitespace=True)
]

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


Include = Literal["caption", "metadata"]
"""What a hit may carry besides: a caption of its picture. Metadata always comes along."""


class Wire(BaseModel):
    """Base of the types that travel: frozen, and unknown fields of a newer server are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)


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
        _exactly_one(self, ("text", "image", "image_url", "image_id", "vector"))
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
    earlier search; with it goes only `limit`).

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
        _exactly_one(self, ("query", "image", "image_url", "image_id", "vector", "terms", "cursor"))
        beside = sorted(self.model_fields_set - {"cursor", "limit", "include", "ask"})
        if self.cursor is not None and beside:
            raise ValueError(f"a cursor goes with limit alone, not with {', '.join(beside)}")
        if self.limit > MOST_SAID and (self.include or self.ask):
            raise ValueError(f"captions and answers come with a limit of at most {MOST_SAID}")
        for name in ("min_match", "rerank_budget"):
            if self.rerank is False and getattr(self, name) is not None:
                raise ValueError(f"{name} needs the rerank: leave out rerank, or make it true")
        return self


class StoredCaption(Wire):
    """A caption that the collection keeps; `match` is the ITM probability it was kept with."""

    text: str
    checkpoint: FileText
    match: float | None


class StoredAnswer(Wire):
    """An answer that the collection keeps."""

    question: str
    answer: str
    checkpoint: FileText


class ImageDetail(Wire):
    """All that is known of one image of a collection.

    `status` is `indexed`, `failed` (`reason` says why) or `missing` (the file was gone when its
    source was last looked at). `taken_at` is the camera's own clock; latitude and longitude are
    degrees, south and west negative. `path` is relative to the root of `source`.
    """

    id: int
    status: Literal["indexed", "failed", "missing"]
    reason: str
    source: FileText
    path: FileText
    bytes: int
    sha256: str
    width: int | None
    height: int | None
    format: str | None
    taken_at: datetime | None
    camera: str | None
    lens: str | None
    latitude: float | None
    longitude: float | None
    tags: tuple[str, ...]
    metadata: Metadata
    captions: tuple[StoredCaption, ...]
    answers: tuple[StoredAnswer, ...]


Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class ImageChange(Wire):
    """What to replace of an image; what is left out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: Annotated[tuple[Tag, ...], Field(max_length=100)] | None = None
    metadata: Metadata | None = None


class CaptionRequest(Wire):
    """How to caption an image: `prompt` are the words that its caption begins with, if any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[str, Field(max_length=200)] | None = None


class CaptionResponse(Wire):
    """A caption of an image, and the checkpoint that wrote it.

    It begins with the prompt, where one was given. `match` is BLIP's probability, 0 to 1, that the
    picture matches the caption; None where the collection's checkpoint cannot tell.
    """

    text: str
    match: float | None
    checkpoint: FileText


class AnswerRequest(Wire):
    """A question about an image; with `choices` the likeliest of them is the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Text
    choices: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000)] | None = None


class AnswerResponse(Wire):
    """An answer to a question about an image, and the checkpoint that gave it."""

    question: str
    answer: str
    checkpoint: FileText


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
    checkpoint: FileText
    fingerprint: str
    dim: int
    created_at: datetime
    states: StatesSummary


class Alive(Wire):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Ready(Wire):
    """Whether a search would be answered at once.

    `starting` until the checkpoints of all collections are loaded and tried; `failed` where one
    cannot be: `problems` say why, and the other collections can be searched. `checkpoints` are in
    memory now, by task; those for captions and answers come when they are first needed.
    """

    status: Literal["starting", "ready", "failed"]
    collections: int
    checkpoints: Mapping[Literal["retrieval", "caption", "answer"], tuple[str, ...]]
    problems: tuple[str, ...] = ()


class CollectionList(Wire):
    """The collections of a library."""

    collections: tuple[CollectionSummary, ...]


class Problem(Wire):
    """Why a request was not answered: a stable code, a message for people, and what else is known.

    `code` is that of the error which the library raises for it.
    """

    code: str
    message: str
    detail: Mapping[str, object] = Field(default_factory=dict)


class ErrorResponse(Wire):
    """The one form of every error over HTTP."""

    error: Problem


def _exactly_one(value: BaseModel, names: Sequence[str]) -> None:
    given = [name for name in names if getattr(value, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "none"
        raise ValueError(f"give exactly one of {', '.join(names)}; there is {found}")
