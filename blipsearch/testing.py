"""What tests of blipsearch, and of programs that use it, need: tiny checkpoints and sample images.

The checkpoints are real BLIP networks of under a megabyte with random weights: everything works,
nothing means anything. For meaning there is the built-in checkpoint, `builtin`.
"""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw

from blipsearch.blip.tiny import (
    HUB_VOCABULARY,
    SMALL_VOCABULARY,
    TinyTask,
    make_base_network,
    write_base_checkpoint,
    write_tiny_checkpoint,
)

__all__ = [
    "HUB_VOCABULARY",
    "SMALL_VOCABULARY",
    "TinyTask",
    "make_base_network",
    "sample_image",
    "sample_images",
    "write_base_checkpoint",
    "write_sample_images",
    "write_tiny_checkpoint",
]

SHAPES = 6


def sample_image(seed: int = 0, *, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Return an RGB picture of coloured shapes; the same seed and size give the same pixels.

    `size` is width and height in pixels.
    """
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    width, height = size
    picture = Image.new("RGB", size, _colour(chance))
    draw = ImageDraw.Draw(picture)
    for _ in range(SHAPES):
        left, right = sorted((chance.randrange(width), chance.randrange(width)))
        top, bottom = sorted((chance.randrange(height), chance.randrange(height)))
        shape = chance.choice((draw.ellipse, draw.rectangle))
        shape((left, top, right, bottom), fill=_colour(chance))
    return picture


def sample_images(count: int, *, seed: int = 0) -> list[Image.Image]:
    """Return that many pictures of coloured shapes, no two alike in content or size."""
    return [
        sample_image(seed + number, size=(64 + 8 * (number % 7), 64 + 8 * (number % 5)))
        for number in range(count)
    ]


def write_sample_images(directory: str | Path, count: int, *, seed: int = 0) -> list[Path]:
    """Write that many sample images as `000.png`, `001.png`, ... and return their paths."""
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    paths = [target / f"{number:03}.png" for number in range(count)]
    for path, picture in zip(paths, sample_images(count, seed=seed), strict=True):
        picture.save(path)
    return paths


def _colour(chance: random.Random) -> tuple[int, int, int]:
    return chance.randrange(256), chance.randrange(256), chance.randrange(256)
