"""What a service answers, read: what was promised, or the library's own errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TypeVar

from httpx2 import (
    ConnectError,
    ConnectTimeout,
    DecodingError,
    EventSource,
    Request,
    RequestError,
    Response,
    ServerSentEvent,
    TimeoutException,
)
from pydantic import BaseModel, ValidationError

from blipsearch import errors
from blipsearch.errors import (
    BlipSearchError,
    InvalidFilterError,
    OverloadedError,
    QueryError,
    ServiceError,
    ServiceTimeoutError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
)
from blipsearch.schemas import (
    ErrorResponse,
    EventName,
    Judgements,
    Problem,
    SearchResponse,
)

__all__ = [
    "EVENTS",
    "SECRET",
    "broken",
    "content_of",
    "error_of",
    "event_of",
    "events_of",
    "is_stream",
    "model_of",
    "nothing",
    "problem_of",
    "retry_after",
    "unexpected",
    "unfinished",
]

M = TypeVar("M", bound=BaseModel)

EVENTS = "text/event-stream"
SECRET = "blipsearch_secret"  # noqa: S105  # the name under which a request says what it hides
"""A request's extension: a key in its body, which no message may show."""

_EXCERPT = 120
"""Characters of a foreign answer that its error shows."""
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def model_of(kind: type[M]) -> Callable[[Response], M]:
    """Make a reader of JSON answers. It raises UnexpectedAnswerError for any other answer."""

    def read(response: Response) -> M:
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            what = f"not the {kind.__name__} that was asked for ({_first(error)})"
            raise unexpected(response, what) from None

    return read


def content_of(*media_types: str) -> Callable[[Response], bytes]:
    """Make a reader of files of one of these types, each as the beginning of a media type."""

    def read(response: Response) -> bytes:
        if not response.headers.get("content-type", "").startswith(media_types):
            raise unexpected(response, f"not {' or '.join(media_types)}")
        return response.content

    return read


def nothing(_response: Response) -> None:
    """Read an answer that says by its status alone that something was done."""


def problem_of(response: Response) -> Problem | None:
    """What the service says is wrong; None where this is not its one form of an error."""
    try:
        return ErrorResponse.model_validate_json(response.content).error
    except ValidationError:
        return None


def error_of(response: Response) -> BlipSearchError:
    """The error that an answer stands for: the class that the library itself would raise.

    Its note is the id under which the service's log tells of the request.
    """
    problem = problem_of(response)
    if problem is None:
        return unexpected(response, "no answer of a blipsearch service")
    return _noted(_made(problem, response), response)


def is_stream(response: Response) -> bool:
    """Whether the body of an answer are events."""
    kind = response.headers.get("content-type", "").partition(";")[0]
    return response.status_code == 200 and kind.strip().lower() == EVENTS


def events_of(response: Response) -> EventSource:
    """The events of an answer. Raises UnexpectedAnswerError where there are none."""
    if not is_stream(response):
        raise unexpected(response, f"not {EVENTS}")
    return EventSource(response, max_event_size=None)


def event_of(
    event: ServerSentEvent, response: Response
) -> tuple[EventName, SearchResponse | Judgements]:
    """Read an event of a progressive search. Raises the error that an `error` event stands for."""
    try:
        if event.event == "matches":
            return "matches", Judgements.model_validate_json(event.data)
        if event.event == "ranking":
            return "ranking", SearchResponse.model_validate_json(event.data)
        if event.event == "result":
            return "result", SearchResponse.model_validate_json(event.data)
        problem = ErrorResponse.model_validate_json(event.data).error
    except ValidationError as error:
        what = f"with an event {event.event!r} that cannot be read ({_first(error)})"
        raise unexpected(response, what, event.data.encode()) from None
    raise _noted(_made(problem, response), response)


def retry_after(response: Response) -> float | None:
    """The seconds after which to ask again, of a number or a date; None where there is neither."""
    said = response.headers.get("retry-after", "")
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


def unexpected(response: Response, what: str, body: bytes | None = None) -> UnexpectedAnswerError:
    """An answer that is not in the service's own form, told so that its sender can be found.

    `body` is what cannot be read, where it is not the whole answer.
    """
    status = response.status_code
    kind = response.headers.get("content-type", "no content type")
    says = _excerpt(response.content if body is None else body)
    hint = "check the URL, and what stands between: a proxy, or a page to sign in"
    if response.is_redirect:
        place = response.headers.get("location", "nowhere").partition("?")[0]
        hint = f"it points to {place}: give the client the URL that needs no redirection"
    message = f"{_named(response.request)} was answered {status} ({kind}), {what}: {says}; {hint}"
    return _noted(
        UnexpectedAnswerError(_hidden(message, response.request), status=status), response
    )


