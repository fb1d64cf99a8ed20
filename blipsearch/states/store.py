"""StateStore: states of images on disk within a budget, shared by processes."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from blipsearch.errors import LibraryError, ShapeError
from blipsearch.records import ImageStates, StateKey, StatesKind, StatesUsage
from blipsearch.resource import Resource
from blipsearch.states.folder import Folder
from blipsearch.states.layout import Layout, fingerprint_digest
from blipsearch.states.segment import Segment
from blipsearch.states.shelf import Keys, Shelf

__all__ = ["StateStore"]

SEGMENT_BYTES = 256 << 20
"""No segment is larger, unless one record is."""

_FIRST_SLOTS = 64
_LOCK_SECONDS = 10.0

logger = logging.getLogger("blipsearch.states")


class StateStore(Resource):
    """States of one collection's images under one checkpoint and kind, in one directory.

    All of it is derived: a directory that was deleted, damaged or filled up costs the time to
    compute states again and is never an error. Several processes may use it; each finds what the
    others put. Safe to share between threads. The disk is not touched before the first call. After
    `close` all of them raise LibraryError.
    """

    # A record is fresh by its picture's content, not by the image's change number in the catalog.
    # That number also moves where only an mtime was touched or a drive went and came back, which
    # would throw good states away; and a catalog restored from a copy gives the same numbers to
    # other images, which would serve wrong ones.

    def __init__(self, directory: Path, fingerprint: str, kind: StatesKind, budget: int) -> None:
        self._folder = Folder(directory)
        self._fingerprint = fingerprint_digest(fingerprint)
        self.kind: StatesKind = kind
        self.budget = budget
        self._guard = threading.RLock()
        self._lock = FileLock(directory / "lock", timeout=_LOCK_SECONDS, poll_interval=0.01)
        self._shelf = Shelf([])
        self._unfit: list[Path] = []
        self._seen: int | None = None  # the generation whose tables the shelf was made of
        self._clock = 0
        self._has_complained = False
        self._closed = False

    def __str__(self) -> str:
        return f"states in {self._folder.path}"

    def close(self) -> None:
        """Let go of the files; a second call does nothing."""
        with self._guard:
            self._closed = True
            self._shelf = Shelf([])

    def get(self, keys: Sequence[StateKey]) -> tuple[npt.NDArray[np.bool_], ImageStates | None]:
        """Which of n keys have states here, (n,), and these states in the order of the keys.

        They are copies, None where no key has any. Raises ShapeError for keys that cannot be.
        """
        wanted = Keys.of(keys)
        found = np.zeros(len(keys), dtype=np.bool_)
        with self._guard:
            self._check_open()
            if self.kind == "none" or self.budget <= 0:
                return found, None
            places = self._shelf.find(wanted)
            if (places < 0).any() and self._follow_if_readable():
                places = self._shelf.find(wanted)
            rows = np.flatnonzero(places >= 0)
            if not len(rows):
                return found, None
            whole, states = self._shelf.read(wanted.rows(rows), places[rows])
            found[rows[whole]] = True
            self._shelf.touch(places[found], self._moments(len(states)))
        return found, states if len(states) else None

    def put(self, keys: Sequence[StateKey], states: ImageStates) -> None:
        """Keep the states of n images; beyond the budget the least recently used ones go.

        Replaces what there was of an image; where one comes twice its last states count. A disk
        that is full, may not be written or is locked for long is logged once, and then nothing is
        kept. Raises ShapeError where keys, arrays and kind do not fit each other.
        """
        if len(keys) != len(states):
            raise ShapeError(f"{len(keys)} keys were given for the states of {len(states)} images")
        given = Keys.of(keys)
        layout = Layout.of(self._fingerprint, self.kind, states)
        rows = given.last_of_each()
        with self._guard, self._complaining():
            self._check_open()
            if self.kind == "none" or not len(rows):
                return
            if layout.slots_within(self.budget) or self._folder.segments():
                self._folder.path.mkdir(parents=True, exist_ok=True)
                with self._writing():
                    self._clear_away(layout)
                    self._shrink(layout)
                    self._grow(layout, self._shelf.lacking(given.ids[rows]))
                    self._shelf.write(given.rows(rows), states.rows(rows), self._moments(len(rows)))

    def discard(self, image_ids: Iterable[int]) -> None:
        """Forget these images; ids that are not here are left alone. Logs like `put`."""
        with self._guard, self._complaining():
            self._check_open()
            if self._folder.segments():
                with self._writing():
                    self._shelf.forget(image_ids)

    def compact(self) -> None:
        """Give up the last segments where the first have room for all that is kept.

        Logs like `put`.
        """
        with self._guard, self._complaining():
            self._check_open()
            if self._folder.segments():
                with self._writing():
                    slots = np.cumsum([segment.slots for segment in self._shelf.segments])
                    needed = int(np.searchsorted(slots, self._shelf.taken)) + 1
                    self._keep_first(needed if self._shelf.taken else 0)

    def usage(self) -> StatesUsage:
        """How many images have states for this store, and what all files here take on disk."""
        with self._guard:
            self._check_open()
        return self._folder.usage(self._is_own)

    def _check_open(self) -> None:
        if self._closed:
            raise LibraryError(f"{self} are closed; open them again")

    def _check_writable(self) -> None:
        for segment in self._shelf.segments:
            if not segment.writable:
                raise PermissionError(errno.EACCES, "the file may only be read", str(segment.path))

    def _is_own(self, layout: Layout) -> bool:
        return layout.fingerprint == self._fingerprint and layout.kind == self.kind

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._has_complained:
            self._has_complained = True
            logger.warning(
                "cannot keep more image states in %s: %s; searches compute again what is not there",
                self._folder.path,
                error,
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the directory against other writers, with the shelf as they left it."""
        with self._lock:
            segments = self._shelf.segments
            if self._folder.segments() != [segment.path for segment in segments] or not all(
                segment.is_in_place() and segment.writable for segment in segments
            ):
                self._seen = None
            self._follow()
            self._check_writable()
            # Told before as well as after: who is killed in between leaves a generation that no
            # other writer has seen, so the next one reads the tables instead of trusting its own.
            self._folder.announce()
            self._shelf.tidy()
            yield
            self._seen = self._folder.announce()

    def _follow_if_readable(self) -> bool:
        with suppress(OSError):
            return self._follow()
        return False

    def _follow(self) -> bool:
        """Read the tables if anybody wrote since they were read. Returns whether it did."""
        generation = self._folder.generation()
        if generation == self._seen:
            return False
        known = {
            segment.path: segment
            for segment in self._shelf.segments
            if segment.writable and segment.is_in_place()
        }
        segments: list[Segment] = []
        self._unfit = []
        for path in self._folder.segments():
            with suppress(FileNotFoundError):
                segment = known.get(path) or Segment.open(path)
                if segment is None or not self._fits(segment.layout, segments):
                    self._unfit.append(path)
                else:
                    segments.append(segment)
        self._shelf = Shelf(segments)
        self._seen = generation
        return True

    def _fits(self, layout: Layout, segments: Sequence[Segment]) -> bool:
        return self._is_own(layout) and all(segment.layout == layout for segment in segments)

    def _clear_away(self, layout: Layout) -> None:
        """Delete what cannot be used with this layout, and what killed writers left."""
        segments = self._shelf.segments
        if segments and segments[0].layout != layout:
            self._unfit += [segment.path for segment in segments]
            self._shelf = Shelf([])
        for path in [*self._unfit, *self._folder.leftovers()]:
            path.unlink(missing_ok=True)
        self._unfit = []

    def _shrink(self, layout: Layout) -> None:
        """Give up the last segments if the budget is lower than what lies here.

        The most recently used images move to where there is room for them: what stays is filled
        up to the budget with one more segment if need be. Files are unlinked, never cut, as other
        processes have them mapped.
        """
        segments = self._shelf.segments
        ends = np.cumsum([segment.bytes for segment in segments])
        count = int(np.count_nonzero(ends <= self.budget))
        if count == len(segments):
            return
        self._shelf = Shelf(segments[:count])
        self._grow(layout, 1)
        self._adopt(segments[count:])

    def _keep_first(self, count: int) -> None:
        """Move what is kept to the first segments and give up the others."""
        segments = self._shelf.segments
        if count < len(segments):
            self._shelf = Shelf(segments[:count])
            self._adopt(segments[count:])

    def _adopt(self, segments: Sequence[Segment]) -> None:
        """Take over what there is room for, and give up these segments."""
        if self._shelf.segments:
            self._shelf.adopt(segments)
        for segment in segments:
            segment.path.unlink(missing_ok=True)

    def _grow(self, layout: Layout, lacking: int) -> None:
        """Add segments until there are so many places more, or as many as may be."""
        aim = self._shelf.capacity + lacking
        while self._shelf.capacity < aim:
            slots = min(
                _FIRST_SLOTS << len(self._shelf.segments),
                max(1, layout.slots_within(SEGMENT_BYTES)),
                layout.slots_within(self.budget - self._shelf.bytes),
            )
            if not slots:
                return
            try:
                self._folder.check_spare(layout.file_bytes(slots))
                segment = Segment.create(self._folder.next_segment(), layout, slots)
            except OSError as error:
                self._complain(error)
                return
            self._shelf.extend(segment)

    def _moments(self, count: int) -> npt.NDArray[np.int64]:
        """Times of use, (count,) int64, ascending: of two uses here the later one has the later."""
        start = max(time.time_ns(), self._clock + 1)
        self._clock = start + count
        return np.arange(start, start + count, dtype=np.int64)
