"""Stamps: what shows that a content changed."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Stamp"]


class Stamp(NamedTuple):
    """Size in bytes and time of the last change in nanoseconds; zeros where nothing is known."""

    size: int
    mtime_ns: int
