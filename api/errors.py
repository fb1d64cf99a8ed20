"""Where errors become HTTP answers: one form, one table of status codes."""

from __future__ import annotations

import math

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from blipsearch.errors import (
    BlipSearchError,
    CheckpointError,
    CollectionNotFoundError,
    CursorExpiredError,
    ImageNotFoundError,
    ImageTooLargeError,
    ImageUnreadableError,
    LibraryBusyError,
    OverloadedError,
    QueryError,
)

__all__ = ["answer_to", "error_answer", "register_error_handlers"]

STATUSES: tuple[tuple[type[BlipSearchError], int], ...] = (
    (CursorExpiredError, 410),
    (QueryError, 422),
    (CollectionNotFoundError, 404),
    (ImageNotFoundError, 404),
    (ImageTooLargeError, 413),
    (ImageUnreadableError, 422),
    (LibraryBusyError, 503),
    (OverloadedError, 503),
    (CheckpointError, 503),
)
"""The first class that fits decides; anything else of ours is a 500."""


def register_error_handlers(app: FastAPI) -> None:
    """Answer every error as `{"error": {"code", "message", "detail"}}`."""

    @app.exception_handler(BlipSearchError)
    def _ours(_request: Request, error: BlipSearchError) -> JSONResponse:
        return answer_to(error)

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        message = f"{field}: {first['msg']}" if field else str(first["msg"])
        detail = {"errors": jsonable_encoder(error.errors(), exclude={"ctx", "input", "url"})}
        return error_answer(422, "invalid_request", message, detail)

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        return error_answer(error.status_code, code, str(error.detail))


def answer_to(error: BlipSearchError) -> JSONResponse:
    """Make the answer to an error of ours."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    answer = error_answer(status, error.code, str(error))
    if isinstance(error, OverloadedError):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return answer


def error_answer(
    status: int, code: str, message: str, detail: dict[str, object] | None = None
) -> JSONResponse:
    """Make the one form that every error has."""
    body = {"error": {"code": code, "message": message, "detail": detail or {}}}
    return JSONResponse(body, status_code=status)
