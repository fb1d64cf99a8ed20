"""From a picture to the numbers a vision tower reads, bit for bit as the original BLIP does it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.blip.untyped import ImageProcessor

__all__ = ["Pixels", "prepare_image", "to_rgb"]

Pixels = npt.NDArray[np.float32]
"""Prepared pictures, (n, 3, size, size) or one (3, size, size), float32, normalised."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the picture in RGB; what is transparent in it shows white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        white = Image.new("RGBA", shown.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, shown).convert("RGB")
    return image.convert("RGB")


def prepare_image(image: Image.Image, processor: ImageProcessor) -> Pixels:
    """Resize a picture to the network's size, bicubic and without a crop, and normalise it.

    `processor` is a BlipImageProcessorPil: with torchvision installed, BlipProcessor would choose
    another whose pixels differ by up to 0.05. Returns (3, size, size) float32.
    """
    batch = processor(images=[to_rgb(image)], return_tensors="np")
    return np.asarray(batch["pixel_values"][0], dtype=np.float32)
