"""Pixels: from any of Pillow's modes to upright 8-bit RGB, in strips so that memory stays low."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["Box", "aligned", "shrink_to_rgb", "upright"]

Box = tuple[float, float, float, float]
"""Where in an image the picture is: left, top, right, bottom, in pixels and parts of them."""

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
_FROM_THE_RIGHT = (2, 3, 6, 7)
_FROM_THE_BOTTOM = (3, 4, 7, 8)
"""The orientations whose turn moves the file's first pixel to the right, or to the bottom."""


def upright(
    image: Image.Image, extent: tuple[float, float], orientation: int
) -> tuple[Image.Image, Box]:
    """Turn and mirror an image as its EXIF orientation (1 to 8) asks; say where its picture is.

    `extent` is how much of the image, from its upper left corner, is the picture.
    """
    turn = _TURNS.get(orientation)
    turned = image if turn is None else image.transpose(turn)
    width, height = extent if orientation < 5 else extent[::-1]
    left = turned.width - width if orientation in _FROM_THE_RIGHT else 0.0
    top = turned.height - height if orientation in _FROM_THE_BOTTOM else 0.0
    return turned, (left, top, left + width, top + height)


def shrink_to_rgb(
    image: Image.Image, extent: tuple[float, float], least_side: int | None
) -> tuple[Image.Image, tuple[float, float]]:
    """Convert a loaded image to RGB, each side shrunk by whole numbers to `least_side` or more.

    Blocks of pixels are averaged. With None, or where no side is twice `least_side`, every pixel
    is kept. `extent` is how much of the image, from its upper left corner, is the picture: a
    scaled JPEG may end in the middle of its last pixels. Returned is how much of the other is.
    """
    width, height = image.size
    across = 1 if least_side is None else max(1, width // least_side)
    down = 1 if least_side is None else max(1, height // least_side)
    value_range = _value_range(image)
    if (across, down) == (1, 1):
        return _to_rgb(image, value_range), extent
    shrunk = Image.new("RGB", (-(-width // across), -(-height // down)))
    rows = max(1, STRIP_PIXELS // (width * down)) * down
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        shrunk.paste(_to_rgb(strip, value_range).reduce((across, down)), (0, top // down))
    return shrunk, (extent[0] / across, extent[1] / down)


def aligned(image: Image.Image, box: Box) -> Image.Image:
    """Make the picture within an image end where the image ends; it is resampled for that."""
    left, top, right, bottom = box
    if right - left == image.width and bottom - top == image.height:
        return image
    size = (max(1, round(right - left)), max(1, round(bottom - top)))
    return image.resize(size, Image.Resampling.BICUBIC, box)


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
