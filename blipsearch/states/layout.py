"""How a segment file is laid out, told by its header alone.

A page of header, the table of slots, zeros up to a page, then the records, all of one length.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import xxhash

from blipsearch.errors import ShapeError
from blipsearch.records import ImageStates, StatesKind

__all__ = ["ENTRY", "PAGE", "Bytes", "Layout", "fingerprint_digest"]

Bytes = npt.NDArray[np.uint8]
"""Bytes of n items, shape (n, bytes), uint8."""

PAGE = 4096

ENTRY = np.dtype(
    [
        ("id", "<i8"),  # of the image; 0 and less: the slot is free
        ("used", "<i8"),  # when last, in nanoseconds since 1970; the one field no checksum covers
        ("checksum", "<u8"),
        ("content", "u1", 32),  # SHA-256 of the picture file's bytes
        ("spare", "u1", 8),
    ]
)

_MAGIC = b"blipstat"
_VERSION = 1
_LAYOUT = struct.Struct("<32s16s8sQQQ??6x")
_HEADER = struct.Struct(f"<8sQ{_LAYOUT.size}sQ")
_OWNER = struct.Struct("<q32s")
_ALIGNED = 64


def fingerprint_digest(fingerprint: str) -> bytes:
    """A fingerprint of any length as the 32 bytes that headers and checksums carry."""
    return hashlib.sha256(fingerprint.encode()).digest()


@dataclass(frozen=True, slots=True)
class Layout:
    """What all records of a segment have in common, and the sizes that follow from it.

    A record holds values (tokens, width) of `dtype`, then scales (tokens,) float32 if `scaled`,
    then sizes (tokens,) uint16 if `sized`.
    """

    fingerprint: bytes
    kind: StatesKind
    dtype: str
    tokens: int
    width: int
    scaled: bool
    sized: bool

    @classmethod
    def of(cls, fingerprint: bytes, kind: StatesKind, states: ImageStates) -> Layout:
        """How these states are laid out. Raises ShapeError where their arrays do not fit."""
        _check(states)
        _, tokens, width = states.values.shape
        dtype = states.values.dtype.name
        if kind in {"float16", "int8"} and dtype != kind:
            raise ShapeError(f"{kind} states must have {kind} values, not {dtype}")
        scaled, sized = states.scales is not None, states.sizes is not None
        return cls(fingerprint, kind, dtype, tokens, width, scaled, sized)

    @classmethod
    def parse(cls, page: bytes) -> tuple[Layout, int] | None:
        """Layout and number of slots that a header tells; None where it is no sound header."""
        if len(page) < _HEADER.size:
            return None
        magic, version, packed, slots = _HEADER.unpack_from(page)
        checksum = xxhash.xxh3_64_digest(page[: _HEADER.size])
        if magic != _MAGIC or version != _VERSION or not page.startswith(checksum, _HEADER.size):
            return None
        fingerprint, kind, dtype, tokens, width, stride, scaled, sized = _LAYOUT.unpack(packed)
        known = cast("StatesKind", _text(kind))
        layout = cls(fingerprint, known, _text(dtype), tokens, width, scaled, sized)
        return (layout, slots) if layout.stride == stride else None

    def header(self, slots: int) -> bytes:
        """The bytes that `parse` reads."""
        start = _HEADER.pack(_MAGIC, _VERSION, self._packed(), slots)
        return start + xxhash.xxh3_64_digest(start)

    @property
    def stride(self) -> int:
        """Bytes from one record to the next."""
        return _rounded(sum(self._part_bytes()), _ALIGNED)

    def records_start(self, slots: int) -> int:
        """Where the first record lies in a segment of that many slots, in bytes."""
        return PAGE + _rounded(slots * ENTRY.itemsize, PAGE)

    def file_bytes(self, slots: int) -> int:
        """How large a segment of that many slots is."""
        return self.records_start(slots) + slots * self.stride

    def slots_within(self, room: int) -> int:
        """The most slots of a segment no larger than `room` bytes; 0 where none fits."""
        slots = max(0, room - PAGE) // (self.stride + ENTRY.itemsize)
        while slots and self.file_bytes(slots) > room:
            slots -= 1  # the table's padding; a page holds 64 entries, so these are few steps
        return slots

    def empty(self, count: int) -> ImageStates:
        """Arrays for so many images, to be filled."""
        shape = (count, self.tokens)
        return ImageStates(
            values=np.empty((*shape, self.width), dtype=self.dtype),
            scales=np.empty(shape, dtype=np.float32) if self.scaled else None,
            sizes=np.empty(shape, dtype=np.uint16) if self.sized else None,
        )

    def parts(self, states: ImageStates) -> list[Bytes]:
        """Values, scales and sizes as bytes, those that there are, each (n, bytes) uint8.

        They are views where the arrays are C-contiguous, as those of `empty` are.
        """
        arrays = [states.values, states.scales, states.sizes]
        return [
            np.ascontiguousarray(array).reshape(len(states), -1).view(np.uint8)
            for array in arrays
            if array is not None
        ]

    def cuts(self) -> list[slice]:
        """Where in a record each of the `parts` lies."""
        ends = np.cumsum(self._part_bytes()).tolist()
        return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def checksum(self, image_id: int, content: bytes, parts: Sequence[Bytes]) -> int:
        """XXH3 over all that a record is right for and all that it holds.

        `parts` are one image's, each (bytes,) uint8 and C-contiguous.
        """
        hashed = xxhash.xxh3_64(self._packed())
        hashed.update(_OWNER.pack(image_id, content))
        for part in parts:
            hashed.update(part.data)
        return hashed.intdigest()

    def _part_bytes(self) -> list[int]:
        values = self.tokens * self.width * np.dtype(self.dtype).itemsize
        return [values, *[4 * self.tokens] * self.scaled, *[2 * self.tokens] * self.sized]

    def _packed(self) -> bytes:
        return _LAYOUT.pack(
            *(self.fingerprint, self.kind.encode(), self.dtype.encode()),
            *(self.tokens, self.width, self.stride, self.scaled, self.sized),
        )


def _check(states: ImageStates) -> None:
    """Raise ShapeError unless the arrays are as the contract of ImageStates has them."""
    values, scales, sizes = states.values, states.scales, states.sizes
    if values.ndim != 3 or 0 in values.shape[1:]:
        raise ShapeError(f"values must have shape (n, tokens, width), not {values.shape}")
    if values.dtype not in (np.float32, np.float16, np.int8):
        raise ShapeError(f"values must be float32, float16 or int8, not {values.dtype}")
    if (values.dtype == np.int8) != (scales is not None):
        raise ShapeError(f"scales go with int8 values and no others; these are {values.dtype}")
    if scales is not None and (scales.shape != values.shape[:2] or scales.dtype != np.float32):
        raise ShapeError(
            f"scales must be {values.shape[:2]} float32, not {scales.shape} {scales.dtype}"
        )
    if sizes is not None and (sizes.shape != values.shape[:2] or sizes.dtype != np.uint16):
        raise ShapeError(
            f"sizes must be {values.shape[:2]} uint16, not {sizes.shape} {sizes.dtype}"
        )


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode("ascii", "replace")
