"""Looking at every record of a store on disk, and dropping those that no search would believe.

Files are read, not mapped: whatever becomes of them meanwhile, nothing is hurt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from blipsearch.errors import LibraryBusyError
from blipsearch.records import StatesKind
from blipsearch.states.folder import Folder
from blipsearch.states.layout import ENTRY, PAGE, Layout, fingerprint_digest

__all__ = ["BadRecord", "Fault", "StatesReport", "check_states", "drop_states"]

Fault = Literal["damaged", "stale", "orphaned"]
"""Its checksum does not hold; it is of another content than the image has; there is no image."""

OnRecords = Callable[[int, int], None]
"""Told how many records of how many are read."""

_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that is of no use: in which place of which file, under which image's id."""

    path: Path
    slot: int
    image_id: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class StatesReport:
    """What a directory of states holds.

    `unfit` files are none of this checkpoint, kind and layout, or damaged in their header.
    """

    records: int
    bad: tuple[BadRecord, ...]
    unfit: tuple[Path, ...]


def check_states(
    directory: Path,
    fingerprint: str,
    kind: StatesKind,
    contents: Callable[[], Mapping[int, str]],
    on_records: OnRecords | None = None,
) -> StatesReport:
    """Read all records; `contents` gives the SHA-256 in hex of each image there is, by its id.

    It is called once the files' tables are read: what was written before that is in it. Records
    that others are writing meanwhile may look damaged: look again before something is done.
    Raises OSError.
    """
    folder, own = Folder(directory), (fingerprint_digest(fingerprint), kind)
    segments: list[_OpenSegment] = []
    unfit: list[Path] = []
    for path in folder.segments():
        try:
            segment = _OpenSegment.read(path)
        except FileNotFoundError:
            continue  # let go since it was listed, as the store does over its budget
        if segment is None or not _fits(segment.layout, own, segments):
            unfit.append(path)
        else:
            segments.append(segment)
    known = contents()
    total = sum(len(segment.taken) for segment in segments)
    bad: list[BadRecord] = []
    done = 0
    for segment in segments:
        for slot, fault in segment.faults(known):
            if fault is not None:
                image_id = int(segment.table["id"][slot])
                bad.append(BadRecord(segment.path, slot, image_id, fault))
            done += 1
            if on_records is not None:
                on_records(done, total)
    return StatesReport(done, tuple(bad), tuple(unfit))


def drop_states(
    directory: Path,
    fingerprint: str,
    kind: StatesKind,
    contents: Callable[[], Mapping[int, str]],
) -> StatesReport:
    """Free the places of bad records, and delete unfit files and what killed writers left.

    Returns what was found. Others that write meanwhile wait. Raises LibraryBusyError where another
    process holds the store for long, and OSError.
    """
    folder = Folder(directory)
    if not folder.segments() and not folder.leftovers():
        return StatesReport(0, (), ())
    try:
        with FileLock(directory / "lock", timeout=_LOCK_SECONDS):
            report = check_states(directory, fingerprint, kind, contents)
            folder.announce()
            for path in [*report.unfit, *folder.leftovers()]:
                path.unlink(missing_ok=True)
            _free(report.bad)
            folder.announce()
    except Timeout as error:
        raise LibraryBusyError(
            f"another process holds the image states in {directory}; wait for it or stop it, "
            "then run the command again"
        ) from error
    return report


@dataclass(frozen=True, slots=True)
class _OpenSegment:
    """A segment's table as it was read, and where its records are."""

    path: Path
    layout: Layout
    slots: int
    table: npt.NDArray[np.void]

    @classmethod
    def read(cls, path: Path) -> _OpenSegment | None:
        with path.open("rb") as file:
            about = Layout.parse(file.read(PAGE))
            if about is None:
                return None
            layout, slots = about
            table = file.read(slots * ENTRY.itemsize)
        if path.stat().st_size != layout.file_bytes(slots):
            return None
        return cls(path, layout, slots, np.frombuffer(table, dtype=ENTRY))

    @property
    def taken(self) -> npt.NDArray[np.int64]:
        """The slots in use, ascending."""
        return np.flatnonzero(self.table["id"] > 0)

    def faults(self, known: Mapping[int, str]) -> Iterator[tuple[int, Fault | None]]:
        """What is wrong with each record in use; none where the file has gone since."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for slot in self.taken.tolist():
                yield slot, self._fault(file, slot, known)

    def _fault(self, file: BinaryIO, slot: int, known: Mapping[int, str]) -> Fault | None:
        entry = self.table[slot]
        image_id, content = int(entry["id"]), entry["content"].tobytes()
        if image_id not in known:
            return "orphaned"
        if known[image_id] != content.hex():
            return "stale"
        file.seek(self.layout.records_start(self.slots) + slot * self.layout.stride)
        record = np.frombuffer(file.read(self.layout.stride), dtype=np.uint8)
        if len(record) < self.layout.stride:
            return "damaged"  # cut short since its size was looked at
        parts = [record[cut] for cut in self.layout.cuts()]
        is_whole = self.layout.checksum(image_id, content, parts) == int(entry["checksum"])
        return None if is_whole else "damaged"


def _fits(layout: Layout, own: tuple[bytes, StatesKind], segments: Sequence[_OpenSegment]) -> bool:
    same = all(segment.layout == layout for segment in segments)
    return (layout.fingerprint, layout.kind) == own and same


def _free(bad: Sequence[BadRecord]) -> None:
    for record in bad:
        with record.path.open("r+b") as file:
            file.seek(PAGE + record.slot * ENTRY.itemsize)
            file.write(bytes(8))  # the id is the entry's first field
