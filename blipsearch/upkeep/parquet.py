"""The form of an export: a Parquet file's schema, what it says of itself, pyarrow loaded late.

Format version 1. A row is an image that has an embedding. `path` is as the catalog keeps it: what
is not UTF-8 of a file's name is written as U+001A and four hex digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blipsearch.errors import EngineMissingError
from blipsearch.places import SourceKind

__all__ = [
    "FORMAT_VERSION",
    "KEY",
    "Header",
    "HeaderCheckpoint",
    "HeaderSource",
    "make_schema",
    "pyarrow",
    "pyarrow_parquet",
]

FORMAT_VERSION: Literal[1] = 1
KEY = b"blipsearch"
"""The key in the file's metadata under which its header stands, as JSON."""


def pyarrow() -> Any:  # noqa: ANN401  # pyarrow ships no types
    """The package pyarrow. Raises EngineMissingError where it is not installed."""
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise EngineMissingError(
            "Parquet files take pyarrow, which is not installed; run "
            "`pip install 'blipsearch[parquet]'`"
        ) from error


def pyarrow_parquet() -> Any:  # noqa: ANN401  # pyarrow ships no types
    """The module pyarrow.parquet. Raises EngineMissingError where it is not installed."""
    pyarrow()
    return import_module("pyarrow.parquet")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class HeaderCheckpoint(_Part):
    """Whose embeddings they are; as in CheckpointIdentity."""

    name: Annotated[str, Field(max_length=4096)]
    revision: Annotated[str, Field(max_length=200)]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]
    dim: Annotated[int, Field(ge=1, le=65_536)]
    preprocessing: Mapping[str, Any]


class HeaderSource(_Part):
    """A source, which rows refer to by its name."""

    name: Annotated[str, Field(min_length=1, max_length=4096)]
    root: Annotated[str, Field(min_length=1, max_length=65_536)]
    kind: SourceKind


class Header(_Part):
    """What an export says of itself."""

    format_version: int
    collection: str
    checkpoint: HeaderCheckpoint
    sources: Annotated[tuple[HeaderSource, ...], Field(strict=False, max_length=100_000)]


def make_schema(header: Header) -> Any:  # noqa: ANN401  # pyarrow ships no types
    """The schema of an export with that header."""
    pa = pyarrow()
    text = pa.string()
    moment = pa.timestamp("us", tz="UTC")
    caption = [
        ("text", text),
        ("checkpoint", text),
        ("match", pa.float64()),
        ("created_at", moment),
    ]
    given = [("stamp", text), ("content", text)]
    columns = {
        "id": pa.int64(),
        "source": text,
        "path": text,
        "size": pa.int64(),
        "mtime": pa.timestamp("ns", tz="UTC"),
        "status": text,
        "sha256": text,
        "perceptual_hash": pa.uint64(),
        "width": pa.int32(),
        "height": pa.int32(),
        "format": text,
        "taken_at": pa.timestamp("us"),
        "camera": text,
        "lens": text,
        "latitude": pa.float64(),
        "longitude": pa.float64(),
        "orientation": pa.int32(),
        "tags": pa.list_(text),
        "metadata": text,
        "captions": pa.list_(pa.struct(caption)),
        "given": pa.struct(given),
        "embedding": pa.list_(pa.float32(), header.checkpoint.dim),
    }
    return pa.schema(list(columns.items()), metadata={KEY: header.model_dump_json().encode()})
