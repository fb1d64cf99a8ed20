"""What both clients share: where the service is, and how one call goes. Neither sends anything."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from httpx2 import (
    URL,
    AsyncClient,
    Client,
    InvalidURL,
    Limits,
    Request,
    RequestError,
    Response,
    Timeout,
)

import blipsearch
from blipsearch.client.answers import broken, error_of, problem_of
from blipsearch.client.calls import Call
from blipsearch.client.retrying import Retries
from blipsearch.errors import (
    BlipSearchError,
    ImageNotFoundError,
    OverloadedError,
    QueryError,
    ServiceError,
    ServiceTimeoutError,
    ServiceUnreachableError,
    SettingsError,
    UnexpectedAnswerError,
)
from blipsearch.schemas import Ready

__all__ = ["PASSING", "Asking", "Broken", "Service", "Waiting", "built"]

T = TypeVar("T")

LIMITS = Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=4.0)
"""Connections of one client. The service keeps idle ones for 5 seconds: they go before that here,
so that a call seldom meets one that was just closed."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service is and how it is asked. Raises SettingsError for what cannot be used."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float | None = 60.0
    retries: int = 2

    def __post_init__(self) -> None:
        _check_url(self.url)
        if self.api_key is not None and not _is_key(self.api_key):
            raise SettingsError(
                "the API key is empty or has characters that no key has; leave api_key out for a "
                "service without keys"
            )
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise SettingsError(
                f"timeout must be above 0 seconds, or None for ever, not {self.timeout}"
            )
        if self.retries < 0:
            raise SettingsError(f"retries must be at least 0, not {self.retries}")

    def options(self) -> dict[str, Any]:
        """The arguments of either of httpx2's clients."""
        headers = {
            "User-Agent": f"blipsearch/{blipsearch.__version__}",
            "Accept": "application/json",
        }
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return {
            "base_url": self.url.strip(),
            "headers": headers,
            # One that waits for a connection of its own client waits as long as it takes.
            "timeout": Timeout(self.timeout, pool=None),
            "limits": LIMITS,
        }


@dataclass(frozen=True, slots=True)
class Broken:
    """What came where no whole answer did: an error, and the answer that it broke off, if any."""

    error: RequestError
    answer: Response | None = None


class Asking(Generic[T]):
    """One call on its way: whoever sends it asks here whether to send it again."""

    def __init__(self, call: Call[T], request: Request, retries: Retries) -> None:
        self.request = request
        self._call = call
        self._retries = retries
        self._sent = 0

    def pause(self, outcome: Response | Broken) -> float | None:
        """Count an outcome. Seconds to wait before the call is sent again; None: it stands."""
        self._sent += 1
        if not self._call.idempotent:
            return None
        if isinstance(outcome, Broken):
            return self._retries.pause(self._sent, outcome.error)
        if outcome.status_code in self._call.statuses:
            return None
        return self._retries.pause(self._sent, outcome)

    def settled(self, outcome: Response | Broken) -> Response:
        """The answer. Raises the error that the outcome stands for."""
        if isinstance(outcome, Response) and (
            outcome.status_code in self._call.statuses or self._is_gone(outcome)
        ):
            return outcome
        error: BlipSearchError
        cause: RequestError | None = None
        if isinstance(outcome, Response):
            error = error_of(outcome)
        else:
            error, cause = broken(outcome.error, outcome.answer), outcome.error
        if self._sent > 1:
            error.add_note(f"asked {self._sent} times")
        raise error from cause

    def _is_gone(self, answer: Response) -> bool:
        """Whether the image is gone since the call was sent before, whose answer did not come."""
        if self._call.method != "DELETE" or self._sent < 2 or answer.status_code != 404:
            return False
        problem = problem_of(answer)
        return problem is not None and problem.code == ImageNotFoundError.code


PASSING = (
    OverloadedError,
    ServiceTimeoutError,
    ServiceUnreachableError,
    UnexpectedAnswerError,  # a proxy's, of what stands behind it
)
"""What somebody who waits for a service may meet before it is ready."""


class Waiting:
    """The wait for a service that starts: how long to go on, and how often to look."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._looks = 0

    @property
    def left(self) -> float:
        """Seconds that are left, for one more look."""
        return max(0.1, self._deadline - time.monotonic())

    def pause(self, found: Ready | ServiceError) -> float:
        """Seconds to wait before the next look.

        Raises ServiceError where it will not get ready, ServiceTimeoutError once the time is up.
        """
        if isinstance(found, Ready) and found.status == "failed":
            raise ServiceError(f"the service cannot get ready: {'; '.join(found.problems)}")
        pause = min(1.0, 0.05 * 2.0**self._looks)
        self._looks += 1
        if time.monotonic() + pause > self._deadline:
            last = found if isinstance(found, ServiceError) else f"it is {found.status}"
            raise ServiceTimeoutError(
                f"the service is not ready after {self._timeout:g} seconds: {last}"
            )
        return pause


def built(client: Client | AsyncClient, call: Call[T]) -> Request:
    """The request of a call to one of httpx2's clients.

    Raises ServiceError where that is closed, QueryError for what no request can say.
    """
    if client.is_closed:
        raise ServiceError(f"the client of {client.base_url} is closed; make a new one")
    try:
        return client.build_request(call.method, call.path, **call.sent)
    except (UnicodeEncodeError, InvalidURL) as error:
        raise QueryError(f"no request can say this: {error}") from error


def _check_url(given: str) -> None:
    try:
        url = URL(given.strip())
    except (InvalidURL, TypeError, AttributeError) as error:
        raise SettingsError(f"this is no URL of a service: {error}") from error
    if url.userinfo:
        raise SettingsError("a service's URL has no user or password; give a key as api_key")
    if url.scheme not in {"http", "https"} or not url.host:
        raise SettingsError(
            f"the URL of a service begins with http:// or https:// and its host, as in "
            f"http://127.0.0.1:8000; this is {given!r}"
        )
    if url.query or url.fragment:
        raise SettingsError(f"the URL of a service ends with its path, without ? or #: {given!r}")


def _is_key(key: str) -> bool:
    return key.isascii() and key.isprintable() and key == key.strip() != ""
