"""Absent: the images whose files are gone, among which a file that moved finds what it was."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping

from blipsearch.collection import Collection
from blipsearch.records import KnownFile, Source
from indexer.sources import is_image_name

__all__ = ["Absent", "Elsewhere", "is_gone", "is_there"]


class Absent:
    """Images whose files are certainly gone, by content; safe to share between threads.

    Of images that a run does not look through, `elsewhere` says whether they are gone.
    """

    def __init__(self, elsewhere: Elsewhere | None = None) -> None:
        self._elsewhere = elsewhere
        self._left: set[int] = set()
        self._claimed: set[int] = set()
        self._by_content: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many there are that nobody claimed; those elsewhere do not count."""
        return len(self._left)

    def __bool__(self) -> bool:
        """Whether a claim may find anything."""
        return bool(self._by_content) or self._elsewhere is not None

    def add(self, known: Iterable[KnownFile]) -> None:
        """Take images whose files are gone; those of an unknown content are claimed by none."""
        for file in known:
            self._left.add(file.id)
            if file.sha256:
                self._by_content.setdefault(file.sha256, []).append(file.id)

    def add_ignored(self, known: Iterable[KnownFile]) -> None:
        """Take images that are there but left out; a copy of one is another image, so no claims."""
        self._left.update(file.id for file in known)

    def claim(self, sha256: str) -> int | None:
        """The id of an image with this content, given out once; None where there is none."""
        with self._lock:
            for image_id in self._found(sha256):
                if image_id not in self._claimed:
                    self._claimed.add(image_id)
                    self._left.discard(image_id)
                    return image_id
        return None

    def unclaimed(self) -> list[int]:
        """The ids of those that nobody claimed, ascending; not of those elsewhere."""
        with self._lock:
            return sorted(self._left)

    def _found(self, sha256: str) -> Iterator[int]:
        yield from self._by_content.get(sha256, ())
        if self._elsewhere is not None:
            yield from self._elsewhere.gone(sha256)


class Elsewhere:
    """Finds images that are gone in folders which a run does not look through."""

    def __init__(self, collection: Collection, sources: Mapping[int, Source]) -> None:
        self._collection = collection
        self._sources = sources
        self._there: dict[int, bool] = {}

    def gone(self, sha256: str) -> Iterator[int]:
        """The ids of images with this content whose files are certainly gone."""
        for image_id, source_id, path in self._collection.same_content(sha256):
            source = self._sources.get(source_id)
            if source is not None and self._is_there(source) and is_gone(source.root, path):
                yield image_id

    def _is_there(self, source: Source) -> bool:
        """Say whether a root has any image; else nothing is certain."""
        if source.id not in self._there:
            self._there[source.id] = any(
                is_image_name(name) for _, _, names in os.walk(source.root) for name in names
            )
        return self._there[source.id]


def is_there(root: str, path: str) -> bool:
    """Say whether a file is there, seen through links."""
    return os.path.isfile(os.path.join(root, path))  # noqa: PTH113, PTH118  # plain strings by contract


def is_gone(root: str, path: str) -> bool:
    """Say whether a file certainly does not exist; a disk that fails to answer proves nothing."""
    try:
        os.lstat(os.path.join(root, path))  # noqa: PTH118  # called for every file
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
