"""What a verification says: findings, each with its place, its examples and its remedy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "FindingKind", "OnProgress", "VerifyReport", "examples_of"]

FindingKind = Literal[
    "catalog", "full_text", "numbers", "embeddings", "snapshot", "states", "files", "drive"
]
"""What is not as it should be: the database file or its references; the full-text index; change
numbers; embeddings; the vector snapshot; image states; pictures that are gone or differ. `drive`
is no damage: a root that cannot be reached or is empty, so that nothing could be looked at."""

OnProgress = Callable[[str, int, int], None]
"""Told what is looked at, and how many of how many are done."""

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    `where` is the library or a collection, `count` how many items it concerns, `examples` a few of
    them, `remedy` what to do about it, with the command. `is_mendable` where `repair` mends it.
    """

    kind: FindingKind
    what: str
    where: str
    count: int
    examples: tuple[str, ...]
    remedy: str
    is_mendable: bool


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found, and how much was looked at."""

    findings: tuple[Finding, ...]
    images: int = 0
    files: int = 0
    states: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def examples_of(items: Sequence[object]) -> tuple[str, ...]:
    """The first few, as text."""
    return tuple(str(item) for item in items[:_EXAMPLES])
