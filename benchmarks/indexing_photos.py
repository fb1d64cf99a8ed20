"""Photos for `indexing.py`: of many sizes, made from some, with grain as cameras add it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["megapixels_of", "write_photos"]

LEAST, MOST = 0.3e6, 12e6
"""Pixels: every size between is as likely as any other, on a logarithmic scale."""
GRAIN = 4.0
MIXTURE: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("jpg", 0.80, {"quality": 88}),
    ("progressive.jpg", 0.08, {"quality": 85, "progressive": True}),
    ("png", 0.06, {"compress_level": 3}),
    ("webp", 0.06, {"quality": 85, "method": 2}),
)
"""File endings, how often, and how they are saved."""


def write_photos(folder: Path, originals: Path, count: int, seed: int = 0) -> None:
    """Write so many photos, unless they are there already; the same ones for the same arguments."""
    files = sorted(path for path in originals.iterdir() if path.suffix.lower() == ".jpg")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number, (size, kind) in enumerate(_plans(random, count)):
        ending, _, how = MIXTURE[kind]
        path = folder / f"{number:04}.{ending}"
        if not path.exists():
            _enlarged(files[number % len(files)], size, number).save(path, **how)


def megapixels_of(paths: Sequence[Path]) -> float:
    """All their pixels together, in millions."""
    total = 0
    for path in paths:
        with Image.open(path) as picture:
            total += picture.width * picture.height
    return total / 1e6


def _plans(random: np.random.Generator, count: int) -> Iterator[tuple[float, int]]:
    sizes = np.exp(random.uniform(np.log(LEAST), np.log(MOST), count))
    shares = [share for _, share, _ in MIXTURE]
    kinds = random.choice(len(MIXTURE), count, p=shares)
    return zip(sizes.tolist(), kinds.tolist(), strict=True)


def _enlarged(path: Path, pixels: float, seed: int) -> Image.Image:
    with Image.open(path) as original:
        picture = original.convert("RGB")
    scale = (pixels / (picture.width * picture.height)) ** 0.5
    size = (round(picture.width * scale), round(picture.height * scale))
    large = np.asarray(picture.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    grain = np.random.default_rng(seed).standard_normal(large.shape[:2], dtype=np.float32)
    return Image.fromarray(np.clip(large + GRAIN * grain[..., None], 0, 255).astype(np.uint8))
