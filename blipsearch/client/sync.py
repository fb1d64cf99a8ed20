"""The client whose methods wait for their answers."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TypeVar

import httpx2
from httpx2 import Request, RequestError, Response

from blipsearch.client import calls
from blipsearch.client.answers import broken, event_of, events_of, is_stream, unfinished
from blipsearch.client.asking import PASSING, Asking, Broken, Service, Waiting, built
from blipsearch.client.calls import Call
from blipsearch.client.retrying import Retries
from blipsearch.image_search import ImageSearch, TextOptions
from blipsearch.pictures import Picture, PictureSource
from blipsearch.resource import Resource
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

__all__ = ["Client"]

T = TypeVar("T")


class Client(ImageSearch, Resource):
    """A client of a query service; safe to use from any thread.

    `url` may have a path, where a proxy puts the service below one. `collection` is the one that is
    searched where a method names none. `timeout` is for how many seconds connecting, and each wait
    for the service to say something, may last; None for ever. What only asks, changes or removes is
    sent again up to `retries` times where no connection can be made, it breaks off, or the service
    is too busy (429, 502, 503, 504); what adds is sent once. `transport` sends the requests instead
    of the network, as one of httpx2's transports does.

    Connections are kept and used again. Raises SettingsError for what cannot be used; methods raise
    the errors that the library itself would, and ServiceUnreachableError, ServiceTimeoutError and
    UnexpectedAnswerError.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        collection: str = "default",
        timeout: float | None = 60.0,
        retries: int = 2,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._service = Service(url, api_key, timeout, retries)
        self.default_collection = collection
        self._retries = Retries(retries)
        self._http = httpx2.Client(**self._service.options(), transport=transport)
        self._closed = False

    def __str__(self) -> str:
        return f"the client of {self._service.url}"

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._closed = True
        self._http.close()

    def respond(self, request: SearchRequest, collection: str) -> SearchResponse:
        """See ImageSearch.respond."""
        return self._ask(calls.search(collection, request))

    def respond_to_text(self, text: str, options: TextOptions, collection: str) -> SearchResponse:
        """See ImageSearch.respond_to_text."""
        return self._ask(calls.search_text(collection, text, options))

    def events(
        self, request: SearchRequest, collection: str
    ) -> Generator[tuple[EventName, SearchResponse | Judgements]]:
        """See ImageSearch.events. Closing the iterator ends the search of the service, too."""
        answer = self._answer(calls.search_events(collection, request), streamed=True)
        done = False
        with closing(answer):
            try:
                for event in events_of(answer):
                    kind, told = event_of(event, answer)
                    done = done or kind == "result"
                    yield kind, told
            except RequestError as error:
                if not done:
                    raise broken(error, answer) from error
        if not done:
            raise unfinished(answer)

    def caption(
        self,
        image: int | PictureSource,
        prompt: str | None = None,
        *,
        collection: str | None = None,
    ) -> CaptionResponse:
        """See ImageSearch.caption."""
        shown = image if isinstance(image, int) else Picture.of(image)
        return self._ask(calls.caption(self._named(collection), shown, prompt))

    def ask(
        self,
        image: int | PictureSource,
        question: str,
        choices: Sequence[str] | None = None,
        *,
        collection: str | None = None,
    ) -> AnswerResponse:
        """See ImageSearch.ask."""
        shown = image if isinstance(image, int) else Picture.of(image)
        return self._ask(calls.answer(self._named(collection), shown, question, choices))

    def heat_map(self, image_id: int, text: str, *, collection: str | None = None) -> bytes:
        """See ImageSearch.heat_map."""
        return self._ask(calls.heat_map(self._named(collection), image_id, text))

    def file(self, image_id: int, *, collection: str | None = None) -> bytes:
        """See ImageSearch.file."""
        return self._ask(calls.file(self._named(collection), image_id))

    def thumbnail(self, image_id: int, size: int = 320, *, collection: str | None = None) -> bytes:
        """See ImageSearch.thumbnail."""
        return self._ask(calls.thumbnail(self._named(collection), image_id, size))

    def image(self, image_id: int, *, collection: str | None = None) -> ImageDetail:
        """See ImageSearch.image."""
        return self._ask(calls.image(self._named(collection), image_id))

    def add_image(
        self,
        image: PictureSource,
        *,
        name: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, object] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """See ImageSearch.add_image."""
        picture, place = Picture.of(image), self._named(collection)
        return self._ask(calls.add_image(place, picture, name, tags, metadata))

    def change_image(
        self,
        image_id: int,
        *,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, object] | None = None,
        captions: Sequence[str] | None = None,
        collection: str | None = None,
    ) -> ImageDetail:
        """See ImageSearch.change_image."""
        change = {"tags": tags, "metadata": metadata, "captions": captions}
        return self._ask(calls.change_image(self._named(collection), image_id, change))

    def remove_image(self, image_id: int, *, collection: str | None = None) -> None:
        """See ImageSearch.remove_image."""
        self._ask(calls.remove_image(self._named(collection), image_id))

    def collections(self) -> tuple[CollectionSummary, ...]:
        """See ImageSearch.collections."""
        return self._ask(calls.collections()).collections

    def collection(self, name: str | None = None) -> CollectionSummary:
        """See ImageSearch.collection."""
        return self._ask(calls.collection(self._named(name)))

    def alive(self) -> Alive:
        """Ask whether the service's process lives."""
        return self._ask(calls.alive())

    def ready(self) -> Ready:
        """Ask whether a search would be answered at once, and if not, why."""
        return self._ask(calls.ready())

    def wait_until_ready(self, timeout: float = 60.0) -> Ready:
        """Wait until a search would be answered at once, also for a service that only starts.

        Raises ServiceTimeoutError after `timeout` seconds, ServiceError where it cannot get ready.
        """
        waiting = Waiting(timeout)
        while True:
            try:
                found = self._ask(calls.ready(waiting.left))
            except PASSING as error:
                pause = waiting.pause(error)
            else:
                if found.status == "ready":
                    return found
                pause = waiting.pause(found)
            time.sleep(pause)

    def metrics(self) -> str:
        """The service's counts, in Prometheus' text form."""
        return self._ask(calls.metrics())

    def sign_in(self, key: str) -> None:
        """Let this client ask with an API key from now on: it is kept in a cookie.

        Raises UnauthorizedError for a key that is not known.
        """
        self._ask(calls.sign_in(key))

    def sign_out(self) -> None:
        """Forget the key of `sign_in`; one given as `api_key` stays."""
        self._ask(calls.sign_out())

    def _ask(self, call: Call[T]) -> T:
        return call.read(self._answer(call))

    def _answer(self, call: Call[T], *, streamed: bool = False) -> Response:
        """The answer to a call, sent as often as it takes; its body is read unless `streamed`."""
        asking = Asking(call, built(self._http, call), self._retries)
        while True:
            outcome = self._sent(asking.request, streamed=streamed)
            pause = asking.pause(outcome)
            if pause is None:
                return asking.settled(outcome)
            time.sleep(pause)

    def _sent(self, request: Request, *, streamed: bool) -> Response | Broken:
        try:
            answer = self._http.send(request, stream=True)
        except RequestError as error:
            return Broken(error)
        if streamed and is_stream(answer):
            return answer
        with closing(answer):
            try:
                answer.read()
            except RequestError as error:
                return Broken(error, answer)
        return answer
