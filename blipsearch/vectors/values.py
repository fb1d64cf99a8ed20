"""What passes between the parts of an index and its callers, and the checks at its entrance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.errors import ShapeError
from blipsearch.records import Embeddings

__all__ = [
    "UNIT_TOLERANCE",
    "ExactVectors",
    "Ids",
    "IndexInfo",
    "Neighbours",
    "SnapshotStamp",
    "check_ids",
    "check_unit_rows",
]

Ids = npt.NDArray[np.int64]
"""Image ids, shape (n,), int64, none negative."""

ExactVectors = Callable[[Ids], tuple[Ids, Embeddings]]
"""Gives those of these ids (m,) that there still are, (n,), and their vectors (n, dim)."""

UNIT_TOLERANCE = 1e-3
"""How far from 1 the norm of a unit vector may be."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest for each of q queries, best first.

    `ids` (q, k) int64, padded with -1; `cosines` (q, k) float32, padded with -inf. `probes` is how
    many lists of a coded index a query visited at most; 0 where every vector was compared.
    """

    ids: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]
    probes: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotStamp:
    """What state a snapshot shows.

    `change` is the change number it reaches, `fingerprint` the checkpoint's whose embeddings it
    holds, `token` the name under which the catalog recorded it.
    """

    change: int
    fingerprint: str
    token: str


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index is at one moment.

    `kind` is `exact` or the coded base's, `description` says it in faiss's words (`IVF4096,SQ8`).
    Of `vectors`, `exact` are held as they are; `tombstones` are in the base but gone or changed
    since. A search visits `probes` of `lists` at first. `bytes` is what all of it takes in memory.
    `recall` is what the base reached of the 100 nearest when it was built, 1 for an exact index.
    """

    kind: str
    description: str
    vectors: int
    exact: int
    tombstones: int
    lists: int
    probes: int
    recall: float
    bytes: int


def check_unit_rows(vectors: Embeddings, dim: int) -> None:
    """Raise ShapeError unless vectors are (n, dim) float32, finite, of norm 1 within 1e-3."""
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ShapeError(f"vectors must have shape (n, {dim}), not {vectors.shape}")
    if vectors.dtype != np.float32:
        raise ShapeError(f"vectors must be float32, not {vectors.dtype}")
    norms = np.linalg.norm(vectors, axis=1)
    # Written so that NaN fails it too.
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= UNIT_TOLERANCE))
    if wrong.size:
        raise ShapeError(
            f"vectors must be finite and of unit norm; row {wrong[0]} has norm {norms[wrong[0]]}"
        )


def check_ids(ids: Ids) -> None:
    """Raise ShapeError unless ids are (n,) int64, none negative."""
    if ids.ndim != 1 or ids.dtype != np.int64:
        raise ShapeError(f"ids must be (n,) int64, not {ids.shape} {ids.dtype}")
    if ids.size and ids.min() < 0:
        raise ShapeError(f"ids must not be negative; there is {ids.min()}")
