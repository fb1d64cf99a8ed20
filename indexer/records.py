"""What an index run is given, meets and reports, as plain frozen values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = [
    "STAGES",
    "FailedPath",
    "IndexOptions",
    "IndexProgress",
    "IndexSummary",
    "Progress",
    "Stage",
]

Stage = Literal["decoding", "embedding", "writing"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How an index run works; what it finds does not depend on it, but for `max_pixels`.

    `threads` decode ahead of the network, 0 meaning one per core. `decode_bytes` bounds what all
    decoders together take at a time, `largest_decode_bytes` what a single picture may take when
    it decodes alone, `queue_bytes` the prepared pictures that wait for the network.
    """

    batch_size: int = 8
    threads: int = 0
    max_pixels: int = 200_000_000
    decode_bytes: int = 512 << 20
    largest_decode_bytes: int = 1640 << 20
    queue_bytes: int = 128 << 20


@dataclass(frozen=True, slots=True)
class FailedPath:
    """A file that is not in the index, by absolute path, and why, in one sentence."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far a run is: `done` of `total` files that had to be looked into, `failed` of them.

    `embedded` images took `seconds` so far; `limited_by` is the stage the others wait for.
    """

    done: int
    total: int
    failed: int
    embedded: int
    seconds: float
    limited_by: Stage

    @property
    def images_per_second(self) -> float:
        """Images embedded a second, over the whole run so far."""
        return self.embedded / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at the pace so far; None before there is one."""
        return self.seconds / self.done * (self.total - self.done) if self.done else None


Progress = Callable[[IndexProgress], None]
"""Told how far a run is, after each batch; called in the thread that runs it."""


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index run did with the files of its sources.

    `added` and `changed` images were embedded; `unchanged` ones are as they were; `missing` ones
    are known but their files are gone; `failed` ones cannot be indexed as they are, be it found
    in this run or in an earlier one. `interrupted` runs did not look into every file. `notices`
    say, a sentence each, what a person should know besides.
    """

    added: int
    changed: int
    unchanged: int
    moved: int
    missing: int
    failed: tuple[FailedPath, ...]
    seconds: float
    interrupted: bool = False
    notices: tuple[str, ...] = ()
