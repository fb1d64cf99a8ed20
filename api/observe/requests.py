"""Sees every request from its headers to the end of its answer: id, log line, counts."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from api.errors import error_answer
from api.observe.metrics import Metrics

__all__ = ["REQUEST_ID", "RequestObserver", "note_stages"]

REQUEST_ID = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")

LEFT = 499
"""The status of a request whose client left before an answer began, as nginx counts it."""

logger = logging.getLogger("blipsearch.service")


def note_stages(request: Request, timings: Mapping[str, float]) -> None:
    """Have a request's log line say how many milliseconds each stage of its search took."""
    request.state.stages = dict(timings)


@dataclass(slots=True)
class _Answer:
    """What of an answer was sent so far."""

    began: float = field(default_factory=time.perf_counter)
    status: int | None = None
    bytes: int = 0
    ended: bool = False
    broke_off: bool = False
    client_left: bool = False

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began


class RequestObserver:
    """The outermost ASGI middleware: what is inside of it may refuse a request, and is seen.

    A request has the id that its `X-Request-ID` names, where that is 1 to 64 letters, digits and
    `.` `_` `-`, else a new one. The id is on the answer, on every log record that is written
    while the request is answered, and in `scope["state"]["request_id"]`. A request is one log
    record with the template of its route: paths and query strings hold what people search for,
    and are not logged.

    An exception that nothing inside has translated is answered with 500 here, so that this answer
    has its id, too, and goes on to the server, which logs it with its traceback.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; connections of other kinds pass unseen."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        # Bound for as long as the server's task for this request lives, so that what the server
        # itself logs about it has the id.
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        root_path = scope.get("root_path", "")
        answer = _Answer()

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not answer.ended:
                answer.client_left = True
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            elif message["type"] == "http.response.body":
                answer.bytes += len(message.get("body", b""))
                answer.ended = not message.get("more_body", False)
            await send(message)

        self._metrics.request_began()
        try:
            await self._app(scope, receiving, sending)
        except ClientDisconnect:
            answer.client_left = True
        except Exception:
            answer.broke_off = answer.status is not None
            if not answer.broke_off:
                await _internal_error(request_id)(scope, receiving, sending)
            raise
        finally:
            self._done(scope, answer, root_path)

    def _done(self, scope: Scope, answer: _Answer, root_path: str) -> None:
        status = answer.status or LEFT
        route = _route(scope, root_path)
        seconds = answer.seconds
        self._metrics.request_done(scope["method"], route, status, seconds)
        state = scope["state"]
        told = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "bytes": answer.bytes,
            "broke_off": answer.broke_off or None,
            "client_left": answer.client_left or None,
            "key": state.get("key_name"),
            "stages": state.get("stages"),
        }
        known = {name: value for name, value in told.items() if value is not None}
        level = logging.ERROR if answer.broke_off else _level(status)
        logger.log(level, "request", extra=known)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if WELL_FORMED.fullmatch(given) else uuid.uuid4().hex


def _route(scope: Scope, root_path: str) -> str:
    """Return the template of the route that was taken, or the mount's path; never a path."""
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str):
        return template
    return scope.get("root_path", "").removeprefix(root_path) or "other"


def _level(status: int) -> int:
    if status == 503:  # refused as it should be
        return logging.WARNING
    return logging.ERROR if status >= 500 else logging.INFO


def _internal_error(request_id: str) -> ASGIApp:
    return error_answer(
        500,
        "internal_error",
        f"the service failed; its log says why under the request id {request_id}",
    )
