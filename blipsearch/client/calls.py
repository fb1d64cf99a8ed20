"""The service's routes as values: what to send for each, and how to read what comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from httpx2 import Response
from pydantic_core import PydanticSerializationError

from blipsearch.client.answers import (
    EVENTS,
    SECRET,
    content_of,
    error_of,
    model_of,
    nothing,
    problem_of,
)
from blipsearch.errors import CollectionNotFoundError, QueryError
from blipsearch.image_search import TextOptions, text_options
from blipsearch.pictures import Picture
from blipsearch.query import checked
from blipsearch.schemas import (
    Alive,
    AnswerRequest,
    AnswerResponse,
    CaptionRequest,
    CaptionResponse,
    CollectionList,
    CollectionSummary,
    ImageChange,
    ImageDetail,
    PictureAnswerRequest,
    PictureCaptionRequest,
    Ready,
    SearchRequest,
    SearchResponse,
    Wire,
)

__all__ = ["Call"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request to a route.

    `path` is below the service's URL. `sent` are further arguments of httpx2's `build_request`.
    `read` reads an answer whose status is one of `statuses`. What is `idempotent` may be sent
    twice: whether or not the first one was worked on, the outcome is the same.
    """

    method: str
    path: str
    read: Callable[[Response], T]
    sent: Mapping[str, Any] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset({200})
    idempotent: bool = True


def alive() -> Call[Alive]:
    """Ask whether the process lives."""
    return Call(method="GET", path="healthz", read=model_of(Alive))


def ready(timeout: float | None = None) -> Call[Ready]:
    """Ask whether a search would be answered at once.

    `timeout` is for one look of somebody who waits: that is not sent again, there is a next look.
    """
    return Call(
        method="GET",
        path="readyz",
        read=_ready,
        sent={} if timeout is None else {"timeout": timeout},
        statuses=frozenset({200, 503}),
        idempotent=timeout is None,
    )


def metrics() -> Call[str]:
    """Ask for the counts, in Prometheus' text form."""

    def read(response: Response) -> str:
        return content_of("text/plain")(response).decode("utf-8", "replace")

    return Call(method="GET", path="metrics", read=read, sent=_accepting("text/plain"))


def sign_in(key: str) -> Call[None]:
    """Keep an API key in a cookie."""
    return Call(
        method="POST",
        path="v1/session",
        read=nothing,
        sent={"json": {"key": key}, "extensions": {SECRET: key}},
        statuses=frozenset({204}),
        idempotent=False,
    )


def sign_out() -> Call[None]:
    """Forget the cookie."""
    return Call(method="DELETE", path="v1/session", read=nothing, statuses=frozenset({204}))


def collections() -> Call[CollectionList]:
    """List the collections."""
    return Call(method="GET", path="v1/collections", read=model_of(CollectionList))


def collection(name: str) -> Call[CollectionSummary]:
    """Describe a collection."""
    return Call(method="GET", path=_collection(name), read=model_of(CollectionSummary))


def search(name: str, request: SearchRequest) -> Call[SearchResponse]:
    """Search a collection."""
    path = f"{_collection(name)}/search"
    sent = _json(_written(request))
    return Call(method="POST", path=path, read=model_of(SearchResponse), sent=sent)


def search_events(name: str, request: SearchRequest) -> Call[SearchResponse]:
    """Search a collection progressively: the answer's body are events."""
    call = search(name, request)
    return replace(call, sent=_json(_written(request), accept=EVENTS))


def search_text(name: str, text: str, options: TextOptions) -> Call[SearchResponse]:
    """Search a collection for a query in the small syntax, which the service reads.

    Raises QueryError for options that a search does not take.
    """
    given = text_options(text, options)
    path = f"{_collection(name)}/search"
    sent = {"params": {"q": text, **given}}
    return Call(method="GET", path=path, read=model_of(SearchResponse), sent=sent)


def caption(name: str, image: int | Picture, prompt: str | None) -> Call[CaptionResponse]:
    """Caption an image of a collection, or any picture."""
    asked: Wire
    if isinstance(image, Picture):
        asked = checked(PictureCaptionRequest, {"image": image.content, "prompt": prompt})
        path = f"{_collection(name)}/caption"
    else:
        asked = checked(CaptionRequest, {"prompt": prompt})
        path = f"{_image(name, image)}/caption"
    sent = _json(_written(asked))
    return Call(method="POST", path=path, read=model_of(CaptionResponse), sent=sent)


