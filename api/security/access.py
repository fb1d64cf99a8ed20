"""API keys at the door: what a request may do is known before a byte of its body is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
from anyio import CapacityLimiter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import answer_to
from api.security.origins import SAFE_METHODS, names_this_machine
from api.security.rates import RateLimit
from blipsearch.catalog.keys import Keys
from blipsearch.errors import BlipSearchError, ForbiddenError, UnauthorizedError
from blipsearch.records import ApiKey, KeyScope

__all__ = ["COOKIE", "AccessControl", "is_open", "needed_scope"]

T = TypeVar("T")

COOKIE = "blipsearch_key"
"""The page's cookie: it holds the key that was signed in with."""

OPEN = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz", "/v1/session"})
OPEN_BELOW = "/static/"
"""With OPEN, all that is answered without a key: it says nothing about anybody's pictures."""

_READING = ("/search", "/caption", "/answer")
"""How the paths end of which a POST only asks."""
_UNCOUNTED = "/thumbnail"
"""What a rate limit does not count: a page of hits asks for one each."""
_LOOKUPS = 4
"""Lookups of keys at a time. Threads of their own: those of the routes may all be busy."""


class AccessControl:
    """ASGI middleware: lets in who may come in.

    Everything needs a key but what is `OPEN`: a route that nobody thought of is closed. Keys are
    looked up in the library at every request, so one that is made or revoked counts at once.

    A library without any key is open, but only as far as nobody else can reach it: where the
    service listens on this machine alone (`local`), to requests that name this machine. A web page
    whose own name was made to point here (DNS rebinding) names itself.
    """

    def __init__(self, app: ASGIApp, *, rate_limit: RateLimit, local: bool) -> None:
        self._app = app
        self._rate_limit = rate_limit
        self._local = local
        self._lookups = CapacityLimiter(_LOOKUPS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 401, 403 or 429."""
        if scope["type"] == "http" and not is_open(scope["path"]):
            try:
                await self._admit(HTTPConnection(scope))
            except BlipSearchError as error:
                await answer_to(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, connection: HTTPConnection) -> None:
        keys: Keys = connection.app.state.service.keys
        presented = _presented(connection)
        found = None
        if presented is not None:
            found = await self._look(partial(keys.find, presented))
        if found is None:
            if await self._look(keys.exist) or not self._local:
                raise _unauthorized(presented)
            if not names_this_machine(connection.headers.get("host", "")):
                raise ForbiddenError(
                    f"the library has no keys, so the service answers this machine alone, under "
                    f"its own names, not as {connection.headers.get('host', '')[:100]!r}; make a "
                    "key with `blipsearch keys add NAME`"
                )
            return
        _check_scope(found, needed_scope(connection.scope["method"], connection.scope["path"]))
        connection.state.key_name = found.name
        if not connection.scope["path"].endswith(_UNCOUNTED):
            await self._rate_limit.count(found)

    async def _look(self, question: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(question, limiter=self._lookups)


def is_open(path: str) -> bool:
    """Whether a path is answered without a key."""
    return path in OPEN or path.startswith(OPEN_BELOW)


def needed_scope(method: str, path: str) -> KeyScope:
    """What a key must allow for a request: `write`, unless it is known that it only asks."""
    if method in SAFE_METHODS or (method == "POST" and path.endswith(_READING)):
        return "read"
    return "write"


def _presented(connection: HTTPConnection) -> str | None:
    """The key of a request: from its Authorization header, else from the page's cookie."""
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return connection.cookies.get(COOKIE)


def _unauthorized(presented: str | None) -> UnauthorizedError:
    if presented is None:
        return UnauthorizedError(
            "the service wants an API key: send one as `Authorization: Bearer KEY`; "
            "`blipsearch keys add NAME` makes one"
        )
    return UnauthorizedError(
        "this API key is not known, or was revoked; `blipsearch keys list` names those there are"
    )


def _check_scope(key: ApiKey, needed: KeyScope) -> None:
    if key.scope not in {"write", needed}:
        raise ForbiddenError(
            f"the key {key.name!r} may only read; "
            "make one that may change things with `blipsearch keys add NAME --scope write`"
        )
