"""Duplicates: files with the same bytes, and pictures that look the same; two different things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from blipsearch.collection import Collection
from blipsearch.errors import QueryError
from blipsearch.images import FLAT_HASH
from blipsearch.records import Embedding, ImageEntry
from blipsearch.vectors import HashPairs, near_pairs

__all__ = [
    "Duplicate",
    "Group",
    "Likeness",
    "NearDuplicates",
    "exact_duplicates",
    "near_duplicates",
]

MOST_PAIRS = 1 << 16
"""Pairs whose embeddings are compared at a time: 64 MiB of each side at 256 dimensions."""
GROUPS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two pictures must be: in their perceptual hashes and in their embeddings, both.

    `hash_distance` is in bits, at most 64; `cosine` that of the embeddings. The defaults are
    measured in benchmarks/duplicates.py. Raises QueryError for numbers out of their limits.
    """

    hash_distance: int = 10
    cosine: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.hash_distance <= 64:
            raise QueryError(f"a hash distance is from 0 to 64 bits, not {self.hash_distance}")
        if not -1 <= self.cosine <= 1:
            raise QueryError(f"a cosine is from -1 to 1, not {self.cosine}")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An image of a group, and how far it is from the first one: in bits, and as a cosine."""

    entry: ImageEntry
    hash_distance: int
    cosine: float


Group = tuple[Duplicate, ...]
"""Two images or more, the best one first: most pixels, then the largest file, then the oldest."""


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Groups of pictures that look the same, and what could not be compared.

    `flat` counts the pictures of one grey, such as black frames: their hashes say nothing.
    """

    groups: tuple[Group, ...]
    flat: int


def exact_duplicates(collection: Collection) -> tuple[Group, ...]:
    """The indexed images whose files hold the same bytes, in groups, the largest group first."""
    return _in_order(
        tuple(Duplicate(entry, 0, 1.0) for entry in _best_first(group))
        for group in _entries(collection, collection.copies())
    )


def near_duplicates(collection: Collection, likeness: Likeness | None = None) -> NearDuplicates:
    """The indexed images that look the same though their bytes differ, the largest group first.

    A group is connected: each of its images is as alike as `likeness` says to some other one of
    it, not necessarily to all. Of files with the same bytes the oldest stands for all of them.
    """
    likeness = likeness or Likeness()
    ids, hashes = _distinct(collection)
    shown = hashes != FLAT_HASH
    ids, hashes = ids[shown], hashes[shown]
    groups = _Groups(len(ids))
    cosines = _Cosines(collection, ids)
    for pairs in near_pairs(hashes, likeness.hash_distance):
        for left, right in _one_after_the_other(pairs, groups):
            alike = cosines.of(left, right) >= likeness.cosine
            groups.join(left[alike], right[alike])
    found = [ids[rows].tolist() for rows in groups.several()]
    entries = map(_best_first, _entries(collection, found))
    return NearDuplicates(
        groups=_in_order(_compared(collection, entries)), flat=int(np.count_nonzero(~shown))
    )


def _distinct(
    collection: Collection,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """The ids and perceptual hashes of all images with contents of their own."""
    ids, hashes = collection.perceptual_hashes()
    further = [image_id for group in collection.copies() for image_id in group[1:]]
    own = ~np.isin(ids, np.array(further, dtype=np.int64))
    return ids[own], hashes[own]


def _one_after_the_other(
    pairs: HashPairs, groups: _Groups
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield pairs that are not in one group yet, of each left row first one, then twice as many.

    Among many pictures that are all alike, nearly all pairs are settled before their turn.
    """
    left, right, most = pairs.left, pairs.right, 1
    while len(left):
        _, starts, places = np.unique(left, return_index=True, return_inverse=True)
        now = np.flatnonzero(np.arange(len(left)) - starts[places] < most)
        for start in range(0, len(now), MOST_PAIRS):
            part = now[start : start + MOST_PAIRS]
            yield left[part], right[part]
        later = np.setdiff1d(np.arange(len(left)), now, assume_unique=True)
        later = later[groups.apart(left[later], right[later])]
        left, right, most = left[later], right[later], 2 * most


class _Groups:
    """Which of n rows belong together so far."""

    def __init__(self, n: int) -> None:
        self._label = np.arange(n)
        self._members: dict[int, list[int]] = {}

    def apart(
        self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Which of m pairs are in two groups."""
        apart: npt.NDArray[np.bool_] = self._label[left] != self._label[right]
        return apart

    def join(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> None:
        """Put the rows of each of m pairs into one group."""
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            kept, gone = int(self._label[one]), int(self._label[other])
            if kept == gone:
                continue
            if len(self._members.get(kept, ())) < len(self._members.get(gone, ())):
                kept, gone = gone, kept
            moved = self._members.pop(gone, [gone])
            self._label[moved] = kept  # the smaller one's: each row moves a few times at most
            self._members.setdefault(kept, [kept]).extend(moved)

    def several(self) -> list[npt.NDArray[np.int64]]:
        """The groups of more than one row, as row numbers."""
        return [np.array(sorted(rows), dtype=np.int64) for rows in self._members.values()]


class _Cosines:
    """The cosines of pairs of images, their embeddings read as they are asked for."""

    def __init__(self, collection: Collection, ids: npt.NDArray[np.int64]) -> None:
        self._collection = collection
        self._ids = ids

    def of(
        self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The cosines (m,) of m pairs of rows; -inf where an image went meanwhile."""
        rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
        found, vectors = self._collection.embeddings(self._ids[rows])
        table = np.full((len(rows), vectors.shape[1]), np.nan, dtype=np.float32)
        table[np.searchsorted(self._ids[rows], found)] = vectors
        cosines = np.einsum("md,md->m", table[places[: len(left)]], table[places[len(left) :]])
        return np.where(np.isnan(cosines), np.float32(-np.inf), cosines)


def _entries(collection: Collection, groups: Sequence[Sequence[int]]) -> Iterator[list[ImageEntry]]:
    """The entries of each group of ids; what went meanwhile, and groups of one, are left out."""
    wanted = [image_id for group in groups for image_id in group]
    entries = {entry.id: entry for entry in collection.images(wanted)}
    for group in groups:
        found = [entries[image_id] for image_id in group if image_id in entries]
        if len(found) > 1:
            yield found


def _best_first(entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    return sorted(
        entries, key=lambda one: (-(one.width or 0) * (one.height or 0), -one.size, one.id)
    )


def _compared(collection: Collection, groups: Iterable[Sequence[ImageEntry]]) -> Iterator[Group]:
    """Say of each group how far its images are from the first."""
    remaining = iter(groups)
    while some := list(islice(remaining, GROUPS_AT_ONCE)):
        ids = np.array([entry.id for group in some for entry in group], dtype=np.int64)
        found, vectors = collection.embeddings(ids)
        known: dict[int, Embedding] = dict(zip(found.tolist(), vectors, strict=True))
        for group in some:
            there = [entry for entry in group if entry.id in known]
            yield tuple(_beside(there[0], entry, known) for entry in there)


def _beside(best: ImageEntry, entry: ImageEntry, known: Mapping[int, Embedding]) -> Duplicate:
    if entry is best:
        return Duplicate(entry, 0, 1.0)
    differing = (entry.perceptual_hash or 0) ^ (best.perceptual_hash or 0)
    return Duplicate(entry, differing.bit_count(), float(known[entry.id] @ known[best.id]))


def _in_order(groups: Iterable[Group]) -> tuple[Group, ...]:
    found = [group for group in groups if len(group) > 1]
    return tuple(sorted(found, key=lambda group: (-len(group), group[0].entry.id)))
