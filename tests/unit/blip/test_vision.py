"""However many images go through the vision tower together, each has its own states."""

from __future__ import annotations

import pytest
import torch
from transformers import BlipVisionConfig, BlipVisionModel

from blipsearch.blip.untyped import VisionTower
from blipsearch.blip.vision import PART_BYTES, encode_in_parts, encode_vision

SIZE, PATCH, WIDE = 96, 8, 4096
"""A tower of one narrow layer with a wide middle, of which eight images are too many for a part."""


@pytest.fixture(scope="module")
def tower() -> VisionTower:
    torch.manual_seed(0)
    config = BlipVisionConfig(
        hidden_size=32,
        intermediate_size=WIDE,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=SIZE,
        patch_size=PATCH,
    )
    return BlipVisionModel(config).eval()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 15])
@torch.inference_mode()
def test_parts_have_the_states_that_one_pass_gives(tower: VisionTower, count: int) -> None:
    assert 8 * ((SIZE // PATCH) ** 2 + 1) * WIDE * 4 > PART_BYTES
    pixels = torch.randn(count, 3, SIZE, SIZE)
    states = encode_in_parts(tower, pixels)
    assert states.shape == (count, (SIZE // PATCH) ** 2 + 1, 32)
    torch.testing.assert_close(states, encode_vision(tower, pixels), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_an_image_too_large_for_a_part_goes_alone(tower: VisionTower) -> None:
    pixels = torch.randn(2, 3, 4 * SIZE, 4 * SIZE)
    large = BlipVisionModel(BlipVisionConfig(**tower.config.to_dict() | {"image_size": 4 * SIZE}))
    states = encode_in_parts(large.eval(), pixels)
    torch.testing.assert_close(states, encode_vision(large, pixels), atol=1e-5, rtol=0)
