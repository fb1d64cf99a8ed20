"""Compares what a catalog said before and says now, and what two libraries of one folder say."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from blipsearch.collection import Collection
from blipsearch.errors import CollectionNotFoundError, LibraryNotFoundError
from blipsearch.library import Library
from blipsearch.local import OpenLibrary, open_library
from blipsearch.records import Embedding, ImageEntry, ImageStatus
from blipsearch.settings import make_settings

WITHIN = 1e-6
"""How far two embeddings of one picture may be apart, in any number, that were made in batches of
other pictures."""
COPIES = 8
"""Images of one content at most."""
SENTENCES = ("a red cat", "blue shapes on white", "two dogs beside a house")


@dataclass(frozen=True)
class Row:
    """What the catalog says of one image."""

    id: int
    path: str
    sha256: str
    status: ImageStatus
    reason: str
    embedding: Embedding | None


def rows_of(library: Path) -> list[Row]:
    """All rows of the collection `default`; none where there is no such collection yet.

    Reads a copy: opening the library itself would mend what a killed process left, which is for the
    next one to do. Raises ValueError where the copy does not search what its catalog holds.
    """
    if not library.exists():
        return []
    with TemporaryDirectory() as place:
        copy = Path(shutil.copytree(library, Path(place) / "copy"))
        try:
            with Library.open(copy) as opened, opened.collection("default") as collection:
                rows = [_row(collection, entry) for entry in collection.entries()]
                _check_searchable(collection, rows)
                return rows
        except (LibraryNotFoundError, CollectionNotFoundError):
            return []


def _row(collection: Collection, entry: ImageEntry) -> Row:
    embedding = collection.embedding(entry.id) if entry.sha256 else None
    facts = entry.id, entry.path, entry.sha256, entry.status, entry.reason
    return Row(*facts, embedding)


def _check_searchable(collection: Collection, rows: Sequence[Row]) -> None:
    """See that the index, whatever snapshot it began with, holds just what is indexed."""
    held = {row.id for row in rows if row.status == "indexed"}
    if not held:
        return
    vectors = [row.embedding for row in rows if row.embedding is not None]
    found = collection.search(np.stack(vectors), COPIES)
    if {int(one) for one in np.unique(found.ids)} - {-1} != held:
        raise ValueError(f"searches find {np.unique(found.ids)} where {sorted(held)} are indexed")


def lost(before: Sequence[Row], after: Sequence[Row], there: dict[str, str]) -> list[str]:
    """What was committed and is not as it was; `there` are the contents of the folder's files."""
    now = {row.id: row for row in after}
    wrong = []
    for old in before:
        new = now.get(old.id)
        if new is None:
            wrong.append(f"image {old.id}, {old.path}, is gone")
            continue
        if old.embedding is None or new.sha256 != old.sha256:
            if old.sha256 and there.get(old.path) == old.sha256 and new.path == old.path:
                wrong.append(f"image {old.id}, {old.path}, has another content than its file")
            continue
        if new.embedding is None or not np.array_equal(old.embedding, new.embedding):
            wrong.append(f"image {old.id}, {old.path}, has another embedding")
    keys = [row.path for row in after]
    wrong += [f"{path} is there twice" for path in {key for key in keys if keys.count(key) > 1}]
    return wrong


def differences(disturbed: Path, undisturbed: Path, root: Path) -> list[str]:
    """What two libraries of the same folder say differently: images but missing ones, searches."""
    mine, other = (
        {row.path: row for row in rows_of(library) if row.status != "missing"}
        for library in (disturbed, undisturbed)
    )
    if mine.keys() != other.keys():
        return [f"only one of the libraries has {sorted(mine.keys() ^ other.keys())}"]
    wrong = [
        f"{path} {odd}" for path, row in mine.items() if (odd := _difference(row, other[path]))
    ]
    return wrong or _differing_searches(disturbed, undisturbed, root)


def _difference(one: Row, two: Row) -> str:
    """How two rows of one path are not the same; empty where they are."""
    if (one.status, one.reason, one.sha256) != (two.status, two.reason, two.sha256):
        return (
            f"is {one.status} {one.reason} {one.sha256}, not {two.status} {two.reason} {two.sha256}"
        )
    if one.embedding is None or two.embedding is None:
        return "" if one.embedding is two.embedding else "has an embedding in one of them only"
    apart = float(np.abs(one.embedding - two.embedding).max())
    return f"has embeddings {apart} apart" if apart > WITHIN else ""


def _differing_searches(disturbed: Path, undisturbed: Path, root: Path) -> list[str]:
    pictures = sorted(root.rglob("*.png"))
    settings = make_settings(device="cpu")
    with (
        open_library(disturbed, settings=settings) as one,
        open_library(undisturbed, settings=settings) as two,
    ):
        return [
            f"a search for {wanted}: {trouble}"
            for wanted in (*SENTENCES, pictures[0], pictures[-1])
            for trouble in _apart(_found(one, wanted), _found(two, wanted))
        ]


def _found(library: OpenLibrary, wanted: str | Path) -> dict[str, tuple[float, float]]:
    """Cosine and match of every image, by its path."""
    if isinstance(wanted, str):
        hits = library.search(wanted, limit=1000, candidates=1000)
    else:
        hits = library.search(image=wanted, limit=1000)
    return {hit.path: (hit.cosine, hit.match or 0.0) for hit in hits}


def _apart(
    mine: dict[str, tuple[float, float]], other: dict[str, tuple[float, float]]
) -> list[str]:
    if mine.keys() != other.keys():
        return [f"only one finds {sorted(mine.keys() ^ other.keys())}"]
    return [
        f"{mine[path]} of {path} instead of {other[path]}"
        for path in mine
        if not np.allclose(mine[path], other[path], atol=10 * WITHIN)
    ]
