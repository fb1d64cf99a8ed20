"""What an index run is given, meets and reports, as plain frozen values."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from indexer.decoders.looking import Look, look
from indexer.sources import SourceRules

__all__ = [
    "STAGES",
    "CaptionSummary",
    "FailedPath",
    "IndexOptions",
    "IndexProgress",
    "IndexSummary",
    "Progress",
    "Stage",
]

Stage = Literal["fetching", "decoding", "embedding", "writing"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How an index run works; what it finds does not depend on it, but for the limits.

    `batch_size` images go through the network at a time; None is 8 on a CPU and found by trial on
    a GPU. `threads` processes decode ahead of it, 0 meaning one per core. `memory` bounds what the
    run takes beyond the checkpoint's weights, in bytes. A file whose decoding takes longer than
    `decode_timeout` seconds is given up; on a busy machine those count in which it had a core.

    Sources are looked through by the `rules`. With `retry_failed` all failed files are tried again,
    and with `prune` the images whose files are gone go for good.

    `isolated` decoders are processes of their own, so that a file can crash or stop only its
    decoder. `look` is what they do with a file, for tests; a function that can be pickled.
    """

    batch_size: int | None = None
    threads: int = 0
    max_pixels: int = 200_000_000
    memory: int = 1 << 30
    decode_timeout: float = 60.0
    rules: SourceRules = field(default_factory=SourceRules)
    retry_failed: bool = False
    prune: bool = False
    isolated: bool = hasattr(os, "fork")
    look: Look = look


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
class CaptionSummary:
    """What captioning did: how many images it `captioned`, and for how many it drew more captions.

    `first_match` is the mean match of the captions as they were first written, `match` that of
    those that were kept; None without an ITM head, or where nothing was written. `below` counts
    what stayed under the threshold and was kept all the same; `failed` are the pictures that could
    not be opened.
    """

    captioned: int = 0
    redrawn: int = 0
    below: int = 0
    first_match: float | None = None
    match: float | None = None
    failed: tuple[FailedPath, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index run did with the files of its sources.

    `added` and `changed` images were embedded; `unchanged` ones are as they were; `moved` ones
    were found under another path; `missing` ones are known but their files are gone, and `pruned`
    ones were removed for good; `failed` ones cannot be indexed as they are, be it found in this run
    or in an earlier one. `interrupted` runs did not look into every file. `limited_by` is the stage
    that the others waited for, None where nothing was embedded. `notices` say, a sentence each,
    what a person should know besides. `captions` are None where none were asked for.
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
    limited_by: Stage | None = None
    pruned: int = 0
    captions: CaptionSummary | None = None

    @property
    def images_per_second(self) -> float:
        """Images embedded a second."""
        return (self.added + self.changed) / self.seconds if self.seconds > 0 else 0.0
