"""Which errors a route answers with, as its declaration says."""

from __future__ import annotations

from typing import Any

from blipsearch.schemas import ErrorResponse

__all__ = ["GUARDED", "errors"]

MEANINGS = {
    400: "The request cannot be read.",
    401: "The library has API keys, and there was none, or one that it does not know.",
    403: "The API key does not allow this, or the service does not.",
    404: "There is no such collection or image, or its file is gone.",
    410: "The ranking that the cursor stands for is not kept any more.",
    413: "The request or its picture is too large.",
    422: "The request was read, and cannot be answered as it is.",
    429: "The API key has asked more often than it may; `Retry-After` says when to ask again.",
    503: "The service cannot answer now; `Retry-After`, if it is there, says when to ask again.",
}

GUARDED = (401, 403, 413, 429, 503)
"""What a request can be answered before a route sees it."""


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare errors that a route answers with, as its `responses`."""
    return {
        status: {"model": ErrorResponse, "description": MEANINGS[status]} for status in statuses
    }
