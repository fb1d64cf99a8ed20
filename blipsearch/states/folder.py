"""The directory of one store: its files' names, its generation, what it takes of the disk."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blipsearch.records import StatesUsage
from blipsearch.states.layout import Layout
from blipsearch.states.segment import UNFINISHED, read_ids

__all__ = ["RESERVE_BYTES", "Folder"]

RESERVE_BYTES = 256 << 20
"""What is left free of the disk, whatever the budget."""

_NAME = re.compile(r"states-(\d+)\.bin")
_GENERATION_BYTES = 8


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory, there or not, that segments, `lock` and `generation` lie in."""

    path: Path

    def segments(self) -> list[Path]:
        """The files that have a segment's name, in the order of their numbers. Raises OSError."""
        numbered = [(number, path) for number, path in self._numbered() if path.is_file()]
        return [path for _, path in sorted(numbered)]

    def leftovers(self) -> list[Path]:
        """What writers that were killed did not finish; only for who holds the lock."""
        return sorted(self.path.glob(f"states-*{UNFINISHED}"))

    def next_segment(self) -> Path:
        """A name for one more segment, after all that there are."""
        number = max((number for number, _ in self._numbered()), default=-1) + 1
        return self.path / f"states-{number:03}.bin"

    def check_spare(self, size: int) -> None:
        """Raise OSError unless the disk has that many bytes free beyond the reserve."""
        free = shutil.disk_usage(self.path).free
        if free - size < RESERVE_BYTES:
            raise OSError(
                errno.ENOSPC,
                f"{free >> 20} MiB of the disk are free and {RESERVE_BYTES >> 20} MiB are to "
                f"stay so; the next file takes {size >> 20} MiB",
            )

    def generation(self) -> int:
        """A number that changes whenever somebody wrote; 0 where nobody did."""
        try:
            return int.from_bytes(self._generation.read_bytes()[:_GENERATION_BYTES], "little")
        except OSError:
            return 0

    def announce(self) -> int:
        """Change the generation, and return it. Raises OSError.

        It starts at the clock, so that a directory made anew does not count the same numbers as
        the one before that others have seen.
        """
        number = max(self.generation() + 1, time.time_ns()) % (1 << 8 * _GENERATION_BYTES)
        # Not emptied first: a reader meanwhile gets the old number or the new one.
        descriptor = os.open(self._generation, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, number.to_bytes(_GENERATION_BYTES, "little"))
        finally:
            os.close(descriptor)
        return number

    def usage(self, counts: Callable[[Layout], bool]) -> StatesUsage:
        """Images in sound segments whose layout counts, and bytes of all that lies here."""
        images: set[int] = set()
        size = 0
        with suppress(OSError):
            for path in [*self.segments(), *self.leftovers()]:
                with suppress(OSError):
                    size += path.stat().st_size
                    found = read_ids(path)
                    if found is not None and counts(found[0]):
                        images.update(found[1].tolist())
        return StatesUsage(len(images), size)

    @property
    def _generation(self) -> Path:
        return self.path / "generation"

    def _numbered(self) -> list[tuple[int, Path]]:
        if not self.path.is_dir():
            return []
        named = [(_NAME.fullmatch(path.name), path) for path in self.path.iterdir()]
        return [(int(matched[1]), path) for matched, path in named if matched]
