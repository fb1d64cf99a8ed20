"""Given: tags, captions and metadata out of what a file says, as far as the catalog holds it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from blipsearch.catalog.annotations import check_metadata
from blipsearch.errors import QueryError
from blipsearch.records import Given

__all__ = ["CAPTION_KEYS", "TAG_KEYS", "given_of", "joined", "plain"]

TAG_KEYS = ("tags",)
CAPTION_KEYS = ("caption", "captions")

LONGEST_TAG = 100
LONGEST_CAPTION = 1000
_DEEPEST = 32

_BETWEEN_TAGS = re.compile("[,;]")


def given_of(said: Mapping[str, object], caption_keys: Sequence[str] = CAPTION_KEYS) -> Given:
    """Sort out what was said: tags, captions, and all else as metadata.

    Tags may be a list or a text with commas, captions a list or one text. Raises ValueError for
    metadata that the catalog does not take: too much of it, or nested too deep.
    """
    tags: dict[str, None] = {}
    captions: dict[str, None] = {}
    metadata: dict[str, object] = {}
    for key, value in said.items():
        if key in TAG_KEYS:
            tags |= dict.fromkeys(_tags(value))
        elif key in caption_keys:
            captions |= dict.fromkeys(_captions(value))
        else:
            kept = plain(value)
            if kept is not None:
                metadata[_text(str(key))] = kept
    try:
        check_metadata(metadata)
    except QueryError as error:
        raise ValueError(str(error)) from error
    return Given(metadata, tuple(tags), tuple(captions))


def joined(parts: Sequence[Given]) -> Given:
    """Several sayings as one: of metadata the last counts; tags and captions are put together."""
    metadata: dict[str, object] = {}
    for part in parts:
        metadata |= part.metadata
    tags = dict.fromkeys(tag for part in parts for tag in part.tags)
    captions = dict.fromkeys(caption for part in parts for caption in part.captions)
    return Given(metadata, tuple(tags), tuple(captions))


def plain(value: object, depth: int = 0) -> object:
    """A value as JSON can hold it; None where there is nothing to hold.

    Dates become text, decimals numbers, bytes text where they are UTF-8. What is not a number or
    infinite is nothing; so is what JSON has no form for.
    """
    if depth > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one, depth + 1) for one in value]
    return _plain_other(value)


def _plain_other(value: object) -> object:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return None


def _tags(value: object) -> list[str]:
    parts = _BETWEEN_TAGS.split(value) if isinstance(value, str) else _list(value)
    return [tag[:LONGEST_TAG].strip() for part in parts if (tag := _text(str(part)).strip())]


def _captions(value: object) -> list[str]:
    texts = (" ".join(_text(str(one)).split()) for one in _list(value))
    return [text[:LONGEST_CAPTION] for text in texts if text]


def _list(value: object) -> list[object]:
    values = value if isinstance(value, list | tuple) else [value]
    return [one for one in values if isinstance(one, str | int | float) and one == one]  # noqa: PLR0124  # NaN does not equal itself


def _text(value: str) -> str:
    """Text that can be sent and stored: without lone surrogates and NULs."""
    return value.encode("utf-8", "replace").decode().replace("\0", "")
