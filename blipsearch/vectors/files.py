"""Snapshot files: a header that says what they hold, with checksums, then the bytes.

Version 2 holds which slots of the base are alive, the ids of the exact part, and faiss's own bytes
of it; a base stays in its own files. Version 1 had no base.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from blipsearch.errors import SnapshotError
from blipsearch.vectors.basefiles import open_base
from blipsearch.vectors.coded import CodedBase
from blipsearch.vectors.engine import faiss
from blipsearch.vectors.exact import ExactPart
from blipsearch.vectors.heads import read_head, write_synced
from blipsearch.vectors.selection import Selection
from blipsearch.vectors.values import SnapshotStamp

__all__ = ["Contents", "base_named", "read_snapshot", "write_snapshot"]

_MAGIC = b"blipvec\0"
_VERSION = 2
_VERSIONS = (1, 2)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a snapshot holds: `count` exact vectors of `dim` numbers beside the base `base`."""

    kind: str
    dim: int
    count: int
    base: str | None
    payload: Sequence[bytes]


def write_snapshot(path: Path, stamp: SnapshotStamp, contents: Contents) -> None:
    """Write a snapshot and wait until the disk has it. Raises SnapshotError."""
    digest = hashlib.sha256()
    for part in contents.payload:
        digest.update(part)
    facts = {
        "kind": contents.kind,
        "dim": contents.dim,
        "count": contents.count,
        "base": contents.base,
        "alive_bytes": len(contents.payload[0]),
        "change": stamp.change,
        "fingerprint": stamp.fingerprint,
        "token": stamp.token,
        "payload_bytes": sum(len(part) for part in contents.payload),
        "payload_sha256": digest.hexdigest(),
    }
    try:
        write_synced(path, (_MAGIC, _VERSION), facts, contents.payload)
    except OSError as error:
        raise SnapshotError(
            f"cannot write the snapshot {path}: {error}; the catalog is complete without it"
        ) from error


def base_named(path: Path) -> str | None:
    """Read which base a snapshot names; None where it has none. Raises SnapshotError."""
    try:
        with path.open("rb") as file:
            token: str | None = _facts(file, path).get("base")
    except OSError as error:
        raise SnapshotError(f"cannot read the snapshot {path}: {error}") from error
    return token


def read_snapshot(
    path: Path,
) -> tuple[ExactPart, CodedBase | None, Selection | None, SnapshotStamp]:
    """Read a snapshot and the base it names. Raises SnapshotError where that cannot be."""
    try:
        with path.open("rb") as file:
            facts = _facts(file, path)
            payload = memoryview(file.read())
    except OSError as error:
        raise SnapshotError(f"cannot read the snapshot {path}: {error}") from error
    if len(payload) != facts["payload_bytes"]:
        raise SnapshotError(
            f"the snapshot {path} is torn: {len(payload)} of {facts['payload_bytes']} bytes"
        )
    if hashlib.sha256(payload).hexdigest() != facts["payload_sha256"]:
        raise SnapshotError(f"the snapshot {path} is damaged: its checksum differs")
    stamp = SnapshotStamp(facts["change"], facts["fingerprint"], facts["token"])
    after = facts.get("alive_bytes", 0)
    base, alive = _base(path, facts, payload[:after])
    try:
        part = ExactPart.from_bytes(payload[after:], facts["count"])
    except RuntimeError as error:
        raise SnapshotError(
            f"this faiss ({faiss.__version__}) cannot read the snapshot {path}: {error}"
        ) from error
    return part, base, alive, stamp


def _base(
    path: Path, facts: dict[str, Any], alive: memoryview
) -> tuple[CodedBase | None, Selection | None]:
    """The base that a snapshot names, and what of it is alive."""
    token = facts.get("base")
    if token is None:
        if facts["kind"] != "exact":
            raise SnapshotError(f"the snapshot {path} is of an unknown kind {facts['kind']!r}")
        return None, None
    base = open_base(path.parent, token)
    fits = len(alive) == base.members.bits.nbytes
    same = (base.facts.kind, base.facts.dim, base.facts.fingerprint)
    if not fits or same != (facts["kind"], facts["dim"], facts["fingerprint"]):
        raise SnapshotError(f"the snapshot {path} was not taken over the base {token} it names")
    bits = np.frombuffer(alive, dtype=np.uint8)
    return base, Selection.from_bits(bits, base.members.span)


def _facts(file: BinaryIO, path: Path) -> dict[str, Any]:
    return read_head(file, _MAGIC, _VERSIONS, f"the snapshot {path}")
