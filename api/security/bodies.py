"""How much a request may send."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer_to
from api.security.access import is_open
from blipsearch.errors import RequestTooLargeError

__all__ = ["BodyLimit"]

_OPEN_MOST = 10_000
"""Bytes of a request that everybody may send."""
_DRAINED = 4
"""How many times the limit a body may say to be for the server to throw it away to its end: so
that a browser, which reads no answer before it has sent everything, gets to know why."""


class BodyLimit:
    """ASGI middleware: no request's body gets further than `most` bytes, said or counted."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 413: at once, or when it turns out to be too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = min(self._most, _OPEN_MOST) if is_open(scope["path"]) else self._most
        length = _said_length(scope)
        if length is not None and length > most:
            await _refusal(most, length)(scope, receive, send)
            return
        counted = 0
        began = refused = False

        async def receiving() -> Message:
            nonlocal counted
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > most:
                raise _error(most)
            return message

        async def sending(message: Message) -> None:
            nonlocal began, refused
            if counted > most and not began:
                # Whatever the route made of the error: it is this one.
                if not refused:
                    refused = True
                    await _refusal(most, length)(scope, receive, send)
                return
            began = True
            await send(message)

        await self._app(scope, receiving, sending)


def _error(most: int) -> RequestTooLargeError:
    return RequestTooLargeError(
        f"the request has more than {most} bytes; send a smaller picture, or let the service "
        "take more with BLIPSEARCH_SERVICE_MAX_BODY"
    )


def _refusal(most: int, length: int | None) -> Response:
    answer = answer_to(_error(most))
    if length is None or length > most * _DRAINED:
        answer.headers["Connection"] = "close"
    return answer


def _said_length(scope: Scope) -> int | None:
    said = Headers(scope=scope).get("content-length", "")
    return int(said[:20]) if said.isascii() and said.isdigit() else None
