"""Preprocessing: the original's pixels, bit for bit, from pictures of any mode."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from blipsearch.blip import BlipRetriever
from blipsearch.testing import sample_image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def original_pixels(image: Image.Image, size: int) -> torch.Tensor:
    """Resize, ToTensor and Normalize as torchvision, which the original uses, defines them."""
    resized = image.resize((size, size), Image.Resampling.BICUBIC)
    tensor = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float().div(255)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return tensor.sub(mean).div(std)


@pytest.mark.parametrize("size", [(96, 96), (640, 427), (31, 200), (1, 1), (3, 2)])
def test_pixels_equal_the_originals_bit_for_bit(
    golden_retriever: BlipRetriever, size: tuple[int, int]
) -> None:
    image = sample_image(5, size=size)
    pixels = golden_retriever.prepare(image)
    assert pixels.shape == (3, 96, 96)
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels, original_pixels(image, 96).numpy())


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"])
def test_any_mode_is_brought_to_rgb(golden_retriever: BlipRetriever, mode: str) -> None:
    base = sample_image(2)
    image = base.convert("L").convert(mode) if mode == "I;16" else base.convert(mode)
    if mode == "LAB":
        image = Image.merge("LAB", base.split())
    pixels = golden_retriever.prepare(image)
    assert pixels.shape == (3, 96, 96)
    assert np.isfinite(pixels).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa"])
def test_what_is_transparent_shows_white(golden_retriever: BlipRetriever, mode: str) -> None:
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    # Pillow's own conversion to PA forgets what was transparent.
    image = Image.new("PA", (20, 20), (1, 0)) if mode == "PA" else image.convert(mode)
    white = golden_retriever.prepare(Image.new("RGB", (20, 20), "white"))
    assert np.array_equal(golden_retriever.prepare(image), white)


def test_a_palettes_transparent_colour_shows_white(golden_retriever: BlipRetriever) -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.info["transparency"] = 1
    white = golden_retriever.prepare(Image.new("RGB", (20, 20), "white"))
    assert np.array_equal(golden_retriever.prepare(image), white)


def test_preparing_leaves_the_callers_picture_alone(golden_retriever: BlipRetriever) -> None:
    image = sample_image(4).convert("RGBA")
    before = image.tobytes()
    golden_retriever.prepare(image)
    assert (image.mode, image.tobytes()) == ("RGBA", before)
