"""Shares: how the memory of an index run is divided among its stages."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["LEAST_MEMORY", "Shares", "share_out"]

LEAST_MEMORY = 64 << 20
"""A run with less is one with so much: the parts would be too small for any work."""

PROCESS_BYTES = 12 << 20
"""What a decoder process has for itself, apart from pictures: measured, some 8 MiB."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Decoder processes, and bytes for each stage.

    `decoding` is what pictures take while they decode, `fetching` files from elsewhere, `waiting`
    pictures that wait for the network, `batch` what the network takes beyond its weights, and
    `writing` what waits for the disk.
    """

    processes: int
    decoding: int
    fetching: int
    waiting: int
    batch: int
    writing: int


def share_out(memory: int, threads: int) -> Shares:
    """Divide memory, in bytes; `threads` are the decoders asked for, 0 for one per core."""
    part = max(memory, LEAST_MEMORY) // 16
    processes = max(1, min(threads or _cores(), 2 * part // PROCESS_BYTES))
    return Shares(
        processes=processes,
        decoding=7 * part,
        fetching=part,
        waiting=part,
        batch=4 * part,
        writing=part,
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
