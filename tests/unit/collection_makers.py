"""Makers of collections, embeddings and files that the tests of catalog and collection share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.records import (
    CheckpointIdentity,
    Embedding,
    Embeddings,
    Exif,
    FailedFile,
    ImageFile,
    IndexedFile,
)
from blipsearch.vectors import Neighbours

DIM = 16


def identity(
    fingerprint: str = "a" * 64, *, name: str = "tiny", dim: int = DIM
) -> CheckpointIdentity:
    return CheckpointIdentity(name, "", fingerprint, dim, {"size": 32})


def unit_rows(count: int, seed: int, dim: int = DIM) -> Embeddings:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    unit: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def unit_row(seed: int) -> Embedding:
    row: Embedding = unit_rows(1, seed)[0]
    return row


def image_file(source_id: int, path: str, seed: int = 0) -> ImageFile:
    return ImageFile(source_id, path, size=1000 + seed, mtime_ns=1_700_000_000_000_000_000 + seed)


def indexed_file(source_id: int, path: str, seed: int = 0, exif: Exif | None = None) -> IndexedFile:
    """An image whose content, and so its hash and embedding, follows from the seed."""
    return IndexedFile(
        file=image_file(source_id, path, seed),
        sha256=hashlib.sha256(str(seed).encode()).hexdigest(),
        perceptual_hash=(seed * 0x9E3779B97F4A7C15) % (1 << 64),
        width=640,
        height=480,
        format="JPEG",
        exif=exif or Exif(),
        embedding=unit_row(seed),
    )


def failed_file(source_id: int, path: str, reason: str = "it is truncated") -> FailedFile:
    return FailedFile(image_file(source_id, path), reason)


@contextmanager
def new_collection(directory: Path) -> Iterator[Collection]:
    """An empty collection `photos` in a new library."""
    with (
        Library.open(directory, create=True) as library,
        library.create_collection("photos", identity()) as collection,
    ):
        yield collection


@contextmanager
def opened_collection(directory: Path) -> Iterator[Collection]:
    """The collection `photos` of a library, opened by itself as another process would."""
    with Library.open(directory) as library, library.collection("photos") as collection:
        yield collection


def assert_is_brute_force(
    found: Neighbours, queries: Embeddings, k: int, truth: dict[int, Embedding]
) -> None:
    """Hold a search against comparing each query with each vector of `truth`.

    Equal cosines may come in any order, so cosines are compared, and each id with its own.
    """
    ids: npt.NDArray[np.int64] = np.array(sorted(truth), dtype=np.int64)
    vectors = np.stack([truth[int(i)] for i in ids]) if truth else np.empty((0, DIM), np.float32)
    cosines = queries @ vectors.T
    count = min(k, len(ids))
    assert found.ids.shape == found.cosines.shape == (len(queries), k)
    assert found.ids.dtype == np.int64
    assert found.cosines.dtype == np.float32
    assert np.all(found.ids[:, count:] == -1)
    assert np.all(found.cosines[:, count:] == -np.inf)
    for row in range(len(queries)):
        best = np.sort(cosines[row])[::-1][:count]
        np.testing.assert_allclose(found.cosines[row, :count], best, atol=1e-5)
        given = found.ids[row, :count]
        assert len(set(given.tolist())) == count
        assert np.all(np.isin(given, ids))
        own = cosines[row][np.searchsorted(ids, given)]
        np.testing.assert_allclose(found.cosines[row, :count], own, atol=1e-5)
