"""A base's two files: `base-<token>.faiss` is faiss's own, `base-<token>.head` says what it is.

The head is written last, so that a base with a head is whole. Neither is ever written to again.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from blipsearch.errors import SnapshotError
from blipsearch.vectors.coded import BaseFacts, CodedBase
from blipsearch.vectors.engine import faiss
from blipsearch.vectors.heads import read_head, sync, sync_directory, write_synced
from blipsearch.vectors.selection import Selection

__all__ = ["base_paths", "open_base", "write_base"]

_MAGIC = b"blipbas\0"
_VERSION = 1


def base_paths(directory: Path, token: str) -> tuple[Path, Path]:
    """Where a base's head and faiss's bytes are."""
    return directory / f"base-{token}.head", directory / f"base-{token}.faiss"


def write_base(directory: Path, facts: BaseFacts, index: Any, members: Selection) -> None:  # noqa: ANN401  # no types
    """Write both files and wait until the disk has them. Raises SnapshotError.

    A file takes its name only once it is whole: a process killed meanwhile leaves `.tmp` files.
    """
    head, lists = base_paths(directory, facts.token)
    unfinished = lists.with_name(f"{lists.name}.{os.getpid()}.tmp")
    unfinished_head = head.with_name(f"{head.name}.{os.getpid()}.tmp")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        faiss.write_index(index, str(unfinished))
        sync(unfinished)
        about = asdict(facts) | {
            "lists_bytes": unfinished.stat().st_size,
            "lists_sha256": _digest(unfinished, None),
            "start_sha256": _digest(unfinished, _start(facts)),
            "span": members.span,
            "members_sha256": hashlib.sha256(members.bits.tobytes()).hexdigest(),
        }
        unfinished.replace(lists)
        write_synced(unfinished_head, (_MAGIC, _VERSION), about, [members.bits.tobytes()])
        unfinished_head.replace(head)
        sync_directory(directory)
    except (OSError, RuntimeError) as error:
        unfinished.unlink(missing_ok=True)
        unfinished_head.unlink(missing_ok=True)
        raise SnapshotError(
            f"cannot write the index to {directory}: {error}; free some space or change the "
            "permissions and build it again, searches go on as before"
        ) from error


def open_base(directory: Path, token: str) -> CodedBase:
    """Open a base. Raises SnapshotError where it is missing, torn, damaged or another version.

    A base that stays on disk may be larger than memory: of its lists only size and beginning
    (where centroids and the lists' places are) are checked, not every byte.
    """
    head, lists = base_paths(directory, token)
    try:
        with head.open("rb") as file:
            about = read_head(file, _MAGIC, (_VERSION,), f"the base {head}")
            bits = file.read()
        names = set(BaseFacts.__dataclass_fields__)
        facts = BaseFacts(**{name: value for name, value in about.items() if name in names})
        if hashlib.sha256(bits).hexdigest() != about["members_sha256"]:
            raise SnapshotError(f"the base {head} is damaged: its members' checksum differs")
        if lists.stat().st_size != about["lists_bytes"]:
            raise SnapshotError(f"the base {lists} is torn: it has another size than it should")
        kind, length = ("start", _start(facts)) if facts.mapped else ("lists", None)
        if _digest(lists, length) != about[f"{kind}_sha256"]:
            raise SnapshotError(f"the base {lists} is damaged: its checksum differs")
        index = faiss.read_index(str(lists), faiss.IO_FLAG_MMAP if facts.mapped else 0)
    except OSError as error:
        raise SnapshotError(f"cannot read the base {head}: {error}") from error
    except RuntimeError as error:
        raise SnapshotError(
            f"this faiss ({faiss.__version__}) cannot read the base {lists}: {error}"
        ) from error
    members = Selection.from_bits(np.frombuffer(bits, dtype=np.uint8), about["span"])
    return CodedBase(facts, index, members)


def _start(facts: BaseFacts) -> int:
    return facts.lists * (4 * facts.dim + 8)


def _digest(path: Path, length: int | None) -> str:
    """SHA-256 of a file, or of its first `length` bytes, in hex."""
    with path.open("rb") as file:
        if length is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(file.read(length)).hexdigest()
