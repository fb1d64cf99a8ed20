"""Batch: outcomes of decoding, gathered until the network and the catalog take them together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings, FailedFile, IndexedFile
from indexer.decode import Outcome, Prepared, Refused, SameContent, Vanished

__all__ = ["Batch"]

MOST_OTHERS = 256
"""Outcomes without pixels that are gathered at most: they are written while others decode."""


class Batch:
    """Up to `size` prepared pictures, and what else came along."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.prepared: list[Prepared] = []
        self.same: list[SameContent] = []
        self.refused: list[Refused] = []
        self.vanished: list[Vanished] = []

    def __len__(self) -> int:
        return len(self.prepared) + len(self.same) + len(self.refused) + len(self.vanished)

    @property
    def is_full(self) -> bool:
        """Whether it is time to embed and write."""
        others = len(self) - len(self.prepared)
        return len(self.prepared) >= self._size or others >= MOST_OTHERS

    def add(self, outcome: Outcome) -> None:
        """Take one outcome, by its kind."""
        match outcome:
            case Prepared():
                self.prepared.append(outcome)
            case SameContent():
                self.same.append(outcome)
            case Refused():
                self.refused.append(outcome)
            case Vanished():
                self.vanished.append(outcome)

    def pixels(self) -> npt.NDArray[np.float32]:
        """The prepared pictures together, (n, 3, size, size) float32."""
        return np.stack([one.pixels for one in self.prepared])

    def contents(self) -> list[str]:
        """The prepared pictures' contents, as SHA-256 in hex."""
        return [one.sha256 for one in self.prepared]

    def indexed_files(self, features: Embeddings) -> list[IndexedFile]:
        """Join the prepared pictures with their embeddings, (n, dim) float32 of unit norm."""
        return [
            IndexedFile(
                file=one.candidate.file,
                sha256=one.sha256,
                perceptual_hash=one.perceptual_hash,
                width=one.width,
                height=one.height,
                format=one.format,
                exif=one.exif,
                embedding=embedding,
            )
            for one, embedding in zip(self.prepared, features, strict=True)
        ]

    def failed_files(self) -> list[FailedFile]:
        """The failures to record: those that last, unless the catalog holds them already."""
        return [
            FailedFile(one.candidate.file, one.reason)
            for one in self.refused
            if one.lasting and not _is_recorded(one)
        ]


def _is_recorded(refused: Refused) -> bool:
    file, known = refused.candidate.file, refused.candidate.known
    return (
        known is not None
        and refused.candidate.reason == refused.reason
        and (known.size, known.mtime_ns) == (file.size, file.mtime_ns)
    )
