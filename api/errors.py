"""Where errors become HTTP answers: one form, one table of status codes."""

from __future__ import annotations

import json
import logging
import math

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from blipsearch.errors import (
    BlipSearchError,
    CheckpointError,
    CollectionCheckpointError,
    CollectionNotFoundError,
    CursorExpiredError,
    ForbiddenError,
    ImageNotFoundError,
    ImageTooLargeError,
    ImageUnreadableError,
    InvalidFilterError,
    LibraryBusyError,
    OverloadedError,
    QueryError,
    RateLimitedError,
    RequestTooLargeError,
    UnauthorizedError,
)

__all__ = ["answer_to", "error_answer", "failed", "register_error_handlers"]

logger = logging.getLogger("blipsearch.service")

STATUSES: tuple[tuple[type[BlipSearchError], int], ...] = (
    (CursorExpiredError, 410),
    (QueryError, 422),
    (CollectionNotFoundError, 404),
    (ImageNotFoundError, 404),
    (ImageTooLargeError, 413),
    (ImageUnreadableError, 422),
    (LibraryBusyError, 503),
    (RateLimitedError, 429),
    (OverloadedError, 503),
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (RequestTooLargeError, 413),
    (CheckpointError, 503),
    (CollectionCheckpointError, 503),
)
"""The first class that fits decides; anything else of ours is a 500."""

CODES = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed"}
"""What errors are called that routing and the reading of bodies raise."""


def register_error_handlers(app: FastAPI) -> None:
    """Answer every error as `{"error": {"code", "message", "detail"}}`."""

    @app.exception_handler(BlipSearchError)
    def _ours(request: Request, error: BlipSearchError) -> JSONResponse:
        return failed(request, error)

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        message = f"{field}: {first['msg']}" if field else str(first["msg"])
        detail = {"errors": jsonable_encoder(error.errors(), exclude={"ctx", "input", "url"})}
        return error_answer(422, "invalid_request", message, detail)

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = CODES.get(error.status_code, "http_error")
        answer = error_answer(error.status_code, code, str(error.detail))
        answer.headers.update(error.headers or {})
        if error.status_code == 405:
            answer.headers["Allow"] = _allowed(request) or answer.headers["Allow"]
        return answer


def _allowed(request: Request) -> str:
    """All methods of a path: routing names only those of the first route that has it."""
    template = getattr(request.scope.get("route"), "path", None)
    described = request.app.openapi()["paths"].get(template, {})
    return ", ".join(sorted(method.upper() for method in described))


def failed(request: Request, error: BlipSearchError) -> JSONResponse:
    """Make the answer to an error that a route met, and tell the operators where it matters."""
    answer = answer_to(error)
    if answer.status_code == 503:
        reason = error.reason if isinstance(error, OverloadedError) else error.code
        request.app.state.metrics.refused(reason)
    if answer.status_code >= 500 and not isinstance(error, OverloadedError):
        logger.error("%s: %s", error.code, error)
    return answer


def answer_to(error: BlipSearchError) -> JSONResponse:
    """Make the answer to an error of ours."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    detail: dict[str, object] = {}
    if isinstance(error, InvalidFilterError):
        detail = {"position": error.position, "location": error.location}
    if isinstance(error, OverloadedError):
        detail = {"reason": error.reason}
    answer = error_answer(status, error.code, str(error), detail)
    if isinstance(error, OverloadedError):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after))
    if isinstance(error, UnauthorizedError):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="blipsearch"'
    return answer


def error_answer(
    status: int, code: str, message: str, detail: dict[str, object] | None = None
) -> JSONResponse:
    """Make the one form that every error has."""
    body = {"error": {"code": code, "message": message, "detail": detail or {}}}
    return _ErrorAnswer(body, status_code=status)


class _ErrorAnswer(JSONResponse):
    """JSON that can always be sent: what a request was refused for may be in it."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
