"""Why something was not fetched, for those who fetch to say in their own words."""

from __future__ import annotations

from typing import Literal

__all__ = ["FetchError", "FetchFailure"]

FetchFailure = Literal[
    "no_url", "forbidden", "redirects", "unreachable", "status", "no_picture", "too_large"
]
"""What went wrong: the text is no plain URL of http or https; it leads to where nothing is fetched
from; it leads on and on; nobody answers; the answer is no success; it is no picture; it is too
large."""


class FetchError(Exception):
    """Something was not fetched; raised to the callers in blipsearch and api, which translate it.

    `status` is the answer's HTTP status; 0 where there was no answer.
    """

    def __init__(self, failure: FetchFailure, why: str, *, status: int = 0) -> None:
        super().__init__(why)
        self.failure = failure
        self.status = status
