"""A searcher over images whose embeddings the tests know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.records import Embeddings, Exif, ImageFile, IndexedFile
from blipsearch.search import Searcher


def vectors_of(count: int, seed: int, dim: int) -> Embeddings:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    unit: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def write_images(collection: Collection, vectors: Embeddings, first: int = 0) -> list[int]:
    """Write an image a vector: image i is named so, i pixels wide, taken on a day of its own."""
    source = collection.add_source("/nowhere").id
    return collection.write(
        [
            IndexedFile(
                file=ImageFile(source, f"{number:05}.jpg", size=1000 + number, mtime_ns=number),
                sha256=f"{number:064x}",
                perceptual_hash=number,
                width=number + 1,
                height=100,
                format="JPEG",
                exif=Exif(taken_at=datetime(2024, 1 + number % 12, 1 + number % 28)),  # noqa: DTZ001
                embedding=vector,
            )
            for number, vector in enumerate(vectors, start=first)
        ]
    )


@contextmanager
def searching(directory: Path, retriever: BlipRetriever) -> Iterator[tuple[Searcher, Collection]]:
    """A searcher over an empty collection in a new library."""
    with (
        Library.open(directory, create=True) as library,
        library.create_collection("photos", retriever.identity) as collection,
    ):
        yield Searcher(collection, retriever, max_pixels=1_000_000), collection
