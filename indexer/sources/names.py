"""Names: what a file's name promises, and the order of names that people expect."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blipsearch.images import SUFFIXES
from indexer.sources.records import FoundFile

__all__ = [
    "ARCHIVES",
    "MANIFESTS",
    "in_order",
    "is_archive_name",
    "is_image_name",
    "is_manifest_name",
    "is_named_only",
    "is_passed_over",
    "natural_key",
    "suffix_of",
]

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MANIFESTS = (".jsonl", ".csv", ".parquet")

_PASSED_OVER = frozenset(
    (
        *("node_modules", "__pycache__", "__MACOSX", "lost+found", "System Volume Information"),
        *("$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "#recycle", "@Recycle"),
        *("@eaDir", "#snapshot", "@Recently-Snapshot", "@tmp", "@sharebin"),  # Synology, QNAP
        "Thumbs.db",
    )
)
"""What systems and tools keep for themselves, besides what is hidden: no pictures of anybody's."""

_DIGITS = re.compile("[0-9]+")


def suffix_of(name: str) -> str:
    """The ending of a file's name in lower case, with its dot; empty without one."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""


def is_image_name(name: str) -> bool:
    """Say whether a file's name promises an image."""
    return suffix_of(name) in SUFFIXES


def is_archive_name(name: str) -> bool:
    """Say whether a file's name promises an archive."""
    return name.lower().endswith(ARCHIVES)


def is_manifest_name(name: str) -> bool:
    """Say whether a file's name promises a list of images."""
    return name.lower().endswith(MANIFESTS)


def is_passed_over(name: str) -> bool:
    """Say whether a file or folder of this name, and all that is in it, is not looked at."""
    return name.startswith(".") or name in _PASSED_OVER


def is_named_only(path: str) -> bool:
    """Say whether a file below a root is found only where it is given by its own name."""
    return not is_image_name(path) or any(map(is_passed_over, path.split("/")))


def natural_key(path: str) -> str:
    """Sort key that puts `img2` before `img10`, folder by folder, whatever the letters' case."""
    return _DIGITS.sub(_sortable, path.lower().replace("/", "\0"))


def in_order(files: Iterable[FoundFile]) -> tuple[FoundFile, ...]:
    """Files in natural order; of names that differ by their letters' case alone in that of text."""
    return tuple(sorted(files, key=lambda file: (natural_key(file.path), file.path)))


def _sortable(number: re.Match[str]) -> str:
    """A number as text that sorts like it: before all letters, and by its length first."""
    digits = number[0].lstrip("0")
    return f"\1{chr(len(digits) + 1)}{digits}"
