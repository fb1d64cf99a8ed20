"""Draws the demo's gallery and indexes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from blipsearch.blip import BlipRetriever
from blipsearch.errors import CollectionNotFoundError
from blipsearch.library import Library
from blipsearch.picturebook import gallery, render
from blipsearch.settings import Settings
from indexer.indexing import index_collection
from indexer.records import IndexOptions, IndexSummary, Progress

__all__ = ["DEMO_COLLECTION", "GALLERY_SIZE", "ensure_demo", "gallery_folder"]

DEMO_COLLECTION = "demo"
GALLERY_SIZE = 300
GALLERY_SEED = 20
PICTURE_SIZE = 384

Drawn = Callable[[int, int], None]
"""Told how many of how many pictures are drawn."""


def gallery_folder(library: Path) -> Path:
    """Return where the demo's pictures lie in a library."""
    return library / "demo" / "pictures"


def ensure_demo(settings: Settings, *, on_drawn: Drawn, on_indexed: Progress) -> IndexSummary:
    """Bring the collection `demo` of the settings' library up to date, drawing what is missing.

    The library is made when it is not there. A second run changes nothing. Raises the errors of
    `Library.open` and CollectionCheckpointError when `demo` was embedded with other weights.
    """
    folder = gallery_folder(settings.library)
    retriever = BlipRetriever.from_pretrained(
        "builtin", device=settings.device, dtype=settings.dtype
    )
    with Library.open(settings.library, create=True) as library:
        _draw(folder, on_drawn)
        try:
            collection = library.collection(DEMO_COLLECTION)
        except CollectionNotFoundError:
            collection = library.create_collection(DEMO_COLLECTION, retriever.identity)
        with collection:
            return index_collection(
                collection, retriever, [folder], IndexOptions(batch_size=32), on_indexed
            )


def _draw(folder: Path, on_drawn: Drawn) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(gallery(GALLERY_SIZE, GALLERY_SEED), start=1):
        picture = folder / f"scene-{number:03}.png"
        if not picture.exists():
            # A name of its own until it is whole: a torn picture would be indexed as it is.
            unfinished = picture.with_suffix(".part")
            render(scene, PICTURE_SIZE).save(unfinished, format="PNG")
            unfinished.rename(picture)
        on_drawn(number, GALLERY_SIZE)
