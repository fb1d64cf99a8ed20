"""The catalog against itself: pages, references, full text, change numbers, embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from blipsearch.catalog import Catalog
from blipsearch.catalog.checking import StoredEmbedding
from blipsearch.records import CollectionInfo
from blipsearch.upkeep.findings import Finding, OnProgress, examples_of
from blipsearch.vectors import UNIT_TOLERANCE

__all__ = [
    "RESTORE",
    "check_catalog",
    "check_numbers",
    "damaged_embeddings",
    "embeddings_finding",
    "in_collection",
]

RESTORE = (
    "if `blipsearch repair` does not mend it, put a backup back with `blipsearch restore BACKUP`, "
    "or index the sources into a new library"
)
_REPAIR = "`blipsearch repair`"
_EMBED_AGAIN = "`blipsearch repair`, then `blipsearch index` embeds them again"


def in_collection(info: CollectionInfo) -> str:
    """How findings name a collection."""
    return f"collection {info.name!r}"


def check_catalog(catalog: Catalog) -> Iterator[Finding]:
    """What is wrong with the database file as a whole. Raises LibraryError where it is worse."""
    messages = catalog.checks.integrity()
    if messages:
        yield Finding(
            "catalog",
            "the database file is damaged",
            str(catalog.path),
            len(messages),
            examples_of(messages),
            RESTORE,
            is_mendable=True,
        )
    orphans = catalog.checks.foreign_keys()
    if orphans:
        yield Finding(
            "catalog",
            "rows refer to rows that are not there",
            str(catalog.path),
            sum(one.rows for one in orphans),
            examples_of([f"{one.rows} of {one.table} to {one.refers_to}" for one in orphans]),
            _REPAIR,
            is_mendable=True,
        )
    if not catalog.checks.full_text_is_whole():
        yield Finding(
            "full_text",
            "captions are not found by just the words that they have",
            str(catalog.path),
            1,
            (),
            _REPAIR,
            is_mendable=True,
        )


def check_numbers(catalog: Catalog, info: CollectionInfo) -> Iterator[Finding]:
    """What is wrong with a collection's change numbers."""
    numbers = catalog.checks.numbers(info.id)
    if numbers.largest > numbers.newest:
        yield Finding(
            "numbers",
            f"change number {numbers.largest} is used, {numbers.newest} is the newest given out: "
            "what comes next would not be noticed",
            in_collection(info),
            1,
            (),
            _REPAIR,
            is_mendable=True,
        )
    if numbers.twice:
        yield Finding(
            "numbers",
            "change numbers are used twice",
            in_collection(info),
            len(numbers.twice),
            examples_of(numbers.twice),
            _REPAIR,
            is_mendable=True,
        )


def damaged_embeddings(
    catalog: Catalog, info: CollectionInfo, on_progress: OnProgress | None = None
) -> tuple[int, list[int]]:
    """How many embeddings there are, and the ids of images whose embedding cannot be right.

    A right one has the collection's length, and is finite and of unit norm.
    """
    total = info.indexed + info.missing
    done, damaged = 0, []
    for page in catalog.checks.embeddings(info.id):
        damaged += _damaged(page, info.checkpoint.dim)
        done += len(page)
        if on_progress is not None:
            on_progress(f"embeddings of {info.name}", done, max(done, total))
    return done, sorted(damaged)


def embeddings_finding(info: CollectionInfo, damaged: Sequence[int]) -> Finding:
    """The finding for embeddings that cannot be right."""
    return Finding(
        "embeddings",
        f"embeddings are not {info.checkpoint.dim} finite numbers of unit norm",
        in_collection(info),
        len(damaged),
        examples_of([f"image {image_id}" for image_id in damaged]),
        _EMBED_AGAIN,
        is_mendable=True,
    )


def _damaged(page: Sequence[StoredEmbedding], dim: int) -> list[int]:
    wrong = [one.image_id for one in page if len(one.packed) != 4 * dim]
    rest = [one for one in page if len(one.packed) == 4 * dim]
    if rest:
        rows = np.frombuffer(b"".join(one.packed for one in rest), dtype="<f4").reshape(-1, dim)
        with np.errstate(all="ignore"):
            norms = np.linalg.norm(rows.astype(np.float64), axis=1)
        # Written so that NaN fails it too.
        bad = np.flatnonzero(~(np.abs(norms - 1.0) <= UNIT_TOLERANCE))
        wrong += [rest[row].image_id for row in bad.tolist()]
    return wrong
