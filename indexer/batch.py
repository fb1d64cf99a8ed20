"""Batch: outcomes of decoding, gathered until the network and the catalog take them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings, FailedFile, GivenRecord, IndexedFile
from indexer.decode import Moved, Outcome, Prepared, Refused, SameContent, Vanished
from indexer.plan import Candidate

__all__ = ["Batch"]

MOST_OTHERS = 256
"""Outcomes without pixels that are gathered at most: they are written while others decode."""

_NOTHING = np.empty((0, 0, 3), dtype=np.uint8)

ReadGiven = Callable[[Candidate], GivenRecord | None]


class Batch:
    """Up to `size` prepared pictures, and what else came along."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.prepared: list[Prepared] = []
        self.same: list[SameContent] = []
        self.moved: list[Moved] = []
        self.refused: list[Refused] = []
        self.vanished: list[Vanished] = []

    def __len__(self) -> int:
        others = len(self.same) + len(self.moved) + len(self.refused) + len(self.vanished)
        return len(self.prepared) + others

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
            case Moved():
                self.moved.append(outcome)
            case Refused():
                self.refused.append(outcome)
            case Vanished():
                self.vanished.append(outcome)

    def take_squares(self) -> npt.NDArray[np.uint8]:
        """The prepared pictures together, (n, size, size, 3) uint8; they are not kept here."""
        squares = np.stack([one.picture.square for one in self.prepared])
        self.prepared = [
            replace(one, picture=replace(one.picture, square=_NOTHING)) for one in self.prepared
        ]
        return squares

    def contents(self) -> list[str]:
        """The prepared pictures' contents, as SHA-256 in hex."""
        return [one.picture.sha256 for one in self.prepared]

    def indexed_files(
        self, features: Embeddings, given: ReadGiven | None = None
    ) -> list[IndexedFile]:
        """Join the prepared pictures with their embeddings, (n, dim) float32 of unit norm.

        `given` reads what sidecars and manifests say of each.
        """
        return [
            IndexedFile(
                file=one.candidate.file,
                sha256=one.picture.sha256,
                perceptual_hash=one.picture.perceptual_hash,
                width=one.picture.width,
                height=one.picture.height,
                format=one.picture.format,
                exif=one.picture.exif,
                embedding=embedding,
                given=None if given is None else given(one.candidate),
            )
            for one, embedding in zip(self.prepared, features, strict=True)
        ]

    def failed_files(self) -> list[FailedFile]:
        """The failures to record, unless the catalog holds them already.

        An image that was indexed and cannot be read now, for a reason that may pass, stays.
        """
        return [
            FailedFile(one.candidate.file, one.reason, one.lasting)
            for one in self.refused
            if (one.lasting or not _is_indexed(one)) and not _is_recorded(one)
        ]


def _is_indexed(refused: Refused) -> bool:
    known = refused.candidate.known
    return known is not None and bool(known.sha256)


def _is_recorded(refused: Refused) -> bool:
    file, known = refused.candidate.file, refused.candidate.known
    return (
        known is not None
        and known.reason == refused.reason
        and known.lasting == refused.lasting
        and (known.size, known.mtime_ns) == (file.size, file.mtime_ns)
    )
