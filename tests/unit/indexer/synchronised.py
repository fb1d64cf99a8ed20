"""What the tests of the synchronisation share: a real tiny checkpoint that counts its work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from blipsearch.blip import BlipRetriever
from blipsearch.blip.pixels import Squares
from blipsearch.collection import Collection
from blipsearch.records import Embeddings, ImageEntry, ImageStates, StatesKind
from indexer.indexing import index_collection
from indexer.records import IndexOptions, IndexSummary

__all__ = ["CountingRetriever", "by_path", "later", "synchronise"]


class CountingRetriever(BlipRetriever):
    """A real retriever that remembers the size of each batch it embedded."""

    batches: list[int]

    def encode_squares(
        self, squares: Squares, kind: StatesKind
    ) -> tuple[Embeddings, ImageStates | None]:
        self.batches.append(len(squares))
        return super().encode_squares(squares, kind)

    def embedded(self) -> int:
        """How many images were embedded since this was asked last."""
        count = sum(self.batches)
        self.batches = []
        return count


def synchronise(
    collection: Collection,
    retriever: BlipRetriever,
    sources: Sequence[Path | str] = (),
    **options: object,
) -> IndexSummary:
    """One run in this process, with small batches."""
    chosen = IndexOptions(**{"batch_size": 4, "threads": 1, "isolated": False, **options})  # type: ignore[arg-type]
    return index_collection(collection, retriever, sources, chosen)


def by_path(collection: Collection) -> dict[str, ImageEntry]:
    """The entries by where they are."""
    return {entry.absolute_path: entry for entry in collection.entries()}


def later(path: Path, seconds: int = 10) -> None:
    """Give a file another mtime, as touching it would."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 1_000_000_000))
