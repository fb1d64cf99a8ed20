"""BlipCaptioner: prompts, lengths and batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from blipsearch.blip import BlipCaptioner, captioner
from blipsearch.blip.decoding import Decoding
from blipsearch.errors import QueryError, ShapeError
from blipsearch.testing import sample_images

PROMPTS = ["a picture of ", "", "the dog on the ", "a large white boat near the beach"]


@pytest.fixture(scope="module")
def blip(tiny: Path) -> BlipCaptioner:
    return BlipCaptioner.from_pretrained(str(tiny / "caption"))


@pytest.mark.parametrize("num_beams", [1, 3])
def test_captions_with_different_prompts_equal_one_by_one(either: Path, num_beams: int) -> None:
    blip = BlipCaptioner.from_pretrained(str(either / "caption"))
    images, prompts = sample_images(8), PROMPTS * 2
    together = blip.caption(images, prompts, num_beams=num_beams)
    alone = [
        blip.caption([image], prompt, num_beams=num_beams)[0]
        for image, prompt in zip(images, prompts, strict=True)
    ]
    assert together == alone
    for caption, prompt in zip(together, prompts, strict=True):
        assert caption.startswith(prompt.strip())


def test_beam_search_equals_transformers_with_the_originals_settings(either: Path) -> None:
    blip = BlipCaptioner.from_pretrained(str(either / "caption"))
    images = sample_images(5)
    start = blip._vocabulary.prompt_ids("a picture of ")
    output = blip._network.generate(
        pixel_values=torch.tensor(np.stack([blip.prepare(image) for image in images])),
        input_ids=torch.tensor([[*start, blip._vocabulary.sep]] * len(images)),
        num_beams=3,
        max_length=20,
        min_length=5,
    )
    wanted = [blip._vocabulary.decode(row) for row in output.tolist()]
    assert blip.caption(images) == wanted
    assert blip.caption(images, num_beams=1) != wanted


def test_lengths_count_the_first_token_and_the_prompt(
    broken: Callable[[str], Path],
) -> None:
    """A decoder that always wants to stop stops exactly where it first may."""
    directory = broken("caption")
    weights = load_file(directory / "model.safetensors")
    weights["text_decoder.cls.predictions.bias"][102] = 1e4
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    blip = BlipCaptioner.from_pretrained(str(directory))
    states = blip._encode_pixels(blip._prepare_all(sample_images(2)))
    start = blip._vocabulary.prompt_ids("a dog")
    for minimum in (3, 5, 9):
        ids = blip._continue([start] * 2, states, Decoding(1, 20, minimum))
        assert [len(row) for row in ids] == [max(minimum, len(start))] * 2


def test_captions_are_no_longer_than_asked(blip: BlipCaptioner) -> None:
    states = blip._encode_pixels(blip._prepare_all(sample_images(2)))
    start = blip._vocabulary.prompt_ids("a dog")
    ids = blip._continue([start] * 2, states, Decoding(3, 7, 5))
    assert max(len(row) for row in ids) <= 7


def test_stored_states_give_the_same_captions(blip: BlipCaptioner) -> None:
    images = sample_images(20)
    states = np.stack([blip._encode_pixels(blip._prepare_all([one]))[0].numpy() for one in images])
    states.setflags(write=False)
    prompts = (PROMPTS * 5)[: len(images)]
    assert blip.caption_states(states, prompts, num_beams=1) == blip.caption(
        images, prompts, num_beams=1
    )


def test_a_small_cache_only_makes_more_batches(
    blip: BlipCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = sample_images(5)
    wanted = blip.caption(images)
    monkeypatch.setattr(captioner, "CACHE_BYTES", 1)
    assert blip.caption(images) == wanted


def test_what_the_caller_gave_stays_as_it_was(blip: BlipCaptioner) -> None:
    prompts = list(PROMPTS)
    states = np.random.default_rng(0).normal(size=(4, 10, 24)).astype(np.float32)
    before = states.copy()
    blip.caption_states(states, prompts)
    assert prompts == PROMPTS
    assert np.array_equal(states, before)


def test_no_images_give_no_captions(blip: BlipCaptioner) -> None:
    assert blip.caption([]) == []


def test_what_cannot_be_is_refused(blip: BlipCaptioner) -> None:
    images = sample_images(2)
    with pytest.raises(QueryError, match="3 for 2 images"):
        blip.caption(images, ["a", "b", "c"])
    with pytest.raises(QueryError, match="num_beams"):
        blip.caption(images, num_beams=0)
    with pytest.raises(QueryError, match="min_length"):
        blip.caption(images, max_length=4, min_length=5)
    with pytest.raises(QueryError, match="already has 21 tokens"):
        blip.caption(images, "dog " * 20)
    with pytest.raises(QueryError, match="at most 64"):
        blip.caption(images, max_length=65)
    with pytest.raises(ShapeError, match=r"\(n, 10, 24\)"):
        blip.caption_states(np.zeros((2, 9, 24), np.float32))
