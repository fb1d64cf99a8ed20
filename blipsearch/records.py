"""What an image, a collection and a checkpoint's identity are, as plain frozen values.

These pass between catalog, collection, indexer and search. They carry no behaviour and
import neither SQLAlchemy nor torch, so that every layer may hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "Answer",
    "Caption",
    "CheckpointIdentity",
    "CollectionInfo",
    "Embedding",
    "Embeddings",
    "Exif",
    "FailedFile",
    "ImageEntry",
    "ImageFile",
    "ImageStatus",
    "IndexedFile",
    "KnownFile",
    "Run",
    "RunCounts",
    "Source",
]

Embedding = npt.NDArray[np.float32]
"""One unit vector, shape (dim,), float32."""

Embeddings = npt.NDArray[np.float32]
"""n unit vectors, shape (n, dim), float32, C-contiguous."""

ImageStatus = Literal["indexed", "failed", "missing"]


@dataclass(frozen=True, slots=True)
class CheckpointIdentity:
    """Which weights made an embedding. Embeddings with unequal fingerprints never mix.

    `name` is what the user wrote (Hub name, directory or `builtin`), `revision` the Hub commit
    or an empty string, `fingerprint` a SHA-256 over config and weights in hex, `dim` the length
    of an embedding, `preprocessing` the pixel pipeline's settings (size, mean, std, resampling).
    """

    name: str
    revision: str
    fingerprint: str
    dim: int
    preprocessing: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection as the catalog knows it. `change` is its newest change number."""

    id: int
    name: str
    checkpoint: CheckpointIdentity
    created_at: datetime
    change: int
    indexed: int
    failed: int
    missing: int


@dataclass(frozen=True, slots=True)
class Source:
    """A named root of a collection; images carry paths relative to it."""

    id: int
    name: str
    root: str


@dataclass(frozen=True, slots=True)
class Exif:
    """What a camera wrote into the file.

    Latitude and longitude are degrees, south and west negative; `taken_at` is the camera's clock.
    `orientation` is EXIF's 1 to 8; 1 where the file says nothing.
    """

    taken_at: datetime | None = None
    camera: str | None = None
    lens: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    orientation: int = 1


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file as its folder shows it: enough to see whether it changed.

    `path` is relative to the source's root, with forward slashes; `mtime_ns` is in nanoseconds.
    """

    source_id: int
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One image ready to be written: its file, what decoding found, and its embedding.

    `width` and `height` are those of the picture as shown, after EXIF orientation. `sha256` is hex
    over the file's bytes; `perceptual_hash` an unsigned 64-bit integer. `embedding` is (dim,)
    float32 of unit norm.
    """

    file: ImageFile
    sha256: str
    perceptual_hash: int
    width: int
    height: int
    format: str
    exif: Exif
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class FailedFile:
    """One file that could not be indexed, and why, in one sentence for a person."""

    file: ImageFile
    reason: str


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One row of the catalog's images, without its embedding.

    `reason` says why an image failed and is empty otherwise. `absolute_path` is the source's root
    joined with `path`.
    """

    id: int
    source: Source
    path: str
    absolute_path: str
    size: int
    mtime_ns: int
    sha256: str
    perceptual_hash: int | None
    width: int | None
    height: int | None
    format: str | None
    exif: Exif
    metadata: Mapping[str, object]
    tags: tuple[str, ...]
    status: ImageStatus
    reason: str
    change: int


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the catalog remembers of one file, enough to see whether it changed.

    `sha256` is empty for a file that could not be indexed.
    """

    id: int
    size: int
    mtime_ns: int
    sha256: str
    status: ImageStatus


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence a captioning checkpoint wrote for an image; `match` is its ITM probability."""

    id: int
    image_id: int
    text: str
    checkpoint: str
    match: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answering checkpoint said to a question about an image."""

    id: int
    image_id: int
    question: str
    answer: str
    score: float | None
    checkpoint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How many files an index run met, by what became of them."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    moved: int = 0
    missing: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One index run. `finished_at` and `seconds` are None while it runs or where it was killed."""

    id: int
    checkpoint: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    counts: RunCounts
