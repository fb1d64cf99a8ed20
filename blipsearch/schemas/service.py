"""Collections, the state of a service, and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from blipsearch.schemas.fields import FileText, Wire

__all__ = [
    "Alive",
    "CollectionList",
    "CollectionSummary",
    "ErrorResponse",
    "Problem",
    "Ready",
    "StatesSummary",
]


class StatesSummary(Wire):
    """The image states that a collection keeps on disk for reranking.

    `kind` says how they are kept and `budget` how many bytes they may take; `images` have one, in
    `bytes` on disk.
    """

    kind: Literal["float16", "int8", "merged", "none"]
    images: int
    bytes: int
    budget: int


class CollectionSummary(Wire):
    """One collection: how many images it holds and which checkpoint embedded them."""

    name: str
    images: int
    failed: int
    missing: int
    checkpoint: FileText
    fingerprint: str
    dim: int
    created_at: datetime
    states: StatesSummary


class Alive(Wire):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Ready(Wire):
    """Whether a search would be answered at once.

    `starting` until the checkpoints of all collections are loaded and tried; `failed` where one
    cannot be: `problems` say why, and the other collections can be searched. `checkpoints` are in
    memory now, by task; those for captions and answers come when they are first needed.
    """

    status: Literal["starting", "ready", "failed"]
    collections: int
    checkpoints: Mapping[Literal["retrieval", "caption", "answer"], tuple[str, ...]]
    problems: tuple[str, ...] = ()


class CollectionList(Wire):
    """The collections of a library."""

    collections: tuple[CollectionSummary, ...]


class Problem(Wire):
    """Why a request was not answered: a stable code, a message for people, and what else is known.

    `code` is that of the error which the library raises for it.
    """

    code: str
    message: str
    detail: Mapping[str, object] = Field(default_factory=dict)


class ErrorResponse(Wire):
    """The one form of every error over HTTP."""

    error: Problem
