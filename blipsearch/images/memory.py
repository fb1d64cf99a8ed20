"""Memory: what decoding an image takes, and how it is given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile

__all__ = ["MEMORY_HINT", "memory_returned_at_once", "peak_bytes"]

MEMORY_HINT = "raise --memory"
"""How the reason of every image ends that takes too much memory to decode: more may let it in."""

# Measured with Pillow 13; some decoders hold the picture more than once while they work.
PEAK_BYTES_PER_PIXEL = {"AVIF": 10.0, "HEIF": 9.0, "WEBP": 16.5, "TIFF": 8.5}
USUAL_BYTES_PER_PIXEL = 4.5
COEFFICIENT_BYTES = 2

LARGE_BLOCK = 64 << 20
"""Above 32 MiB glibc maps memory for each request, and returns it when it is freed."""


def peak_bytes(header: ImageFile.ImageFile, format_name: str, draft_side: int) -> int:
    """Estimate how much memory decoding takes at its highest, from the header alone.

    JPEG is decoded at 1/2, 1/4 or 1/8 of its size where both sides keep `draft_side`.
    """
    width, height = header.size
    pixels = width * height
    if format_name != "JPEG":
        return int(pixels * PEAK_BYTES_PER_PIXEL.get(format_name, USUAL_BYTES_PER_PIXEL))
    scale = min(width // draft_side, height // draft_side)
    drafted = next((step for step in (8, 4, 2) if scale >= step), 1)
    peak = pixels / drafted**2 * USUAL_BYTES_PER_PIXEL
    if "progressive" in header.info:
        # libjpeg keeps every coefficient of a progressive file until the last scan is read.
        peak += pixels * COEFFICIENT_BYTES * len(header.getbands())
    return int(peak)


@contextmanager
def memory_returned_at_once() -> Iterator[None]:
    """Make Pillow give back a large picture's memory as soon as the picture is done with.

    Usually it asks for memory in blocks that glibc, once they are freed, keeps for the thread that
    had them: decoders in several threads then hold a picture each that nobody needs any more.
    Counts for the whole process, so it is for the edges of programs.
    """
    core = Image.core  # type: ignore[attr-defined]  # documented, but its types hide it
    before = core.get_block_size()
    core.set_block_size(LARGE_BLOCK)
    try:
        yield
    finally:
        core.set_block_size(before)
