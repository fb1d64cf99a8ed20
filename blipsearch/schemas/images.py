"""Images, and what is said about pictures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from blipsearch.schemas.fields import (
    Content,
    FileText,
    ImageUrl,
    Metadata,
    Tag,
    Text,
    Wire,
    exactly_one,
)

__all__ = [
    "AnswerRequest",
    "AnswerResponse",
    "CaptionRequest",
    "CaptionResponse",
    "ImageChange",
    "ImageDetail",
    "PictureAnswerRequest",
    "PictureCaptionRequest",
    "SentPicture",
    "StoredAnswer",
    "StoredCaption",
]


class StoredCaption(Wire):
    """A caption that the collection keeps; `match` is the ITM probability it was kept with.

    `checkpoint` wrote it; it is empty where a person did.
    """

    text: str
    checkpoint: FileText
    match: float | None


class StoredAnswer(Wire):
    """An answer that the collection keeps."""

    question: str
    answer: str
    checkpoint: FileText


class ImageDetail(Wire):
    """All that is known of one image of a collection.

    `status` is `indexed`, `failed` (`reason` says why) or `missing` (the file was gone when its
    source was last looked at). `taken_at` is the camera's own clock; latitude and longitude are
    degrees, south and west negative. `path` is relative to the root of `source`.
    """

    id: int
    status: Literal["indexed", "failed", "missing"]
    reason: str
    source: FileText
    path: FileText
    bytes: int
    sha256: str
    width: int | None
    height: int | None
    format: str | None
    taken_at: datetime | None
    camera: str | None
    lens: str | None
    latitude: float | None
    longitude: float | None
    tags: tuple[str, ...]
    metadata: Metadata
    captions: tuple[StoredCaption, ...]
    answers: tuple[StoredAnswer, ...]


class ImageChange(Wire):
    """What to replace of an image; what is left out stays as it is.

    `captions` are those that people wrote; those of checkpoints stay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: Annotated[tuple[Tag, ...], Field(max_length=100)] | None = None
    metadata: Metadata | None = None
    captions: Annotated[tuple[Text, ...], Field(max_length=20)] | None = None


class CaptionRequest(Wire):
    """How to caption an image: `prompt` are the words that its caption begins with, if any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[str, Field(max_length=200)] | None = None


class SentPicture(Wire):
    """A picture that need not be indexed: `image`, its file in base64, or `image_url`.

    The service fetches from a URL only where it allows that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: Content | None = None
    image_url: ImageUrl | None = None

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        exactly_one(self, ("image", "image_url"))
        return self


class PictureCaptionRequest(CaptionRequest, SentPicture):
    """A picture to caption, and how.

    The picture is one of `image`, a file in base64, and `image_url` (http or https, where the
    service allows it); it need not be indexed. `prompt` are the words that its caption begins with,
    if any.
    """


class CaptionResponse(Wire):
    """A caption of an image, and the checkpoint that wrote it.

    It begins with the prompt, where one was given. `match` is BLIP's probability, 0 to 1, that the
    picture matches the caption; None where the collection's checkpoint cannot tell.
    """

    text: str
    match: float | None
    checkpoint: FileText


class AnswerRequest(Wire):
    """A question about an image; with `choices` the likeliest of them is the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Text
    choices: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000)] | None = None


class PictureAnswerRequest(AnswerRequest, SentPicture):
    """A question about a picture; with `choices` the likeliest of them is the answer.

    The picture is one of `image`, a file in base64, and `image_url` (http or https, where the
    service allows it); it need not be indexed.
    """


class AnswerResponse(Wire):
    """An answer to a question about an image, and the checkpoint that gave it."""

    question: str
    answer: str
    checkpoint: FileText
