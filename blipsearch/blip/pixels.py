"""From a picture to the numbers a vision tower reads, bit for bit as the original BLIP does it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.blip.untyped import ImageProcessor
from blipsearch.images import OpenedImage

__all__ = [
    "IMAGE_MEAN",
    "IMAGE_STD",
    "AnyImage",
    "Pixels",
    "Squares",
    "levels_of",
    "prepare_image",
    "to_rgb",
    "write_preprocessing",
]

IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)
"""What BLIP's pixels are normalised by, red, green and blue (BLIP, data/__init__.py)."""

Pixels = npt.NDArray[np.float32]
"""Prepared pictures, (n, 3, size, size) or one (3, size, size), float32, normalised."""

AnyImage = Image.Image | OpenedImage
"""One of Pillow's images, in any mode, or a picture as `open_image` gives it."""

Squares = npt.NDArray[np.uint8]
"""Pictures that were resized to the network's size, and no more: (n, size, size, 3) uint8 RGB."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the picture in RGB; what is transparent in it shows white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        white = Image.new("RGBA", shown.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, shown).convert("RGB")
    return image.convert("RGB")


def prepare_image(image: AnyImage, processor: ImageProcessor) -> Pixels:
    """Resize a picture to the network's size, bicubic and without a crop, and normalise it.

    `processor` is a BlipImageProcessorPil: with torchvision installed, BlipProcessor would choose
    another whose pixels differ by up to 0.05. Returns (3, size, size) float32.
    """
    if isinstance(image, OpenedImage):
        size = (processor.size.width, processor.size.height)
        image = image.resized(size, Image.Resampling(processor.resample))
    batch = processor(images=[to_rgb(image)], return_tensors="np")
    return np.asarray(batch["pixel_values"][0], dtype=np.float32)


def levels_of(processor: ImageProcessor) -> npt.NDArray[np.float32]:
    """Return what each 8-bit level of red, green and blue becomes when it is normalised.

    (3, 256) float32: looking a level up gives bit for bit what `prepare_image` computes, whatever
    the processor's settings and the types it computes in.
    """
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (1, 256, 3))
    batch = processor(images=[Image.fromarray(ramp.copy())], do_resize=False, return_tensors="np")
    return np.ascontiguousarray(batch["pixel_values"][0][:, 0, :], dtype=np.float32)


def write_preprocessing(directory: Path, image_size: int) -> None:
    """Write BLIP's preprocessing for a network of that size, as the Hub's checkpoints have it."""
    settings = {
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "do_resize": True,
        "size": {"height": image_size, "width": image_size},
        "resample": Image.Resampling.BICUBIC.value,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": IMAGE_MEAN,
        "image_std": IMAGE_STD,
    }
    text = json.dumps(settings, indent=2) + "\n"
    (directory / "preprocessor_config.json").write_text(text, encoding="utf-8")
