"""The paper that pictures are printed on: fine grain and soft blotches, as of water colour."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.picturebook.layout import Rng

_SHEET = 2
"""A sheet of paper is so many times as wide as the picture cut from it."""


def with_grain(image: Image.Image, rng: Rng) -> Image.Image:
    """`image` (square, RGB) on a piece of paper chosen by chance."""
    size = image.width
    sheet = _sheet(size)
    x, y = (int(rng.random() * (len(sheet) - size)) for _ in range(2))
    piece = sheet[y : y + size, x : x + size, None]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    pixels = np.asarray(image).astype(np.int16)
    pixels += piece
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def _sheet(size: int) -> npt.NDArray[np.int16]:
    """How much lighter or darker each point of a sheet is, (2 * size, 2 * size) int16."""
    rng = np.random.default_rng(7)
    side = _SHEET * size
    blotches = np.zeros((side, side))
    for cells, strength in ((6, 4.0), (14, 3.0), (48, 1.5)):
        spots = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32))
        blotches += strength * np.asarray(spots.resize((side, side), Image.Resampling.BICUBIC))
    fine = rng.standard_normal((side, side)) * 2.2
    return np.asarray((blotches + fine).round(), np.int16)
