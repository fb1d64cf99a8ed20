"""One row of an import, as strangers wrote it: checked in every field before it is believed."""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blipsearch.catalog.annotations import check_metadata
from blipsearch.catalog.arrivals import NewCaption, NewImage
from blipsearch.catalog.transfer import GivenFacts
from blipsearch.columns import restored_name
from blipsearch.errors import QueryError, ShapeError
from blipsearch.places import SourceKind
from blipsearch.records import Embedding, Exif, ImageFile, IndexedFile
from blipsearch.vectors import check_unit_rows

__all__ = ["BadRowError", "Row", "checked_row", "new_image"]

_Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
_Size = Annotated[int, Field(ge=0, le=2**63 - 1)]
_Pixels = Annotated[int, Field(ge=1, le=2**31 - 1)]
_Degrees = Annotated[float, Field(allow_inf_nan=False)]
_Word = Annotated[str, Field(max_length=10_000)]
_Long = Annotated[str, Field(max_length=100_000)]


class BadRowError(ValueError):
    """Why a row is not taken, in a sentence."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Caption(_Part):
    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    checkpoint: Annotated[str, Field(max_length=4096)] = ""
    match: Annotated[float, Field(ge=0, le=1)] | None = None
    created_at: datetime


class _Given(_Part):
    stamp: _Word
    content: _Long


class _GivenContent(_Part):
    metadata: dict[str, Any]
    tags: list[_Word]
    captions: list[Annotated[str, Field(max_length=10_000)]]


class Row(_Part):
    """A row's fields as an export has them."""

    source: Annotated[str, Field(min_length=1, max_length=4096)]
    path: Annotated[str, Field(min_length=1, max_length=65_536)]
    size: _Size
    mtime: _Int64
    status: Literal["indexed", "missing"] = "indexed"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    perceptual_hash: Annotated[int, Field(ge=0, lt=2**64)]
    width: _Pixels
    height: _Pixels
    format: _Word
    taken_at: datetime | None = None
    camera: _Word | None = None
    lens: _Word | None = None
    latitude: Annotated[_Degrees, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[_Degrees, Field(ge=-180, le=180)] | None = None
    orientation: Annotated[int, Field(ge=1, le=8)] = 1
    tags: Annotated[list[_Word], Field(max_length=1000)] | None = None
    metadata: Annotated[str, Field(max_length=200_000)] | None = None
    captions: Annotated[list[_Caption], Field(max_length=1000)] | None = None
    given: _Given | None = None


def checked_row(values: Mapping[str, object], kinds: Mapping[str, SourceKind]) -> Row:
    """Check a row's fields, and its path by the kind of its source; `kinds` has those by name.

    Raises BadRowError.
    """
    try:
        row = Row.model_validate({name: one for name, one in values.items() if one is not None})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadRowError(f"{field}: {first['msg']}") from error
    if row.source not in kinds:
        raise BadRowError(f"source: the file names no source {row.source!r}")
    _check_path(restored_name(row.path), kinds[row.source])
    return row


def new_image(row: Row, embedding: object, dim: int) -> NewImage:
    """What a checked row and its embedding say of an image, in the source 0. Raises BadRowError."""
    if row.taken_at is not None and row.taken_at.tzinfo is not None:
        raise BadRowError("taken_at: the camera's clock has no zone")
    return NewImage(
        indexed=IndexedFile(
            file=ImageFile(0, restored_name(row.path), row.size, row.mtime),
            sha256=row.sha256,
            perceptual_hash=row.perceptual_hash,
            width=row.width,
            height=row.height,
            format=row.format,
            exif=Exif(
                taken_at=row.taken_at,
                camera=row.camera,
                lens=row.lens,
                latitude=row.latitude,
                longitude=row.longitude,
                orientation=row.orientation,
            ),
            embedding=_checked_embedding(embedding, dim),
        ),
        is_missing=row.status == "missing",
        metadata=_metadata(row.metadata or "{}"),
        tags=tuple(row.tags or ()),
        captions=tuple(
            NewCaption(one.text, restored_name(one.checkpoint), one.match, one.created_at)
            for one in row.captions or ()
        ),
        given=None if row.given is None else _given(row.given),
    )


def _check_path(path: str, kind: SourceKind) -> None:
    """Refuse what names another place than one below its root. A manifest may name any place."""
    if "\0" in path:
        raise BadRowError("path: there is a NUL in it")
    if kind == "manifest":
        return
    leads_out = path.startswith("/") or ".." in path.split("/")
    # What is written otherwise than the indexer writes it would be another image to it.
    if leads_out or (kind != "remote" and posixpath.normpath(path) != path):
        raise BadRowError(f"path: {path!r} is no plain path below the source's root")


def _checked_embedding(embedding: object, dim: int) -> Embedding:
    try:
        with np.errstate(all="ignore"):
            vector: Embedding = np.asarray(embedding, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BadRowError("embedding: it is no list of numbers") from error
    if vector.shape != (dim,):
        raise BadRowError(f"embedding: it has shape {vector.shape}, not ({dim},)")
    try:
        check_unit_rows(vector[np.newaxis], dim)
    except ShapeError as error:
        norm = float(np.linalg.norm(vector.astype(np.float64)))
        said = f"its norm is {norm:.6g}" if math.isfinite(norm) else "it is not finite"
        raise BadRowError(f"embedding: {said}, and must be 1") from error
    return vector


def _metadata(text: str) -> Mapping[str, object]:
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRowError(f"metadata: it is no JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise BadRowError("metadata: it is no JSON object")
    try:
        check_metadata(metadata)
    except QueryError as error:
        raise BadRowError(f"metadata: {error}") from error
    return metadata


def _given(given: _Given) -> GivenFacts:
    try:
        content = _GivenContent.model_validate(json.loads(given.content))
    except (ValueError, RecursionError) as error:
        raise BadRowError("given: its content is not what a sidecar gives") from error
    try:
        check_metadata(content.metadata)
    except QueryError as error:
        raise BadRowError(f"given: {error}") from error
    return GivenFacts(given.stamp, content.model_dump())
