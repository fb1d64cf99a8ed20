"""Every number and token that the original BLIP gave for the golden checkpoints, from the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from blipsearch.blip import BlipAnswerer, BlipCaptioner, BlipRetriever
from blipsearch.blip.decoding import Decoding

TOLERANCE = 1e-5


def test_image_features_equal_the_originals(
    golden_retriever: BlipRetriever, golden_images: list[Image.Image], expected: dict[str, Any]
) -> None:
    features = golden_retriever.get_image_features(golden_images)
    np.testing.assert_allclose(
        features, np.array(expected["itm"]["image_features"]), rtol=0, atol=TOLERANCE
    )


def test_text_features_equal_the_originals(
    golden_retriever: BlipRetriever, expected: dict[str, Any]
) -> None:
    features = golden_retriever.get_text_features(expected["captions"])
    np.testing.assert_allclose(
        features, np.array(expected["itm"]["text_features"]), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("stored_as", [np.float32, np.float16])
def test_match_logits_equal_the_originals(
    golden_retriever: BlipRetriever,
    golden_images: list[Image.Image],
    expected: dict[str, Any],
    stored_as: type[np.floating[Any]],
) -> None:
    states = golden_retriever.encode_images(golden_images).states.astype(stored_as)
    logits = np.stack([golden_retriever.match(text, states) for text in expected["captions"]])
    # Half precision keeps about three digits of a state.
    tolerance = TOLERANCE if stored_as is np.float32 else 5e-3
    np.testing.assert_allclose(
        logits, np.array(expected["itm"]["itm_logits_text_by_image"]), rtol=0, atol=tolerance
    )


def test_ranking_scores_equal_the_originals(
    golden_retriever: BlipRetriever, golden_images: list[Image.Image], expected: dict[str, Any]
) -> None:
    encoded = golden_retriever.encode_images(golden_images)
    cosines = golden_retriever.get_text_features(expected["captions"]) @ encoded.features.T
    logits = np.stack(
        [golden_retriever.match(text, encoded.states)[:, 1] for text in expected["captions"]]
    )
    np.testing.assert_allclose(
        logits + cosines,
        np.array(expected["itm"]["ranking_score_text_by_image"]),
        rtol=0,
        atol=TOLERANCE,
    )


def test_greedy_captions_equal_the_originals_token_for_token(
    golden_captioner: BlipCaptioner, golden_images: list[Image.Image], expected: dict[str, Any]
) -> None:
    prepared = np.stack([golden_captioner.prepare(image) for image in golden_images])
    states = golden_captioner._encode_pixels(prepared)
    for prompt, wanted in expected["caption_greedy_max20_min5"].items():
        start = golden_captioner._vocabulary.prompt_ids(prompt)
        ids = golden_captioner._continue([start] * len(states), states, Decoding(1, 20, 5))
        assert ids == wanted["token_ids"]
        captions = golden_captioner.caption(
            golden_images, prompt=prompt, num_beams=1, max_length=20, min_length=5
        )
        assert captions == wanted["text"]


def test_greedy_answers_equal_the_originals_token_for_token(
    golden_answerer: BlipAnswerer, golden_images: list[Image.Image], expected: dict[str, Any]
) -> None:
    prepared = np.stack([golden_answerer.prepare(image) for image in golden_images])
    states = golden_answerer._encode_pixels(prepared)
    for wanted in expected["vqa_greedy_max10_min1"]:
        asked = golden_answerer._vocabulary.question_ids(wanted["question"])
        ids = golden_answerer._write([asked] * len(states), states, Decoding(1, 10, 1))
        assert ids == wanted["token_ids"]
        assert (
            golden_answerer.answer(golden_images, wanted["question"], num_beams=1)
            == (wanted["text"])
        )


def test_the_vision_towers_epsilon_is_the_originals_whatever_the_config_says(
    golden: Path, golden_retriever: BlipRetriever
) -> None:
    assert '"layer_norm_eps": 1e-05' in (golden / "itm" / "config.json").read_text()
    tower = golden_retriever._network.vision_model
    norms = [module for module in tower.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-6}


def test_the_fused_vision_forward_equals_transformers_own(
    golden_retriever: BlipRetriever, golden_images: list[Image.Image]
) -> None:
    pixels = np.stack([golden_retriever.prepare(image) for image in golden_images])
    with torch.inference_mode():
        output = golden_retriever._network.vision_model(pixel_values=torch.tensor(pixels))
    states = golden_retriever.encode_prepared(pixels).states
    np.testing.assert_allclose(states, output.last_hidden_state.numpy(), rtol=0, atol=TOLERANCE)
