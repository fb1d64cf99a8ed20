"""The segments of one layout as one row of places, and which image's states are at which."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blipsearch.errors import ShapeError
from blipsearch.records import ImageStates, StateKey
from blipsearch.states.layout import Bytes
from blipsearch.states.segment import Segment

__all__ = ["Keys", "Shelf"]

Ids = npt.NDArray[np.int64]
"""Image ids, shape (n,), int64, all of them 1 or more."""

Places = npt.NDArray[np.int64]
"""Where records are, counted through all segments, shape (n,), int64; -1 is nowhere."""

_CONTENT_BYTES = 32
_HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Keys:
    """State keys as arrays: `ids` (n,) int64 and `contents` (n, 32) uint8."""

    ids: Ids
    contents: Bytes

    @classmethod
    def of(cls, keys: Sequence[StateKey]) -> Keys:
        """Raises ShapeError for an id below 1 or a content that is no SHA-256 in hex."""
        contents = bytearray()
        for key in keys:
            if key.image_id < 1:
                raise ShapeError(f"image ids start at 1; there is {key.image_id}")
            contents += _content_bytes(key.content)
        return cls(
            ids=np.array([key.image_id for key in keys], dtype=np.int64),
            contents=np.frombuffer(contents, dtype=np.uint8).reshape(-1, _CONTENT_BYTES),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, which: npt.NDArray[np.int64]) -> Keys:
        """Some of the keys, by index."""
        return Keys(self.ids[which], self.contents[which])

    def last_of_each(self) -> npt.NDArray[np.int64]:
        """The rows where an image's key comes last, ascending."""
        last = {image_id: row for row, image_id in enumerate(self.ids.tolist())}
        return np.sort(np.fromiter(last.values(), dtype=np.int64))


