"""The client whose methods are coroutines, for asyncio and trio."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Self, TypeVar, Unpack

import anyio
import httpx2
from anyio import to_thread
from httpx2 import Request, RequestError, Response

from blipsearch.client import calls
from blipsearch.client.answers import broken, event_of, events_of, is_stream, unfinished
from blipsearch.client.asking import PASSING, Asking, Broken, Service, Waiting, built
from blipsearch.client.calls import Call
from blipsearch.client.order import in_order
from blipsearch.client.retrying import Retries
from blipsearch.errors import ImageError, QueryError
from blipsearch.image_search import (
    SearchOptions,
    TextOptions,
    Wanted,
    asked_for,
    wanted_request,
)
from blipsearch.pictures import Picture, PictureSource
from blipsearch.query import checked_request
from blipsearch.results import Asked, AsyncSearchHit, AsyncSearchResults
from blipsearch.schemas import (
    Alive,
    AnswerResponse,
    CaptionResponse,
    CollectionSummary,
    EventName,
    ImageDetail,
    Judgements,
    Ready,
    SearchRequest,
    SearchResponse,
)

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """A client of a query service; for the tasks of one event loop.

    It is made as a Client is, and its methods are those of Client as coroutines, or as asynchronous
    iterators where a Client's give an iterator. Whoever leaves such an iterator before its end
    closes it, with `contextlib.aclosing` or its `aclose`; closing the one of `search_stream` ends
    the search.
    """

    _closed = True

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        collection: str = "default",
        timeout: float | None = 60.0,
        retries: int = 2,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._service = Service(url, api_key, timeout, retries)
        self.default_collection = collection
        self._retries = Retries(retries)
        self._http = httpx2.AsyncClient(**self._service.options(), transport=transport)
        self._closed = False

    def __str__(self) -> str:
        return f"the client of {self._service.url}"

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._closed = True
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"{self} was not closed", ResourceWarning, stacklevel=2, source=self)

    async def search(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> AsyncSearchResults:
        """See Client.search."""
        request, name = await _request(wanted, options), self._named(collection)
        return AsyncSearchResults.of(
            await self.respond(request, name), asked_for(request, name), self
        )

    async def search_text(
        self, text: str, *, collection: str | None = None, **options: Unpack[TextOptions]
    ) -> AsyncSearchResults:
        """See Client.search_text."""
        name = self._named(collection)
        response = await self._ask(calls.search_text(name, text, options))
        asked = Asked(name, limit=options.get("limit") or 10)
        return AsyncSearchResults.of(response, asked, self)

    async def search_many(
        self,
        queries: Iterable[Wanted],
        *,
        concurrency: int = 8,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> AsyncGenerator[AsyncSearchResults]:
        """See Client.search_many."""
        if concurrency < 1:
            raise QueryError(f"concurrency must be at least 1, not {concurrency}")

        async def answered(wanted: Wanted) -> AsyncSearchResults:
            return await self.search(wanted, collection=collection, **options)

        async with aclosing(in_order(answered, queries, concurrency)) as found:
            async for results in found:
                yield results

    async def search_stream(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> AsyncGenerator[AsyncSearchResults | Judgements]:
        """See Client.search_stream."""
        request, name = await _request(wanted, options), self._named(collection)
        asked = asked_for(request, name)
        async with aclosing(self.events(request, name)) as events:
            async for kind, event in events:
                if isinstance(event, Judgements):
                    yield event
                else:
                    yield AsyncSearchResults.of(event, asked, self, final=kind == "result")

    async def more(
        self, cursor: str, *, limit: int = 10, collection: str | None = None
    ) -> AsyncSearchResults:
        """See Client.more."""
        request = checked_request({"cursor": cursor, "limit": limit})
        return await self.search(request, collection=collection)

    async def iter_pages(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> AsyncGenerator[AsyncSearchResults]:
        """See Client.iter_pages."""
        page: AsyncSearchResults | None
        page = await self.search(wanted, collection=collection, **options)
        while page is not None:
            yield page
            page = await page.next_page()

    async def iter_hits(
        self,
        wanted: Wanted | None = None,
        *,
        collection: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> AsyncGenerator[AsyncSearchHit]:
        """See Client.iter_hits."""
        async with aclosing(self.iter_pages(wanted, collection=collection, **options)) as pages:
            async for page in pages:
                for hit in page:
                    yield hit

    async def respond(self, request: SearchRequest, collection: str) -> SearchResponse:
        """See Client.respond."""
        return await self._ask(calls.search(collection, request))

    async def events(
        self, request: SearchRequest, collection: str
    ) -> AsyncGenerator[tuple[EventName, SearchResponse | Judgements]]:
        """See Client.events."""
        answer = await self._answer(calls.search_events(collection, request), streamed=True)
        done = False
        async with aclosing(answer):
            try:
                async for event in events_of(answer):
                    kind, told = event_of(event, answer)
                    done = done or kind == "result"
                    yield kind, told
            except RequestError as error:
                if not done:
                    raise broken(error, answer) from error
        if not done:
            raise unfinished(answer)

    async def thumbnails(self, ids: Sequence[int], size: int, collection: str) -> dict[int, bytes]:
        """See Client.thumbnails."""

        async def fetched(image_id: int) -> tuple[int, bytes | None]:
            try:
                return image_id, await self.thumbnail(image_id, size, collection=collection)
            except ImageError:
                return image_id, None

        async with aclosing(in_order(fetched, ids, 8)) as found:
            return {image_id: jpeg async for image_id, jpeg in found if jpeg is not None}

    async def caption(
        self,
        image: int | PictureSource,
        prompt: str | None = None,
        *,
        collection: str | None = None,
    ) -> CaptionResponse:
        """See Client.caption."""
        shown = image if isinstance(image, int) else await _picture(image)
        return await self._ask(calls.caption(self._named(collection), shown, prompt))

    async def ask(
        self,
        image: int | PictureSource,
        question: str,
        choices: Sequence[str] | None = None,
        *,
        collection: str | None = None,
    ) -> AnswerResponse:
        """See Client.ask."""
        shown = image if isinstance(image, int) else await _picture(image)
        return await self._ask(calls.answer(self._named(collection), shown, question, choices))

    async def heat_map(self, image_id: int, text: str, *, collection: str | None = None) -> bytes:
        """See Client.heat_map."""
        return await self._ask(calls.heat_map(self._named(collection), image_id, text))

    async def file(self, image_id: int, *, collection: str | None = None) -> bytes:
        """See Client.file."""
        return await self._ask(calls.file(self._named(collection), image_id))

    async def thumbnail(
        self, image_id: int, size: int = 320, *, collection: str | None = None
    ) -> bytes:
        """See Client.thumbnail."""
        return await self._ask(calls.thumbnail(self._named(collection), image_id, size))

    async def image(self, image_id: int, *, collection: str | None = None) -> ImageDetail:
        """See Client.image."""
        return await self._ask(calls.image(self._named(collection), image_id))

    async def add_image(
        self,
        image: PictureSource,
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, object] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """See Client.add_image."""
        picture, place = await _picture(image), self._named(collection)
        return await self._ask(calls.add_image(place, picture, name, tags, metadata))

    async def change_image(
        self,
        image_id: int,
        *,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, object] | None = None,
        captions: Sequence[str] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """See Client.change_image."""
        change = {"tags": tags, "metadata": metadata, "captions": captions}
        return await self._ask(calls.change_image(self._named(collection), image_id, change))

    async def remove_image(self, image_id: int, *, collection: str | None = None) -> None:
        """See Client.remove_image."""
        await self._ask(calls.remove_image(self._named(collection), image_id))

    async def collections(self) -> tuple[CollectionSummary, ...]:
        """See Client.collections."""
        return (await self._ask(calls.collections())).collections

    async def collection(self, name: str | None = None) -> CollectionSummary:
        """See Client.collection."""
        return await self._ask(calls.collection(self._named(name)))

    async def alive(self) -> Alive:
        """See Client.alive."""
        return await self._ask(calls.alive())

    async def ready(self) -> Ready:
        """See Client.ready."""
        return await self._ask(calls.ready())

    async def wait_until_ready(self, timeout: float = 60.0) -> Ready:  # noqa: ASYNC109  # as Client
        """See Client.wait_until_ready."""
        waiting = Waiting(timeout)
        while True:
            try:
                found = await self._ask(calls.ready(waiting.left))
            except PASSING as error:
                pause = waiting.pause(error)
            else:
                if found.status == "ready":
                    return found
                pause = waiting.pause(found)
            await anyio.sleep(pause)

    async def metrics(self) -> str:
        """See Client.metrics."""
        return await self._ask(calls.metrics())

    async def sign_in(self, key: str) -> None:
        """See Client.sign_in."""
        await self._ask(calls.sign_in(key))

    async def sign_out(self) -> None:
        """See Client.sign_out."""
        await self._ask(calls.sign_out())

    def _named(self, collection: str | None) -> str:
        return self.default_collection if collection is None else collection

    async def _ask(self, call: Call[T]) -> T:
        return call.read(await self._answer(call))

    async def _answer(self, call: Call[T], *, streamed: bool = False) -> Response:
        """The answer to a call, sent as often as it takes; its body is read unless `streamed`."""
        asking = Asking(call, built(self._http, call), self._retries)
        while True:
            outcome = await self._sent(asking.request, streamed=streamed)
            pause = asking.pause(outcome)
            if pause is None:
                return asking.settled(outcome)
            await anyio.sleep(pause)

    async def _sent(self, request: Request, *, streamed: bool) -> Response | Broken:
        try:
            answer = await self._http.send(request, stream=True)
        except RequestError as error:
            return Broken(error)
        if streamed and is_stream(answer):
            return answer
        async with aclosing(answer):
            try:
                await answer.aread()
            except RequestError as error:
                return Broken(error, answer)
        return answer


async def _request(wanted: Wanted | None, options: Mapping[str, Any]) -> SearchRequest:
    if options.get("image") is None:
        return wanted_request(wanted, options)
    # Reading a picture, or writing one as PNG, would keep the event loop.
    return await to_thread.run_sync(wanted_request, wanted, options)


async def _picture(source: PictureSource) -> Picture:
    return await to_thread.run_sync(Picture.of, source)
