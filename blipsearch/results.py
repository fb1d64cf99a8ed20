"""What a search gives to Python code: hits that can say more about themselves, in pages.

The same for the clients of a service and for a library that is open in this process. Light: nothing
here imports more than pydantic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, overload

from blipsearch.errors import QueryError
from blipsearch.schemas import (
    AnswerResponse,
    CaptionResponse,
    Explanation,
    Hit,
    ImageDetail,
    Include,
    SearchRequest,
    SearchResponse,
)
from blipsearch.strip import strip_html

__all__ = [
    "Asked",
    "AsyncSearchHit",
    "AsyncSearchResults",
    "SearchHit",
    "SearchResults",
]

STRIP_SIZE = 160
"""The longest side of a strip's thumbnails, in pixels."""

H = TypeVar("H", bound="HitFacts")


class Desk(Protocol):
    """What hits and results need of whoever made them; see ImageSearch."""

    @property
    def bytes_at_hand(self) -> bool: ...
    def respond(self, request: SearchRequest, collection: str) -> SearchResponse: ...
    def thumbnails(self, ids: Sequence[int], size: int, collection: str) -> dict[int, bytes]: ...
    def caption(
        self, image: int, prompt: str | None = None, *, collection: str | None = None
    ) -> CaptionResponse: ...
    def ask(
        self,
        image: int,
        question: str,
        choices: Sequence[str] | None = None,
        *,
        collection: str | None = None,
    ) -> AnswerResponse: ...
    def heat_map(self, image_id: int, text: str, *, collection: str | None = None) -> bytes: ...
    def file(self, image_id: int, *, collection: str | None = None) -> bytes: ...
    def thumbnail(
        self, image_id: int, size: int = 320, *, collection: str | None = None
    ) -> bytes: ...
    def image(self, image_id: int, *, collection: str | None = None) -> ImageDetail: ...


class AsyncDesk(Protocol):
    """The same of an AsyncClient."""

    def respond(self, request: SearchRequest, collection: str) -> Awaitable[SearchResponse]: ...
    def thumbnails(
        self, ids: Sequence[int], size: int, collection: str
    ) -> Awaitable[dict[int, bytes]]: ...
    def caption(
        self, image: int, prompt: str | None = None, *, collection: str | None = None
    ) -> Awaitable[CaptionResponse]: ...
    def ask(
        self,
        image: int,
        question: str,
        choices: Sequence[str] | None = None,
        *,
        collection: str | None = None,
    ) -> Awaitable[AnswerResponse]: ...
    def heat_map(
        self, image_id: int, text: str, *, collection: str | None = None
    ) -> Awaitable[bytes]: ...
    def file(self, image_id: int, *, collection: str | None = None) -> Awaitable[bytes]: ...
    def thumbnail(
        self, image_id: int, size: int = 320, *, collection: str | None = None
    ) -> Awaitable[bytes]: ...
    def image(self, image_id: int, *, collection: str | None = None) -> Awaitable[ImageDetail]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, as far as hits and further pages need it.

    `text` is the first sentence that a picture should match, None where there is none.
    """

    collection: str
    text: str | None = None
    limit: int = 10
    include: tuple[Include, ...] = ()
    ask: str | None = None

    def page(self, cursor: str) -> SearchRequest:
        """The request for another page of the same."""
        return SearchRequest(cursor=cursor, limit=self.limit, include=self.include, ask=self.ask)


@dataclass(frozen=True, slots=True)
class HitFacts:
    """What is known of a hit without asking; see `Hit` in the wire types for what each means.

    `answer` is there where the search asked a question about every hit.
    """

    id: int
    match: float | None
    score: float
    cosine: float
    source: str
    path: str
    width: int | None
    height: int | None
    metadata: Mapping[str, object] = field(hash=False)
    removed: bool
    answer: str | None
    collection: str
    _caption: str | None = field(repr=False)
    _text: str | None = field(repr=False)

    def _words(self, text: str | None) -> str:
        words = text or self._text
        if words is None:
            raise QueryError(
                "a heat map is about words, and this hit knows none that it was found by: say "
                "which, as in hit.heat_map('a boat')"
            )
        return words


@dataclass(frozen=True, slots=True)
class SearchHit(HitFacts):
    """One image of a search's answer.

    Its methods ask whoever answered the search, and raise what the methods of the same name there
    do: ImageNotFoundError once the image is gone, ImageError, CheckpointError, ServiceError.
    """

    _desk: Desk = field(repr=False, compare=False)

    def caption(self, prompt: str | None = None) -> str:
        """A caption: the one that came with the hit, else (or with a prompt) one written now."""
        if self._caption is not None and prompt is None:
            return self._caption
        return self._desk.caption(self.id, prompt, collection=self.collection).text

    def ask(self, question: str, choices: Sequence[str] | None = None) -> str:
        """The answer to a question about the picture; with `choices` the likeliest of them."""
        return self._desk.ask(self.id, question, choices, collection=self.collection).answer

    def heat_map(self, text: str | None = None) -> bytes:
        """A PNG of which part answered to which word; of the search's sentence by default.

        Say the words for hits of `search_text` and `more`, which do not know their sentence.
        """
        return self._desk.heat_map(self.id, self._words(text), collection=self.collection)

    def file(self) -> bytes:
        """The bytes of the picture's file."""
        return self._desk.file(self.id, collection=self.collection)

    def thumbnail(self, size: int = 320) -> bytes:
        """A JPEG of the picture, its longest side at most `size` pixels (16 to 2048)."""
        return self._desk.thumbnail(self.id, size, collection=self.collection)

    def detail(self) -> ImageDetail:
        """All that is known of the image."""
        return self._desk.image(self.id, collection=self.collection)


