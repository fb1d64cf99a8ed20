"""Makers of coded bases, small ones, that the tests of the vector index share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blipsearch.records import Embedding, Embeddings
from blipsearch.vectors import (
    BuildSource,
    CodedBase,
    ExactVectors,
    Ids,
    IndexKind,
    VectorIndex,
    build_base,
)
from blipsearch.vectors.planning import plan_of_kind

CODED: tuple[IndexKind, ...] = ("coded", "compact", "mapped")


def reader_of(truth: dict[int, Embedding]) -> ExactVectors:
    """What a catalog that holds `truth` gives for ids."""

    def read(ids: Ids) -> tuple[Ids, Embeddings]:
        there = [int(i) for i in ids if int(i) in truth]
        rows = [truth[i] for i in there]
        dim = len(next(iter(truth.values()))) if truth else 16
        vectors = np.stack(rows) if rows else np.empty((0, dim), np.float32)
        return np.array(there, dtype=np.int64), vectors

    return read


def build(
    directory: Path, truth: dict[int, Embedding], kind: IndexKind, recall: float = 0.99
) -> CodedBase:
    """Build a base of this kind over `truth`, as small as it may be."""
    ids = np.array(sorted(truth), dtype=np.int64)
    dim = len(truth[int(ids[0])])
    source = BuildSource(ids, reader_of(truth), change=7, fingerprint="f" * 64)
    base = build_base(source, plan_of_kind(kind, len(ids), dim), recall, directory)
    assert base is not None
    return base


def index_over(directory: Path, truth: dict[int, Embedding], kind: IndexKind) -> VectorIndex:
    return VectorIndex.over(build(directory, truth, kind))