class Shelf:
    """Segments of one layout, with the places of the images as the tables had them at the start.

    A record's freshness is not kept here: `find` asks the tables themselves what is where now, as
    other processes write to them. Not safe to share between threads.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = list(segments)
        self._starts = np.cumsum([0, *(segment.slots for segment in segments)]).tolist()
        ids = self._column("id")
        # In the order of their last use, so that of two places for one image the newer one counts.
        # A process that was killed while it moved records leaves such twins.
        taken = np.flatnonzero(ids > 0)
        taken = taken[np.argsort(self._used()[taken], kind="stable")]
        self._places = dict(zip(ids[taken].tolist(), taken.tolist(), strict=True))
        self._owners = np.zeros(len(ids), dtype=np.int64)  # place -> image id, 0 where it is free
        held = np.fromiter(self._places.values(), dtype=np.int64)
        self._owners[held] = ids[held]
        self._twins = np.flatnonzero((ids > 0) & (self._owners == 0))

    @property
    def capacity(self) -> int:
        """How many images there are places for."""
        return int(self._starts[-1])

    @property
    def taken(self) -> int:
        """How many places are in use."""
        return int(np.count_nonzero(self._owners))

    @property
    def bytes(self) -> int:
        """What the segments take on disk."""
        return sum(segment.bytes for segment in self.segments)

    def lacking(self, ids: Ids) -> int:
        """How many places more it takes to keep these images as well; 0 where there is room."""
        new = sum(image_id not in self._places for image_id in ids.tolist())
        return max(0, new - int(np.count_nonzero(self._owners == 0)))

    def extend(self, segment: Segment) -> None:
        """Add an empty segment at the end."""
        self.segments.append(segment)
        self._starts.append(self.capacity + segment.slots)
        self._owners = np.append(self._owners, np.zeros(segment.slots, dtype=np.int64))

    def find(self, keys: Keys) -> Places:
        """Where the states of these keys are; -1 where there is another content or nothing."""
        places = self._known(keys.ids)
        for segment, rows, slots in self._by_segment(places):
            if not segment.is_in_place():
                places[rows] = -1
                continue
            entries = segment.table[slots]
            same = (entries["content"] == keys.contents[rows]).all(axis=1)
            same &= entries["id"] == keys.ids[rows]
            places[rows[~same]] = -1
        return places

    def read(self, keys: Keys, places: Places) -> tuple[npt.NDArray[np.bool_], ImageStates]:
        """Which of the places hold their key's states whole, and these states in that order.

        All n keys need a place. They are read in the order in which they lie in the files.
        """
        layout = self.segments[0].layout
        whole = np.zeros(len(keys), dtype=np.bool_)
        states = layout.empty(len(keys))
        parts = layout.parts(states)
        for segment, rows, slots in self._by_segment(places):
            for row, slot in zip(rows.tolist(), slots.tolist(), strict=True):
                content = keys.contents[row].tobytes()
                into = [part[row] for part in parts]
                whole[row] = segment.read(slot, int(keys.ids[row]), content, into)
        return whole, states if whole.all() else states.rows(np.flatnonzero(whole))

    def touch(self, places: Places, used: npt.NDArray[np.int64]) -> None:
        """Note when these places (n,) were used (n,), where the files may be written."""
        for segment, rows, slots in self._by_segment(places):
            if segment.writable:
                segment.table["used"][slots] = used[rows]

    def write(self, keys: Keys, states: ImageStates, used: npt.NDArray[np.int64]) -> None:
        """Keep these states under their keys, of distinct ids, as used (n,), ascending.

        Each goes where its image is already, else to a free place, else to that of the least
        recently used image. Of more than there are places for, the last ones are kept.
        """
        if not self.capacity:
            return
        surplus = max(0, len(keys) - self.capacity)
        places = np.full(len(keys), -1, dtype=np.int64)
        places[surplus:] = self._make_room(keys.ids[surplus:])
        parts = self.segments[0].layout.parts(states)
        for segment, rows, slots in self._by_segment(places):
            for row, slot in zip(rows.tolist(), slots.tolist(), strict=True):
                content = keys.contents[row].tobytes()
                record = [part[row] for part in parts]
                segment.write(slot, int(keys.ids[row]), content, record, int(used[row]))

    def forget(self, ids: Iterable[int]) -> int:
        """Free the places of these images, others are left alone. Returns how many it were."""
        places = [self._places.pop(image_id) for image_id in ids if image_id in self._places]
        self._clear(np.array(places, dtype=np.int64))
        return len(places)

    def tidy(self) -> None:
        """Free the older places of images that have two."""
        self._clear(self._twins)
        self._twins = self._twins[:0]

    def adopt(self, others: Sequence[Segment]) -> None:
        """Take over the most recently used of other segments' images, as far as there is room.

        One goes to a free place, else to that of an image that was used less recently. No image
        may be in both.
        """
        other = Shelf(others)
        coming = other._by_use()[::-1]
        free = np.flatnonzero(self._owners == 0)
        oldest = self._by_use()[: max(0, len(coming) - len(free))]
        rivals = coming[len(free) : len(free) + len(oldest)]
        # One side ascends and the other descends: the pairs to swap are the first ones.
        swapped = np.count_nonzero(other._used()[rivals] > self._used()[oldest])
        for place, origin in zip([*free, *oldest[:swapped]], coming.tolist(), strict=False):
            segment, slot = self._at(int(place))
            segment.copy(slot, *other._at(origin))
            self._give(np.array([place]), other._owners[[origin]])

    def _make_room(self, ids: Ids) -> Places:
        """Places for these images, no more of them than there are places."""
        places = self._known(ids)
        new = np.flatnonzero(places < 0)
        room = np.flatnonzero(self._owners == 0)
        if len(room) < len(new):
            old = self._by_use()
            room = np.append(room, old[~np.isin(old, places)])
        places[new] = room[: len(new)]
        self._give(places, ids)
        return places

    def _give(self, places: Places, ids: Ids) -> None:
        """Make these the images' places, whose they were before."""
        for owner in self._owners[places].tolist():
            self._places.pop(owner, None)
        self._owners[places] = ids
        self._places.update(zip(ids.tolist(), places.tolist(), strict=True))

    def _clear(self, places: Places) -> None:
        self._owners[places] = 0
        for segment, _, slots in self._by_segment(places):
            segment.table["id"][slots] = 0

    def _known(self, ids: Ids) -> Places:
        known = (self._places.get(image_id, -1) for image_id in ids.tolist())
        return np.fromiter(known, dtype=np.int64, count=len(ids))

    def _by_use(self) -> Places:
        """The places in use, the least recently used first."""
        taken = np.flatnonzero(self._owners)
        return taken[np.argsort(self._used()[taken], kind="stable")]

    def _used(self) -> npt.NDArray[np.int64]:
        """When each place was last used, (capacity,). A time to come is garbage: long ago."""
        used = self._column("used")
        used[used > time.time_ns() + _HOUR_NS] = 0
        return used

    def _column(self, name: str) -> npt.NDArray[np.int64]:
        """One field of all tables as it is now, (capacity,), copied."""
        columns = [segment.table[name] for segment in self.segments]
        return np.concatenate([np.empty(0, dtype=np.int64), *columns])

    def _at(self, place: int) -> tuple[Segment, int]:
        number = int(np.searchsorted(self._starts, place, side="right")) - 1
        return self.segments[number], place - self._starts[number]

    def _by_segment(self, places: Places) -> Iterator[tuple[Segment, Places, Places]]:
        """Each segment that has any of the places, their rows, and their slots in it, ascending."""
        rows = np.argsort(places, kind="stable")
        cuts = np.searchsorted(places[rows], self._starts)
        for segment, start, low, high in zip(
            self.segments, self._starts, cuts, cuts[1:], strict=False
        ):
            if low < high:
                yield segment, rows[low:high], places[rows[low:high]] - start


def _content_bytes(content: str) -> bytes:
    try:
        raw = bytes.fromhex(content)
    except ValueError:
        raw = b""
    if len(raw) != _CONTENT_BYTES:
        raise ShapeError(f"content must be a SHA-256 in hex, not {content!r}")
    return raw
