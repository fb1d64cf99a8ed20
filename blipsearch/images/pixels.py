"""Pixels: from any of Pillow's modes to upright 8-bit RGB, in strips so that memory stays low."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["shrink_to_rgb", "upright"]

STRIP_PIXELS = 1 << 20
"""About how many pixels are converted at a time: a few MiB."""

_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")

# EXIF's orientation, as the turn that makes the picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror a picture as its EXIF orientation (1 to 8) asks."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def shrink_to_rgb(
    image: Image.Image, extent: tuple[float, float], least_side: int | None
) -> Image.Image:
    """Convert a loaded image to RGB, each side shrunk by whole numbers to `least_side` or more.

    Blocks of pixels are averaged. With None, or where no side is twice `least_side`, every pixel
    is kept. `extent` is how much of the image, from its upper left corner, is the picture: a
    scaled JPEG may end in the middle of its last pixels.
    """
    width, height = image.size
    across = 1 if least_side is None else max(1, width // least_side)
    down = 1 if least_side is None else max(1, height // least_side)
    value_range = _value_range(image)
    if (across, down) == (1, 1):
        return _aligned(_to_rgb(image, value_range), extent)
    shrunk = Image.new("RGB", (-(-width // across), -(-height // down)))
    rows = max(1, STRIP_PIXELS // (width * down)) * down
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        shrunk.paste(_to_rgb(strip, value_range).reduce((across, down)), (0, top // down))
    return _aligned(shrunk, (extent[0] / across, extent[1] / down))


def _aligned(image: Image.Image, extent: tuple[float, float]) -> Image.Image:
    """Make the picture end where the image ends.

    A last column that is only partly picture would move everything else by up to half a pixel
    of what the network sees: five times the difference that shrinking itself makes.
    """
    width, height = extent
    if width == image.width and height == image.height:
        return image
    size = (max(1, round(width)), max(1, round(height)))
    return image.resize(size, Image.Resampling.BICUBIC, box=(0, 0, width, height))


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Say which grey values of a deep picture become black and white.

    16-bit pictures use their whole range. 32-bit and float ones say nowhere what white is, so
    their own darkest and brightest pixels are taken.
    """
    if image.mode not in ("I", "F"):
        return 0.0, 65535.0
    extremes = np.asarray(image.getextrema(), dtype=np.float64)  # (2,)
    if not np.isfinite(extremes).all():
        return 0.0, 1.0
    return float(extremes[0]), float(extremes[1])


def _to_rgb(image: Image.Image, value_range: tuple[float, float]) -> Image.Image:
    if image.mode in _DEEP_MODES:
        return _from_deep_grey(image, value_range).convert("RGB")
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(layer, mask=layer)
        return paper
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep_grey(image: Image.Image, value_range: tuple[float, float]) -> Image.Image:
    """Scale grey values to 0..255; Pillow's own conversion would clip all above 255 to white."""
    low, high = value_range
    scale = 255.0 / (high - low) if high > low else 1.0
    grey = (np.asarray(image).astype(np.float32) - low) * scale
    return Image.fromarray(np.clip(np.nan_to_num(grey).round(), 0, 255).astype(np.uint8), "L")