@dataclass(frozen=True, slots=True)
class AsyncSearchHit(HitFacts):
    """A SearchHit whose methods are coroutines."""

    _desk: AsyncDesk = field(repr=False, compare=False)

    async def caption(self, prompt: str | None = None) -> str:
        """See SearchHit.caption."""
        if self._caption is not None and prompt is None:
            return self._caption
        return (await self._desk.caption(self.id, prompt, collection=self.collection)).text

    async def ask(self, question: str, choices: Sequence[str] | None = None) -> str:
        """See SearchHit.ask."""
        return (await self._desk.ask(self.id, question, choices, collection=self.collection)).answer

    async def heat_map(self, text: str | None = None) -> bytes:
        """See SearchHit.heat_map."""
        return await self._desk.heat_map(self.id, self._words(text), collection=self.collection)

    async def file(self) -> bytes:
        """See SearchHit.file."""
        return await self._desk.file(self.id, collection=self.collection)

    async def thumbnail(self, size: int = 320) -> bytes:
        """See SearchHit.thumbnail."""
        return await self._desk.thumbnail(self.id, size, collection=self.collection)

    async def detail(self) -> ImageDetail:
        """See SearchHit.detail."""
        return await self._desk.image(self.id, collection=self.collection)


@dataclass(frozen=True, slots=True, repr=False)
class Results(Generic[H]):
    """A page of one frozen ranking, best first: it can be gone through, indexed and sliced.

    The numbers are those of SearchResponse in the wire types. `final` is False for what a
    progressive search knows before the hits are judged. `thumbnails` are JPEGs by image id, where
    they were fetched; with them a notebook shows the page as a strip of pictures.
    """

    hits: tuple[H, ...]
    count: int
    candidates: int
    reranked: int
    unverified: int
    next_cursor: str | None
    timings: Mapping[str, float] = field(hash=False, compare=False)
    explanation: Explanation | None
    final: bool
    thumbnails: Mapping[int, bytes] = field(hash=False, compare=False)
    _asked: Asked

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[H]:
        return iter(self.hits)

    @overload
    def __getitem__(self, index: int) -> H: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[H, ...]: ...
    def __getitem__(self, index: int | slice) -> H | tuple[H, ...]:
        return self.hits[index]

    def __repr__(self) -> str:
        about = f" for {self._asked.text!r}" if self._asked.text else ""
        return f"<{len(self)} of {self.count} hits{about} in {self._asked.collection!r}>"

    def _repr_html_(self) -> str | None:
        """What a notebook shows: None, for the plain form, where no thumbnail is at hand."""
        return strip_html(self.hits, self.thumbnails, repr(self)) if self.thumbnails else None

    @property
    def _shown(self) -> list[int]:
        return [hit.id for hit in self.hits if not hit.removed]