def unfinished(response: Response) -> UnexpectedAnswerError:
    """A progressive answer that ended, as if whole, before its result."""
    message = (
        f"{_named(response.request)} ended before its result; ask again, or check what stands "
        "between: a proxy that limits how long an answer takes"
    )
    return _noted(UnexpectedAnswerError(message, status=response.status_code), response)


def broken(error: RequestError, answer: Response | None = None) -> ServiceError:
    """What it means that no answer came, not in time, or not whole: then `answer` is its head."""
    request = error.request
    if isinstance(error, TimeoutException) and not isinstance(error, ConnectTimeout):
        seconds = request.extensions["timeout"]["read"]
        within = "in time" if seconds is None else f"within {seconds:g} seconds"
        return ServiceTimeoutError(
            f"{_named(request)} was not answered {within}; give the client a longer timeout, or "
            "ask for less"
        )
    said = str(error) or type(error).__name__
    if answer is not None:
        message = f"{_named(request)} was answered {answer.status_code}, but the answer "
        if isinstance(error, DecodingError):
            message += f"cannot be decoded: {said}; check what stands between"
            return _noted(UnexpectedAnswerError(message, status=answer.status_code), answer)
        message += f"broke off: {said}; ask again, or check what stands between"
        return _noted(ServiceUnreachableError(message), answer)
    if isinstance(error, ConnectError | ConnectTimeout):
        port = request.url.port or {"http": 80, "https": 443}[request.url.scheme]
        return ServiceUnreachableError(
            f"there is no connection to {request.url.host} at port {port}: {said}; check the URL, "
            "and that the service runs"
        )
    return ServiceUnreachableError(
        f"{_named(request)}: the connection broke off: {said}; ask again"
    )


def _first(error: ValidationError) -> str:
    """What is wrong with an answer, without what it says: that may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    return ": ".join([".".join(str(part) for part in first["loc"]), first["msg"]]).lstrip(": ")


def _made(problem: Problem, response: Response) -> BlipSearchError:
    kind = _kinds().get(problem.code, ServiceError)
    message = _hidden(problem.message, response.request)
    detail = problem.detail
    if issubclass(kind, InvalidFilterError):
        position, location = detail.get("position"), detail.get("location")
        return kind(
            message,
            position=position if isinstance(position, int) else None,
            location=location if isinstance(location, str) else "",
        )
    if issubclass(kind, OverloadedError):
        said = retry_after(response)
        seconds = 1.0 if said is None else said
        return kind(message, reason=str(detail.get("reason", "queue")), retry_after=seconds)
    if issubclass(kind, UnexpectedAnswerError):
        return kind(message, status=response.status_code)
    return kind(message)


@cache
def _kinds() -> dict[str, type[BlipSearchError]]:
    """The errors by code. A program's own subclasses of them are not the library's."""
    return {kind.code: kind for kind in _tree(BlipSearchError)} | {"invalid_request": QueryError}


def _tree(kind: type[BlipSearchError]) -> Iterator[type[BlipSearchError]]:
    if kind.__module__ == errors.__name__:
        yield kind
        for below in kind.__subclasses__():
            yield from _tree(below)


E = TypeVar("E", bound=BlipSearchError)


def _noted(error: E, response: Response) -> E:
    request_id = response.headers.get("x-request-id")
    if request_id is not None:
        error.add_note(f"request id: {request_id}")
    return error


def _named(request: Request) -> str:
    """A request without what it asks for."""
    return f"{request.method} {str(request.url).partition('?')[0]}"


def _excerpt(body: bytes) -> str:
    """The first words of a body, without the tags of a page."""
    text = body[: 64 * _EXCERPT].decode("utf-8", "replace")
    words = " ".join(_TAG.sub(" ", text).split())
    if not words:
        return "it is empty"
    return repr(words if len(words) <= _EXCERPT else words[:_EXCERPT] + "...")


def _hidden(text: str, request: Request) -> str:
    """A text without the request's secrets: a page may repeat what it was asked."""
    key = request.headers.get("authorization", "").partition(" ")[2]
    cookies = request.headers.get("cookie", "").split("; ")
    secrets = [key, request.extensions.get(SECRET, ""), *(one.partition("=")[2] for one in cookies)]
    for secret in filter(None, secrets):
        text = text.replace(secret, "[key]")
    return text
