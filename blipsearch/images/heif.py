"""HEIF: the pictures of phones, opened by pillow-heif where that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from blipsearch.errors import ImageUnreadableError

if TYPE_CHECKING:
    from PIL import ImageFile

__all__ = ["HEIF_HINT", "HEIF_SUFFIXES", "is_heif", "open_heif"]

HEIF_SUFFIXES = (".heic", ".heif", ".hif")

HEIF_HINT = "pip install 'blipsearch[heic]'"
"""How the reason of every such image ends that is met without the library."""

_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AMBIGUOUS = frozenset((b"mif1", b"msf1"))
"""Brands of the container alone: what is in it, AVIF or this, is told by the brands that follow."""
_LONGEST = 1024


def is_heif(start: bytes, file: BinaryIO) -> bool:
    """Say whether a file is one, by its first 16 bytes and, where these do not tell, by more."""
    if start[4:8] != b"ftyp":
        return False
    if start[8:12] not in _AMBIGUOUS:
        return start[8:12] in _BRANDS
    length = min(int.from_bytes(start[:4], "big"), _LONGEST)
    file.seek(16)
    more = file.read(max(length - 16, 0))
    return any(more[place : place + 4] in _BRANDS for place in range(0, len(more), 4))


def open_heif(file: BinaryIO) -> ImageFile.ImageFile:
    """Read the header. Raises ImageUnreadableError without the library, and what Pillow does."""
    try:
        # Only here: the library is an extra, and loading it takes a while.
        from pillow_heif import HeifImageFile  # noqa: PLC0415
    except ImportError as error:
        raise ImageUnreadableError(f"HEIC pictures need another library: {HEIF_HINT}") from error
    opened: ImageFile.ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return opened