@dataclass(frozen=True, slots=True, repr=False)
class SearchResults(Results[SearchHit]):
    """A page of hits; see Results."""

    _desk: Desk = field(repr=False, compare=False)

    @classmethod
    def of(
        cls, response: SearchResponse, asked: Asked, desk: Desk, *, final: bool = True
    ) -> SearchResults:
        """Make a page of an answer."""
        hits = tuple(SearchHit(**_facts(hit, asked), _desk=desk) for hit in response.hits)
        return cls(**_page(response, asked), hits=hits, final=final, thumbnails={}, _desk=desk)

    def next_page(self) -> SearchResults | None:
        """The page behind this one; None behind the last.

        Raises CursorExpiredError once the ranking is not kept any more, ServiceError.
        """
        if self.next_cursor is None:
            return None
        request = self._asked.page(self.next_cursor)
        response = self._desk.respond(request, self._asked.collection)
        return SearchResults.of(response, self._asked, self._desk)

    def with_thumbnails(self, size: int = STRIP_SIZE) -> SearchResults:
        """The same page with thumbnails at hand; a picture that cannot be read goes without."""
        found = self._desk.thumbnails(self._shown, size, self._asked.collection)
        return replace(self, thumbnails=found)

    def _repr_html_(self) -> str | None:
        """A strip of pictures where they are at hand: fetched before, or on this machine's disk."""
        if self.thumbnails or not self._desk.bytes_at_hand:
            return Results._repr_html_(self)
        return Results._repr_html_(self.with_thumbnails())


@dataclass(frozen=True, slots=True, repr=False)
class AsyncSearchResults(Results[AsyncSearchHit]):
    """A page of hits whose methods are coroutines; see Results."""

    _desk: AsyncDesk = field(repr=False, compare=False)

    @classmethod
    def of(
        cls, response: SearchResponse, asked: Asked, desk: AsyncDesk, *, final: bool = True
    ) -> AsyncSearchResults:
        """Make a page of an answer."""
        hits = tuple(AsyncSearchHit(**_facts(hit, asked), _desk=desk) for hit in response.hits)
        return cls(**_page(response, asked), hits=hits, final=final, thumbnails={}, _desk=desk)

    async def next_page(self) -> AsyncSearchResults | None:
        """See SearchResults.next_page."""
        if self.next_cursor is None:
            return None
        request = self._asked.page(self.next_cursor)
        response = await self._desk.respond(request, self._asked.collection)
        return AsyncSearchResults.of(response, self._asked, self._desk)

    async def with_thumbnails(self, size: int = STRIP_SIZE) -> AsyncSearchResults:
        """See SearchResults.with_thumbnails."""
        found = await self._desk.thumbnails(self._shown, size, self._asked.collection)
        return replace(self, thumbnails=found)


_HIT = frozenset(Hit.model_fields) - {"caption"}
_PAGE = frozenset(SearchResponse.model_fields) - {"hits"}


def _facts(hit: Hit, asked: Asked) -> dict[str, Any]:
    facts = {name: getattr(hit, name) for name in _HIT}
    return facts | {"collection": asked.collection, "_caption": hit.caption, "_text": asked.text}


def _page(response: SearchResponse, asked: Asked) -> dict[str, Any]:
    return {name: getattr(response, name) for name in _PAGE} | {"_asked": asked}
