"""Two hashes of an image: of its bytes (same file) and of its look (nearly the same picture)."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.images.pixels import Box

__all__ = ["FLAT_HASH", "perceptual_hash", "sha256_of", "sha256_of_bytes"]

SIDE = 32
LOW = 8
GAP = 6.0
"""How many pixels for each of the 32, across and down, are left before the last filter."""
PIECE = 1 << 20

FLAT_HASH = 0
"""The perceptual hash of every picture of one grey: all others have bits that are set."""
FLAT_RANGE = 2
"""Grey levels between the darkest and the lightest of the 32 x 32 pixels of such a picture."""


def sha256_of(file: BinaryIO) -> str:
    """Hash a whole binary file from its first byte, in hex, a piece at a time."""
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def sha256_of_bytes(data: bytes) -> str:
    """Hash bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(image: Image.Image, box: Box | None = None) -> int:
    """Hash how a picture looks: an unsigned 64-bit integer, few bits of which differ between
    copies that were rescaled or recompressed. The picture is the image, or what of it is in `box`.

    The DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
    (2010), as ImageHash's `phash` computes it: 32 x 32 grey pixels, the 8 x 8 lowest frequencies of
    their DCT-II, one bit each for "above the median", rows first. Below 384 pixels a side it is the
    same bit for bit; of larger pictures blocks are averaged first, which is several times as fast
    and changes a bit now and then. But a picture that shows nothing, such as a black frame, has
    FLAT_HASH: the bits would come from rounding and noise and say that it is far from another black
    frame and near to who knows what.
    """
    grey = image.convert("L")
    grey = grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box, reducing_gap=GAP)
    pixels = np.asarray(grey, dtype=np.float64)  # (32, 32)
    if np.ptp(pixels) <= FLAT_RANGE:
        return FLAT_HASH
    cosines = _cosines()  # (8, 32)
    low = cosines @ pixels @ cosines.T  # (8, 8)
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _cosines() -> npt.NDArray[np.float64]:
    """Give the first 8 rows of the DCT-II over 32 points, shape (8, 32)."""
    frequencies = np.arange(LOW)[:, None]
    points = np.arange(SIDE)[None, :]
    return 2 * np.cos(np.pi * frequencies * (2 * points + 1) / (2 * SIDE))
