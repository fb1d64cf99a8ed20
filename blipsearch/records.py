"""What an image, a collection and a checkpoint's identity are, as plain frozen values.

These pass between catalog, collection, indexer and search. They carry no behaviour and
import neither SQLAlchemy nor torch, so that every layer may hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from blipsearch.places import Place, SourceKind

__all__ = [
    "BY_A_PERSON",
    "DEFAULT_STATES_BUDGET",
    "DEFAULT_STATES_KIND",
    "Answer",
    "ApiKey",
    "Caption",
    "CheckpointIdentity",
    "CollectionInfo",
    "Embedding",
    "Embeddings",
    "Exif",
    "FailedFile",
    "Given",
    "GivenRecord",
    "ImageEntry",
    "ImageFile",
    "ImageStates",
    "ImageStatus",
    "IndexedFile",
    "KeyScope",
    "KnownFile",
    "Run",
    "RunCounts",
    "Source",
    "SourceKind",
    "StateKey",
    "StatesKind",
    "StatesUsage",
    "WrittenCaption",
]

Embedding = npt.NDArray[np.float32]
"""One unit vector, shape (dim,), float32."""

Embeddings = npt.NDArray[np.float32]
"""n unit vectors, shape (n, dim), float32, C-contiguous."""

ImageStatus = Literal["indexed", "failed", "missing"]

StatesKind = Literal["float16", "int8", "merged", "none"]
"""How the vision tower's output is kept for reranking; `none` keeps nothing."""

DEFAULT_STATES_KIND: StatesKind = "float16"
DEFAULT_STATES_BUDGET = 20_000_000_000
"""Bytes on disk."""

KeyScope = Literal["read", "write"]
"""What an API key allows: `read` searches and looks, `write` changes what is there, too."""


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
    """A collection as the catalog knows it. `change` is its newest change number.

    `states_kind` and `states_budget` (bytes) are how it keeps image states for reranking.
    """

    id: int
    name: str
    checkpoint: CheckpointIdentity
    created_at: datetime
    change: int
    indexed: int
    failed: int
    missing: int
    states_kind: StatesKind
    states_budget: int


@dataclass(frozen=True, slots=True)
class Source:
    """A named root of a collection; images carry paths relative to it."""

    id: int
    name: str
    root: str
    kind: SourceKind = "folder"


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
class Given:
    """What a sidecar or a manifest's row says of an image."""

    metadata: Mapping[str, object] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenRecord:
    """What was read of a sidecar or row, and the stamp by which a later change of it is seen."""

    stamp: str
    given: Given


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One image ready to be written: its file, what decoding found, and its embedding.

    `width` and `height` are those of the picture as shown, after EXIF orientation. `sha256` is hex
    over the file's bytes; `perceptual_hash` an unsigned 64-bit integer. `embedding` is (dim,)
    float32 of unit norm. `given` is None where no sidecar and no manifest says anything.
    """

    file: ImageFile
    sha256: str
    perceptual_hash: int
    width: int
    height: int
    format: str
    exif: Exif
    embedding: Embedding
    given: GivenRecord | None = None


@dataclass(frozen=True, slots=True)
class FailedFile:
    """One file that could not be indexed, and why, in one sentence for a person.

    A `lasting` reason lies in the content: the file is not tried again until it changes. Others,
    such as a disk that did not answer, are tried anew in each run.
    """

    file: ImageFile
    reason: str
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One row of the catalog's images, without its embedding.

    `reason` says why an image failed and is empty otherwise; `lasting` is as in FailedFile.
    `absolute_path` is the address of its place: the source's root joined with `path`, or a URL.
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
    lasting: bool = True

    @property
    def place(self) -> Place:
        """Where its bytes are."""
        return Place(self.source.kind, self.source.root, self.path)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the catalog remembers of one file, enough to see whether it changed.

    `sha256` is empty for a file that could not be indexed; `reason` then says why, and `lasting`
    whether only another content would help. `given_stamp` is that of the GivenRecord last taken
    over, empty without one.
    """

    id: int
    size: int
    mtime_ns: int
    sha256: str
    status: ImageStatus
    reason: str = ""
    lasting: bool = True
    given_stamp: str = ""


BY_A_PERSON = ""
"""In place of a checkpoint's name, where a person wrote a caption."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence that a checkpoint or a person wrote for an image; `match` is its ITM match."""

    id: int
    image_id: int
    text: str
    checkpoint: str
    match: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WrittenCaption:
    """A caption that a checkpoint wrote of an image's content, SHA-256 in hex, and its ITM match.

    `match` is None where no ITM head judged it.
    """

    image_id: int
    content: str
    text: str
    match: float | None


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


@dataclass(frozen=True, slots=True, eq=False)
class ImageStates:
    """States of n images as they are stored: what the text's cross-attention looks at, for ITM.

    `values` (n, tokens, width) float32, float16 or int8. `scales` (n, tokens) float32 where values
    are int8, a state being value times scale; else None. `sizes` (n, tokens) uint16, how many of
    the image's own tokens a merged one stands for, 0 being none and not attended; None where
    nothing was merged.
    """

    values: npt.NDArray[np.float32] | npt.NDArray[np.float16] | npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32] | None = None
    sizes: npt.NDArray[np.uint16] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, which: slice | npt.NDArray[np.int64]) -> ImageStates:
        """Some of the images: a view for a slice, a copy for indices (m,) int64."""
        return ImageStates(
            values=self.values[which],
            scales=None if self.scales is None else self.scales[which],
            sizes=None if self.sizes is None else self.sizes[which],
        )

    @staticmethod
    def joined(parts: Sequence[ImageStates]) -> ImageStates:
        """Several batches of one layout as one, in their order.

        Raises ValueError where there are none, or where tokens, width, or what is stored differ.
        """
        if not parts:
            raise ValueError("there are no states to join")
        scales = [part.scales for part in parts if part.scales is not None]
        sizes = [part.sizes for part in parts if part.sizes is not None]
        dtypes = {part.values.dtype for part in parts}
        if len(dtypes) > 1 or {len(scales), len(sizes)} - {0, len(parts)}:
            raise ValueError("states of different kinds cannot be joined")
        return ImageStates(
            values=np.concatenate([part.values for part in parts]),
            scales=np.concatenate(scales) if scales else None,
            sizes=np.concatenate(sizes) if sizes else None,
        )


@dataclass(frozen=True, slots=True)
class StateKey:
    """Whose states they are: the image, and the SHA-256 in hex of the file's bytes."""

    image_id: int
    content: str


@dataclass(frozen=True, slots=True)
class StatesUsage:
    """How many images have states, and how many bytes the files take on disk."""

    images: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the query service, but not the key itself, which is told once and kept nowhere.

    `revoked_at` is None as long as it opens anything.
    """

    id: int
    name: str
    scope: KeyScope
    created_at: datetime
    revoked_at: datetime | None