def answer(
    name: str, image: int | Picture, question: str, choices: Sequence[str] | None
) -> Call[AnswerResponse]:
    """Ask about an image of a collection, or about any picture."""
    asked: Wire
    words = {"question": question, "choices": choices}
    if isinstance(image, Picture):
        asked = checked(PictureAnswerRequest, {"image": image.content, **words})
        path = f"{_collection(name)}/answer"
    else:
        asked = checked(AnswerRequest, words)
        path = f"{_image(name, image)}/answer"
    sent = _json(_written(asked))
    return Call(method="POST", path=path, read=model_of(AnswerResponse), sent=sent)


def add_image(
    collection: str,
    picture: Picture,
    name: str | None,
    tags: Sequence[str],
    metadata: Mapping[str, object] | None,
) -> Call[ImageDetail]:
    """Add a picture to a collection, under its own name unless there is another."""
    known = checked(ImageChange, {"tags": tags, "metadata": metadata or {}})
    # A file's name need not be text. Without any, the service would take the file for a field.
    given = picture.name if name is None else name
    file_name = given.encode("utf-8", "replace").decode() or "-"
    return Call(
        method="POST",
        path=f"{_collection(collection)}/images",
        read=model_of(ImageDetail),
        sent={
            "files": {"file": (file_name, picture.content, "application/octet-stream")},
            "data": {"tags": list(known.tags or ()), "metadata": _as_json(known.metadata)},
        },
        statuses=frozenset({200, 201}),
        idempotent=False,
    )


def image(name: str, image_id: int) -> Call[ImageDetail]:
    """Tell all that is known of an image."""
    return Call(method="GET", path=_image(name, image_id), read=model_of(ImageDetail))


def change_image(name: str, image_id: int, change: Mapping[str, object]) -> Call[ImageDetail]:
    """Replace what a change, the fields of an ImageChange, says of an image."""
    asked = checked(ImageChange, change)
    body = {key: getattr(asked, key) for key in change if getattr(asked, key) is not None}
    sent = _json(_as_json(body))
    path = _image(name, image_id)
    return Call(method="PATCH", path=path, read=model_of(ImageDetail), sent=sent)


def remove_image(name: str, image_id: int) -> Call[None]:
    """Take an image out of a collection."""
    path = _image(name, image_id)
    return Call(method="DELETE", path=path, read=nothing, statuses=frozenset({204}))


def file(name: str, image_id: int) -> Call[bytes]:
    """Get an image's file."""
    sent = _accepting("*/*")
    path = f"{_image(name, image_id)}/file"
    return Call(method="GET", path=path, read=content_of("image/"), sent=sent)


def thumbnail(name: str, image_id: int, size: int) -> Call[bytes]:
    """Get a small JPEG of an image."""
    sent = {"params": {"size": size}, **_accepting("image/jpeg")}
    path = f"{_image(name, image_id)}/thumbnail"
    return Call(method="GET", path=path, read=content_of("image/jpeg"), sent=sent)


def heat_map(name: str, image_id: int, text: str) -> Call[bytes]:
    """Get a PNG of which part of an image answers to which word."""
    sent = {"params": {"text": text}, **_accepting("image/png")}
    path = f"{_image(name, image_id)}/heatmap"
    return Call(method="GET", path=path, read=content_of("image/png"), sent=sent)


def _ready(response: Response) -> Ready:
    if response.status_code == 503 and problem_of(response) is not None:
        raise error_of(response)
    return model_of(Ready)(response)


def _collection(name: str) -> str:
    if not name or "/" in name:
        # No name of a collection, and a URL could not say it.
        raise CollectionNotFoundError(f"there is no collection {name!r}")
    # As a whole segment these mean another folder.
    segment = "%2E" * len(name) if name in {".", ".."} else quote(name, safe="", errors="replace")
    return f"v1/collections/{segment}"


def _image(name: str, image_id: int) -> str:
    return f"{_collection(name)}/images/{index(image_id)}"


def _written(value: Wire) -> str:
    """JSON of what was given of a value. Raises QueryError for text that is no Unicode."""
    try:
        return value.model_dump_json(exclude_unset=True)
    except PydanticSerializationError as error:
        raise QueryError(f"no request can say this: {error}") from error


def _json(body: str, accept: str = "application/json") -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": accept}
    return {"content": body.encode(), "headers": headers}


def _accepting(media_type: str) -> dict[str, Any]:
    return {"headers": {"Accept": media_type}}


def _as_json(value: object) -> str:
    """Raises QueryError for what JSON cannot hold."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise QueryError(
            f"metadata must be what JSON can hold (text, finite numbers, lists, objects): {error}"
        ) from error
