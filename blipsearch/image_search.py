"""The search methods that a client of a service and a library open in this process share.

Code written for one runs on the other: only the line that opens it differs. Light: nothing here
imports more than pydantic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Self, TypedDict, TypeVar, Unpack

from blipsearch.errors import ImageError, QueryError
from blipsearch.filters import Filter
from blipsearch.pictures import Picture, PictureSource
from blipsearch.query import Query, as_request, checked_request
from blipsearch.results import Asked, SearchHit, SearchResults
from blipsearch.schemas import (
    AnswerResponse,
    CaptionResponse,
    CollectionSummary,
    EventName,
    Hybrid,
    ImageDetail,
    Include,
    Judgements,
    SearchRequest,
    SearchResponse,
    Sort,
    Term,
)

__all__ = [
    "ImageSearch",
    "SearchOptions",
    "TextOptions",
    "Wanted",
    "asked_for",
    "text_options",
    "wanted_request",
]

T = TypeVar("T")
R = TypeVar("R")

Wanted = str | Query | SearchRequest
"""What to search for: a sentence, taken literally; a query of several terms; a whole request."""


class TextOptions(TypedDict, total=False):
    """Options of a search; each is the field of SearchRequest of that name."""

    limit: int
    filter: str | None
    candidates: int
    rerank: bool | None
    min_match: float | None
    rerank_budget: float | None
    hybrid: Hybrid
    sort: Sort | None
    explain: bool


class SearchOptions(TypedDict, total=False):
    """Options of a search; each is the field of SearchRequest of that name.

    Where the search has no sentence, one of `image` (also a path, an open file or a PIL image),
    `image_url`, `image_id`, `vector` and `terms` says what to search for.
    """

    image: PictureSource
    image_url: str
    image_id: int
    vector: Sequence[float]
    terms: Sequence[Term]
    limit: int
    filter: str | Filter | Mapping[str, object] | None
    candidates: int
    rerank: bool | None
    min_match: float | None
    rerank_budget: float | None
    hybrid: Hybrid
    sort: Sort | None
    explain: bool
    include: Sequence[Include]
    ask: str | None


def wanted_request(wanted: Wanted | None, options: Mapping[str, Any]) -> SearchRequest:
    """One checked request of what is wanted and options.

    Raises QueryError for values that a request does not take, ImageUnreadableError for a picture
    that cannot be read.
    """
    given = dict(options)
    if given.get("image") is not None:
        given["image"] = Picture.of(given["image"]).content
    if given.get("vector") is not None:
        try:
            given["vector"] = tuple(float(number) for number in given["vector"])
        except (TypeError, ValueError) as error:
            raise QueryError(f"vector: give numbers: {error}") from error
    return checked_request(given) if wanted is None else as_request(wanted, given)


def text_options(text: str, options: TextOptions) -> dict[str, Any]:
    """The options of a search by text that say something.

    Raises QueryError for options that it does not take, and for values that a search does not.
    """
    unknown = sorted(set(options) - TextOptions.__annotations__.keys())
    if unknown:
        raise QueryError(f"a search by text takes no {', '.join(unknown)}; use search for that")
    given = {name: value for name, value in options.items() if value is not None}
    checked_request({"query": text, **given})
    return given


def asked_for(request: SearchRequest, collection: str) -> Asked:
    """What hits and further pages need to know of a request."""
    texts = [request.query, *(term.text for term in request.terms or () if not term.negated)]
    wanted = next((text for text in texts if text is not None), None)
    return Asked(collection, wanted, request.limit, request.include, request.ask)


class ImageSearch(ABC):
    """Searches collections of images, and tells more of each hit.

    `collection` of a method names the collection; None is the one that this was made for. Every
    method raises CollectionNotFoundError for one that is not there, QueryError and its kin for what
    cannot be asked, ImageNotFoundError for an image that is not in the collection, ImageError where
    a picture cannot be read, CheckpointError where a checkpoint cannot be had, and from a service
    ServiceError and its kin.
    """

    default_collection: str

    def search(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResults:
        """Rank the collection's images by how well they match a sentence, an image, or several.

        The first `limit` hits come, best first; nothing above `min_match` gives none.
        """
        request = wanted_request(wanted, options)
        name = self._named(collection)
        return SearchResults.of(self.respond(request, name), asked_for(request, name), self)

    def search_text(
        self, text: str, *, collection: str | None = None, **options: Unpack[TextOptions]
    ) -> SearchResults:
        """Search for what people type in the small syntax: '2:red boat + id:17 - people'.

        A path in it is only words.
        """
        name = self._named(collection)
        response = self.respond_to_text(text, options, name)
        return SearchResults.of(response, Asked(name, limit=options.get("limit") or 10), self)

    def search_many(
        self,
        queries: Iterable[Wanted],
        *,
        concurrency: int = 8,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> Iterator[SearchResults]:
        """Search for each of many queries with the same options; answers come in their order.

        At most `concurrency` are asked at a time, and no more than that read ahead from `queries`.
        The first error ends it.
        """
        if concurrency < 1:
            raise QueryError(f"concurrency must be at least 1, not {concurrency}")

        def answered(wanted: Wanted) -> SearchResults:
            return self.search(wanted, collection=collection, **options)

        return self._in_order(answered, queries, concurrency)

    def search_stream(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> Generator[SearchResults | Judgements]:
        """Search, and tell what is known so far.

        First comes the page by cosine (its `final` is False), then Judgements as batches of
        candidates are judged, at last the answer. An answer that was known already comes alone.
        Closing the iterator ends the search.
        """
        request = wanted_request(wanted, options)
        name = self._named(collection)
        return self._told(request, name)

    def more(self, cursor: str, *, limit: int = 10, collection: str | None = None) -> SearchResults:
        """The page that a `next_cursor` leads to.

        Raises InvalidCursorError, CursorExpiredError.
        """
        request = checked_request({"cursor": cursor, "limit": limit})
        name = self._named(collection)
        return SearchResults.of(self.respond(request, name), asked_for(request, name), self)

    def iter_pages(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> Iterator[SearchResults]:
        """Search, and go through the ranking page by page, `limit` hits each."""
        page: SearchResults | None = self.search(wanted, collection=collection, **options)
        while page is not None:
            yield page
            page = page.next_page()

    def iter_hits(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> Iterator[SearchHit]:
        """Search, and go through the whole ranking hit by hit; pages of `limit` come as needed."""
        for page in self.iter_pages(wanted, collection=collection, **options):
            yield from page

    def thumbnails(self, ids: Sequence[int], size: int, collection: str) -> dict[int, bytes]:
        """JPEGs of several images by id; one that is gone or cannot be read is left out."""

        def fetched(image_id: int) -> tuple[int, bytes | None]:
            try:
                return image_id, self.thumbnail(image_id, size, collection=collection)
            except ImageError:
                return image_id, None

        found = self._in_order(fetched, ids, 8)
        return {image_id: jpeg for image_id, jpeg in found if jpeg is not None}

    @property
    def bytes_at_hand(self) -> bool:
        """Whether pictures are on this machine, so that showing them costs no request."""
        return False

    def path_of(self, image_id: int, *, collection: str | None = None) -> str | None:
        """The absolute path of an image's file on this machine; None where a service has it."""
        del image_id, collection
        return None

    @abstractmethod
    def respond(self, request: SearchRequest, collection: str) -> SearchResponse:
        """Answer a whole request, in the wire's types."""

    @abstractmethod
    def respond_to_text(self, text: str, options: TextOptions, collection: str) -> SearchResponse:
        """Answer a query in the small syntax, in the wire's types."""

    @abstractmethod
    def events(
        self, request: SearchRequest, collection: str
    ) -> Generator[tuple[EventName, SearchResponse | Judgements]]:
        """Answer a whole request progressively: "ranking", "matches" as they come, "result"."""

    @abstractmethod
    def caption(
        self,
        image: int | PictureSource,
        prompt: str | None = None,
        *,
        collection: str | None = None,
    ) -> CaptionResponse:
        """Say in words what an image shows: one of the collection, by its id, or any picture.

        The caption begins with `prompt`, where one is given.
        """

    @abstractmethod
    def ask(
        self,
        image: int | PictureSource,
        question: str,
        choices: Sequence[str] | None = None,
        *,
        collection: str | None = None,
    ) -> AnswerResponse:
        """Answer a question about an image; with `choices` the likeliest of them is the answer."""

    @abstractmethod
    def heat_map(self, image_id: int, text: str, *, collection: str | None = None) -> bytes:
        """Draw, as PNG, which part of an image answers to which word of a text."""

    @abstractmethod
    def file(self, image_id: int, *, collection: str | None = None) -> bytes:
        """The bytes of an image's file."""

    @abstractmethod
    def thumbnail(self, image_id: int, size: int = 320, *, collection: str | None = None) -> bytes:
        """A JPEG of an image, upright, its longest side at most `size` pixels (16 to 2048)."""

    @abstractmethod
    def image(self, image_id: int, *, collection: str | None = None) -> ImageDetail:
        """All that is known of an image."""

    @abstractmethod
    def add_image(
        self,
        image: PictureSource,
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, object] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """Add a picture to the collection, searchable at once.

        Its file is kept with the collection, under a name that ends with `name`. The same bytes
        again are the same image. Raises ImageUnreadableError, ImageTooLargeError, QueryError for
        metadata that cannot be kept.
        """

    @abstractmethod
    def change_image(
        self,
        image_id: int,
        *,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, object] | None = None,
        captions: Sequence[str] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """Replace an image's tags, its metadata, the captions that people wrote of it, or all.

        What is None stays as it is. Captions are found by `hybrid` and filters.
        """

    @abstractmethod
    def remove_image(self, image_id: int, *, collection: str | None = None) -> None:
        """Take an image out of the collection; its file stays, unless it was added here."""

    @abstractmethod
    def collections(self) -> tuple[CollectionSummary, ...]:
        """The collections there are, by name."""

    @abstractmethod
    def collection(self, name: str | None = None) -> CollectionSummary:
        """One collection: how many images it holds and which checkpoint embedded them."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections or files; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _named(self, collection: str | None) -> str:
        return self.default_collection if collection is None else collection

    def _told(self, request: SearchRequest, name: str) -> Generator[SearchResults | Judgements]:
        asked = asked_for(request, name)
        with closing(self.events(request, name)) as events:
            for kind, event in events:
                if isinstance(event, Judgements):
                    yield event
                else:
                    yield SearchResults.of(event, asked, self, final=kind == "result")

    def _in_order(
        self, function: Callable[[T], R], items: Iterable[T], concurrency: int
    ) -> Iterator[R]:
        """Call a function for each item, `concurrency` at a time, and give results in order."""
        waiting: deque[Future[R]] = deque()
        with ThreadPoolExecutor(concurrency, thread_name_prefix="blipsearch") as threads:
            try:
                for item in items:
                    waiting.append(threads.submit(function, item))
                    if len(waiting) >= concurrency:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
