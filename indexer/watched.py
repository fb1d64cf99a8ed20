"""Watched: what a look at the sources came to, in a line for people or for programs."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from blipsearch.records import CollectionInfo
from blipsearch.wording import counted
from indexer.records import IndexSummary

__all__ = ["WatchTotals", "Watched"]

_COUNTED = ("added", "changed", "moved", "missing", "failed")


@dataclass(frozen=True, slots=True)
class Watched:
    """A look at all that the sources have, or at so many `paths` of theirs that changed."""

    summary: IndexSummary
    paths: int | None = None

    @property
    def says_anything(self) -> bool:
        """Whether it found anything that a person should hear of."""
        return any(self._counts().values()) or bool(self.summary.notices)

    @property
    def line(self) -> str:
        """One line: `3 changes: 2 added, 1 missing (0.4 s)`."""
        what = "everything" if self.paths is None else counted(self.paths, "change")
        said = [f"{count:,} {name}" for name, count in self._counts().items() if count]
        return f"{what}: {', '.join(said) or 'nothing new'} ({self.summary.seconds:.1f} s)"

    @property
    def document(self) -> dict[str, Any]:
        """The same for a line of JSON."""
        event = "everything" if self.paths is None else "changes"
        seconds = round(self.summary.seconds, 3)
        return {"event": event, "paths": self.paths} | asdict(self.summary) | {"seconds": seconds}

    def _counts(self) -> dict[str, int]:
        summary = self.summary
        counts = {name: getattr(summary, name) for name in _COUNTED}
        return counts | {"failed": len(summary.failed)}


class WatchTotals:
    """What a watch did, from its first look to its last."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._counts = dict.fromkeys(("added", "changed", "moved"), 0)

    def add(self, watched: Watched) -> None:
        """Count a look."""
        for name in self._counts:
            self._counts[name] += getattr(watched.summary, name)

    def line(self, now: CollectionInfo) -> str:
        """One line: `watched for 2:03:04: 4 added; collection 'default' holds 12 images`."""
        said = [f"{count:,} {name}" for name, count in self._counts.items() if count]
        time_ = timedelta(seconds=round(self._seconds))
        return (
            f"watched for {time_}: {', '.join(said) or 'nothing new'}; "
            f"collection {now.name!r} holds {counted(now.indexed, 'image')}"
        )

    def document(self, now: CollectionInfo) -> dict[str, Any]:
        """The same for a line of JSON."""
        held = {"images": now.indexed, "missing": now.missing, "failed": now.failed}
        seconds = round(self._seconds, 3)
        return {"event": "end", "collection": now.name, "seconds": seconds} | self._counts | held

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began
