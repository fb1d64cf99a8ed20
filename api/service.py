"""What the routes talk to: lets requests in, shares work among them, and hands it to threads."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import ExitStack
from typing import BinaryIO, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from api.batching import Ticket
from api.engine import Engine
from api.flights import Flights
from api.gate import Gate, while_connected
from api.observe import Metrics
from api.settings import ServiceSettings
from api.warmth import Readiness, Warmth
from blipsearch.catalog.keys import Keys
from blipsearch.collection import Collection
from blipsearch.details import changed, content_of, detail, indexed
from blipsearch.heatmap import png_bytes
from blipsearch.records import CollectionInfo, ImageEntry
from blipsearch.resource import Resource
from blipsearch.schemas import (
    AnswerRequest,
    AnswerResponse,
    CaptionResponse,
    CollectionSummary,
    EventName,
    ImageChange,
    ImageDetail,
    SearchRequest,
    SearchResponse,
)
from blipsearch.search import SearchEvent
from blipsearch.settings import Settings
from blipsearch.thumbnails import Thumbnails
from indexer.uploads import Upload

__all__ = ["SearchService"]

T = TypeVar("T")


class SearchService(Resource):
    """Owns the library and the checkpoints in memory, for one event loop.

    The methods that are `async` compute: they wait their turn in a bounded queue, give up when the
    client of their request leaves, and raise OverloadedError where the queue is full or the time
    is up. The others only read a little, and may be called from any thread.
    """

    def __init__(self, settings: Settings, service: ServiceSettings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._resources = ExitStack()
        self._engine = self._resources.enter_context(Engine(settings, service, metrics))
        self._gate = Gate(
            self._engine.batcher,
            concurrency=service.concurrency,
            queue=service.queue,
            seconds=service.request_seconds,
        )
        self._resources.callback(self._gate.close)
        self._warmth = self._resources.enter_context(Warmth(self._engine, service))
        self._flights: Flights[SearchResponse] = Flights(service.cache, metrics.cache)
        metrics.watch_queue(
            lambda: {"requests": self._gate.waiting, "batches": self._engine.batcher.depth},
            lambda: {"requests": self._gate.working},
        )
        metrics.watch_checkpoints(
            lambda: {task: len(names) for task, names in self._engine.networks.loaded().items()}
        )
        metrics.watch_collections(self.summaries)
        self._thumbnails = Thumbnails(max_pixels=settings.max_pixels)
        self._decoders = CapacityLimiter(os.cpu_count() or 1)
        self._closed = False

    def __str__(self) -> str:
        return f"the search service of {self._engine.library.path}"

    def close(self) -> None:
        """Finish or cancel what runs, and close the library; may be called again."""
        self._closed = True
        self._resources.close()

    @property
    def keys(self) -> Keys:
        """The library's API keys."""
        return self._engine.library.keys

    @property
    def is_full(self) -> bool:
        """Whether nothing more may wait for the networks now."""
        return self._gate.is_full

    @property
    def readiness(self) -> Readiness:
        """Whether a search would be answered at once, and what is in memory for it."""
        return self._warmth.readiness

    def collections(self) -> list[CollectionInfo]:
        """Return every collection of the library as it is now."""
        return self._engine.library.collections()

    def summaries(self) -> tuple[CollectionSummary, ...]:
        """Describe every collection of the library as it is now."""
        library = self._engine.library
        return tuple(library.summary(info) for info in library.collections())

    def summary(self, name: str) -> CollectionSummary:
        """Describe one collection as it is now. Raises CollectionNotFoundError."""
        return self._engine.library.summary(self.collection(name).info)

    def collection(self, name: str) -> Collection:
        """Return the open collection. Raises CollectionNotFoundError."""
        return self._engine.collections.get(name)

    async def search(self, name: str, wanted: SearchRequest, request: Request) -> SearchResponse:
        """Search the collection, or take the answer from an equal search.

        Raises CollectionNotFoundError, QueryError and what else Searcher.search raises.
        """
        key = self._key(name, wanted)

        def work(ticket: Ticket) -> SearchResponse:
            return self._search(name, wanted, ticket)

        async with while_connected(request):
            return await self._flights.answer(key, lambda: self._gate.start(work))

    async def events(
        self, name: str, wanted: SearchRequest
    ) -> AsyncGenerator[tuple[EventName, SearchEvent]]:
        """Search the collection, and tell what is known so far; the last event is the answer.

        Raises what `search` raises, at whichever event. Closing the iterator ends the search.
        """
        key = self._key(name, wanted)
        known = self._flights.remembered(key)
        if known is not None:
            yield "result", known
            return
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[SearchEvent | None] = asyncio.Queue()

        def tell(event: SearchEvent | None) -> None:
            loop.call_soon_threadsafe(told.put_nowait, event)

        def work(ticket: Ticket) -> SearchResponse:
            return self._search(name, wanted, ticket, tell)

        answer = self._gate.start(work)
        answer.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while (event := await told.get()) is not None:
                yield "ranking" if isinstance(event, SearchResponse) else "matches", event
            response = await answer
        finally:
            answer.cancel()
        self._flights.remember(key, response)
        yield "result", response

    async def caption(
        self, name: str, picture: int | bytes, prompt: str | None, request: Request
    ) -> CaptionResponse:
        """Caption an image or a file; see Operations.caption. Raises CollectionNotFoundError."""
        return await self._do(
            request, lambda ticket: self._engine.operations(name, ticket).caption(picture, prompt)
        )

    async def answer(
        self, name: str, picture: int | bytes, asked: AnswerRequest, request: Request
    ) -> AnswerResponse:
        """Answer a question about an image or a file; see Operations.answer."""

        def work(ticket: Ticket) -> AnswerResponse:
            operations = self._engine.operations(name, ticket)
            return operations.answer(picture, asked.question, asked.choices)

        return await self._do(request, work)

    async def heat_map(self, name: str, image_id: int, text: str, request: Request) -> bytes:
        """Draw, as PNG, which part of an image answers to which word. Raises as `caption`."""

        def work(ticket: Ticket) -> bytes:
            return png_bytes(self._engine.operations(name, ticket).heat_map(image_id, text))

        return await self._do(request, work)

    async def add(self, name: str, upload: Upload, request: Request) -> tuple[int, bool]:
        """Add a picture; see Engine.add."""
        return await self._do(request, lambda ticket: self._engine.add(name, upload, ticket))

    def indexed(self, name: str, image_id: int) -> ImageEntry:
        """The entry of an image whose file is there. Raises ImageNotFoundError."""
        return indexed(self.collection(name), image_id)

    def image(self, name: str, image_id: int) -> ImageDetail:
        """All that is known of an image. Raises ImageNotFoundError."""
        return detail(self.collection(name), image_id)

    def content(self, entry: ImageEntry) -> BinaryIO:
        """The bytes of an image's file; see content_of."""
        return content_of(entry)

    def change(self, name: str, image_id: int, change: ImageChange) -> ImageDetail:
        """Replace an image's tags or metadata. Raises ImageNotFoundError, QueryError."""
        return changed(self.collection(name), image_id, change)

    def remove(self, name: str, image_id: int) -> None:
        """Take an image out of a collection; see Engine.remove."""
        self._engine.remove(name, image_id)

    async def thumbnail(self, entry: ImageEntry, size: int) -> bytes:
        """A small JPEG of an image; see Thumbnails.get."""
        return await to_thread.run_sync(self._thumbnails.get, entry, size, limiter=self._decoders)

    async def _do(self, request: Request, work: Callable[[Ticket], T]) -> T:
        async with while_connected(request):
            return await self._gate.start(work)

    def _search(
        self,
        name: str,
        wanted: SearchRequest,
        ticket: Ticket,
        tell: Callable[[SearchEvent], None] | None = None,
    ) -> SearchResponse:
        response = self._engine.search(name, wanted, ticket, tell)
        self._metrics.stages(response.timings)
        return response

    def _key(self, name: str, wanted: SearchRequest) -> Hashable | None:
        """What two searches have in common that have the same answer; None: nothing has.

        What is limited in time may come out differently, a page is quick, and captions may be
        added without a change of the collection.
        """
        collection = self._engine.collections.opened(name)
        timed = wanted.rerank_budget is not None or wanted.cursor is not None
        if collection is None or timed or wanted.hybrid != "off" or wanted.include:
            return None
        body = hashlib.sha256(wanted.model_dump_json().encode()).digest()
        return collection.id, collection.change, body
