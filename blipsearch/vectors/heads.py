"""How our files begin: magic, version, length and SHA-256 of a JSON object, then that object."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from blipsearch.errors import SnapshotError

__all__ = ["read_head", "sync", "sync_directory", "write_synced"]

_HEADER = struct.Struct("<8sII32s")  # magic, version, bytes of JSON, SHA-256 of the JSON
_LARGEST_JSON = 1 << 20


def read_head(file: BinaryIO, magic: bytes, versions: tuple[int, ...], name: str) -> dict[str, Any]:
    """Read what a file says of itself, once its checksum holds. Raises SnapshotError."""
    start = file.read(_HEADER.size)
    if len(start) < _HEADER.size:
        raise SnapshotError(f"{name} is torn: it ends within its header")
    found, version, length, digest = _HEADER.unpack(start)
    if found != magic:
        raise SnapshotError(f"{name} is none of blipsearch: it begins otherwise")
    if version not in versions:
        raise SnapshotError(f"{name} has version {version}, not {versions[-1]}")
    text = file.read(min(length, _LARGEST_JSON))
    if hashlib.sha256(text).digest() != digest:
        raise SnapshotError(f"{name} is damaged: its header's checksum differs")
    facts: dict[str, Any] = json.loads(text)
    return facts


def write_synced(
    path: Path, begins: tuple[bytes, int], facts: Mapping[str, object], payload: Iterable[bytes]
) -> None:
    """Write a file that `begins` with magic and version, and wait until the disk has it."""
    text = json.dumps(facts).encode()
    with path.open("wb") as file:
        file.write(_HEADER.pack(*begins, len(text), hashlib.sha256(text).digest()))
        file.write(text)
        file.writelines(payload)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Wait until the disk has a file that someone else wrote."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Wait until the disk has the names in a directory."""
    if os.name == "nt":
        return  # Windows syncs a rename by itself and cannot open a directory
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
