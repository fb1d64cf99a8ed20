"""Captions drawn by nucleus sampling: what a seed promises, and what may be drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

from blipsearch.blip import BlipCaptioner
from blipsearch.blip.decoding import TOP_K, Sampling, sample
from blipsearch.errors import QueryError, ShapeError
from blipsearch.testing import sample_images

PROMPTS = ["a picture of ", "", "the dog on the ", "a large white boat near the beach"]


@pytest.fixture(scope="module")
def blip(tiny: Path) -> BlipCaptioner:
    return BlipCaptioner.from_pretrained(str(tiny / "caption"))


def test_a_batch_draws_what_its_images_draw_one_by_one(either: Path) -> None:
    blip = BlipCaptioner.from_pretrained(str(either / "caption"))
    images, prompts, seeds = sample_images(20), PROMPTS * 5, [*range(7, 27)]
    together = blip.sample(images, prompts, seed=seeds)
    alone = [
        blip.sample([image], prompt, seed=seed)[0]
        for image, prompt, seed in zip(images, prompts, seeds, strict=True)
    ]
    assert together == alone
    for caption, prompt in zip(together, prompts, strict=True):
        assert caption.startswith(prompt.strip())


def test_a_seed_draws_the_same_again_and_another_seed_another_caption(blip: BlipCaptioner) -> None:
    images = sample_images(4)
    torch.manual_seed(1)
    first = blip.sample(images, seed=5)
    torch.manual_seed(2)
    assert blip.sample(images, seed=5) == first
    assert blip.sample(images, seed=6) != first


def test_sampling_leaves_the_process_own_chances_alone(blip: BlipCaptioner) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    blip.sample(sample_images(2), seed=5)
    assert torch.equal(torch.rand(4), wanted)


def test_one_pass_of_the_tower_serves_the_search_and_the_draws(blip: BlipCaptioner) -> None:
    images = sample_images(20)
    states = blip.encode_prepared(np.stack([blip.prepare(image) for image in images]))
    assert states.dtype == np.float32
    assert blip.caption_states(states) == blip.caption(images)
    assert blip.sample_states(states, seed=9) == blip.sample(images, seed=9)


def test_tokens_are_drawn_as_often_as_the_nucleus_says(blip: BlipCaptioner) -> None:
    """The first token after a prompt, drawn with many seeds, against its exact distribution."""
    draws = 4000
    start = blip._vocabulary.prompt_ids("the dog on the ")
    states = blip._encode_pixels(blip._prepare_all(sample_images(1)))
    begun = torch.tensor([start])
    with torch.inference_mode():
        output = blip._network.text_decoder(
            input_ids=begun,
            attention_mask=torch.ones_like(begun),
            encoder_hidden_states=states,
        )
        logits = output.logits[:, -1].float()
        for token in set(start):  # the penalty on what was said
            value = logits[0, token]
            logits[0, token] = value * 1.1 if value < 0 else value / 1.1
        logits = TopPLogitsWarper(0.5)(begun, TopKLogitsWarper(TOP_K)(begun, logits))
        wanted = logits.softmax(-1)[0]
        sampling = Sampling(0.5, len(start) + 1, 0, tuple(range(draws)))
        rows = sample(
            blip._network.text_decoder,
            blip._vocabulary,
            begun.expand(draws, -1),
            states.expand(draws, -1, -1),
            sampling,
        )
    end = blip._vocabulary.sep
    drawn = Counter(row[len(start)] if len(row) > len(start) else end for row in rows)
    assert set(drawn) <= set(torch.nonzero(wanted)[:, 0].tolist())
    for token, share in enumerate(wanted.tolist()):
        spread = 5 * (share * (1 - share) / draws) ** 0.5
        assert drawn[token] / draws == pytest.approx(share, abs=spread + 1e-9)


def test_a_nucleus_of_one_token_is_greedy_but_for_the_penalty(blip: BlipCaptioner) -> None:
    images = sample_images(3)
    drawn = [blip.sample(images, top_p=1e-9, seed=seed) for seed in range(3)]
    assert drawn[0] == drawn[1] == drawn[2]


def test_lengths_hold_for_drawn_captions_too(blip: BlipCaptioner) -> None:
    start = blip._vocabulary.prompt_ids("a dog")
    states = blip._encode_pixels(blip._prepare_all(sample_images(1))).expand(60, -1, -1)
    for least, most in ((5, 9), (8, 8)):
        ids = blip._continue([start] * 60, states, Sampling(0.9, most, least, tuple(range(60))))
        assert all(least <= len(row) <= most for row in ids)


def test_no_images_draw_nothing(blip: BlipCaptioner) -> None:
    assert blip.sample([]) == []


def test_what_cannot_be_drawn_is_refused(blip: BlipCaptioner) -> None:
    images = sample_images(2)
    with pytest.raises(QueryError, match="one seed for all images or one each: 3 for 2"):
        blip.sample(images, seed=[1, 2, 3])
    with pytest.raises(QueryError, match="top_p"):
        blip.sample(images, top_p=0.0)
    with pytest.raises(QueryError, match="top_p"):
        blip.sample(images, top_p=float("nan"))
    with pytest.raises(QueryError, match="a seed must not be negative: -1"):
        blip.sample(images, seed=-1)
    with pytest.raises(QueryError, match="min_length"):
        blip.sample(images, max_length=4, min_length=5)
    with pytest.raises(ShapeError, match=r"\(n, 10, 24\)"):
        blip.sample_states(np.zeros((2, 9, 24), np.float32))
    with pytest.raises(ShapeError, match="prepare"):
        blip.encode_prepared(np.zeros((2, 3, 8, 9), np.float32))
