"""An AsyncClient that tests use like a Client: its coroutines and iterators are waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal

from blipsearch import AsyncClient, Client
from blipsearch.results import AsyncSearchHit, AsyncSearchResults

KINDS = ("sync", "asyncio", "trio")
"""Clients, and the event loops of those that have one."""


class Blocking:
    """What an AsyncClient gives, or it itself: what it gives in turn is blocking, too."""

    def __init__(self, portal: BlockingPortal, inner: object) -> None:
        self._portal = portal
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return self._given(getattr(self._inner, name))

    def __repr__(self) -> str:
        return repr(self._inner)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocking) and self._inner == other._inner

    def __hash__(self) -> int:
        return hash(self._inner)

    def _given(self, value: object) -> Any:
        given: Any = value
        if isinstance(value, AsyncSearchResults):
            given = BlockingPage(self._portal, value)
        elif isinstance(value, AsyncSearchHit):
            given = Blocking(self._portal, value)
        elif isinstance(value, tuple):
            given = tuple(self._given(one) for one in value)
        elif isinstance(value, AsyncIterator):
            given = self._iterated(value)
        elif isinstance(value, Awaitable):
            given = self._given(self._portal.call(_awaited, value))
        elif isinstance(value, FunctionType | MethodType):
            given = self._called(value)
        return given

    def _called(self, function: Callable[..., object]) -> Callable[..., Any]:
        return lambda *positional, **named: self._given(function(*positional, **named))

    def _iterated(self, iterator: AsyncIterator[object]) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._given(self._portal.call(iterator.__anext__))
                except StopAsyncIteration:
                    return
        finally:
            self._portal.call(cast("Any", iterator).aclose)


class BlockingPage(Blocking):
    """A page of results: a sequence."""

    def __len__(self) -> int:
        return len(cast("AsyncSearchResults", self._inner))

    def __getitem__(self, index: Any) -> Any:
        return self._given(cast("AsyncSearchResults", self._inner)[index])


async def _awaited(value: Awaitable[object]) -> object:
    return await value


@contextmanager
def blocking(portal: BlockingPortal, client: AsyncClient) -> Iterator[Client]:
    """An AsyncClient as a Client; it is closed at the end."""
    try:
        yield cast("Client", Blocking(portal, client))
    finally:
        portal.call(client.close)


@contextmanager
def any_client(kind: str, url: str, options: Mapping[str, Any]) -> Iterator[Client]:
    """A client of a kind: `sync`, or `asyncio` or `trio` for an AsyncClient there."""
    if kind == "sync":
        with Client(url, **options) as client:
            yield client
        return
    with (
        start_blocking_portal(kind) as portal,
        blocking(portal, AsyncClient(url, **options)) as made,
    ):
        yield made
