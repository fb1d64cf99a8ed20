"""BlipCaptioner: what is in a picture, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from blipsearch.blip.decoding import Decoding, Sampling, generate, groups_of_equal_length, sample
from blipsearch.blip.find import Task
from blipsearch.blip.pixels import AnyImage, Pixels
from blipsearch.blip.tower import IMAGE_BATCH, Chunk, States, Tower, spread
from blipsearch.errors import QueryError

__all__ = ["BlipCaptioner"]

PROMPT = "a picture of "

CACHE_BYTES = 512 << 20
"""Cross-attention's keys and values held at once: at base size 41 MiB a beam in float32."""


class BlipCaptioner(Tower):
    """Writes captions. Takes a BlipForConditionalGeneration checkpoint."""

    task: ClassVar[Task] = "caption"

    def caption(
        self,
        images: Sequence[AnyImage],
        prompt: str | Sequence[str] = PROMPT,
        num_beams: int = 3,
        max_length: int = 20,
        min_length: int = 5,
    ) -> list[str]:
        """Return one caption per image, each beginning with its prompt as the tokenizer writes it.

        `prompt` is one for all or one per image; "" leaves the beginning to the network. Lengths
        count tokens, the first one and the prompt included. `num_beams` 1 decodes greedily. The
        defaults are the original's (BLIP, configs/caption_coco.yaml).

        Raises QueryError for numbers out of their limits, a prompt that leaves no room, or another
        number of prompts than images.
        """
        prompts = spread("prompt", prompt, len(images))
        decoding = Decoding(num_beams, max_length, min_length)
        return self._caption(self._chunks_of_images(images), prompts, decoding)

    def caption_states(
        self,
        states: States,
        prompt: str | Sequence[str] = PROMPT,
        num_beams: int = 3,
        max_length: int = 20,
        min_length: int = 5,
    ) -> list[str]:
        """Return one caption per image from stored states, without a pass of the vision tower.

        `states` are (n, tokens, width), float32 or float16, made by a checkpoint with this very
        vision tower; the rest is as in `caption`.

        Raises ShapeError for states of another shape, and what `caption` raises.
        """
        self._check_states(states)
        prompts = spread("prompt", prompt, len(states))
        decoding = Decoding(num_beams, max_length, min_length)
        return self._caption(self._chunks_of_states(states), prompts, decoding)

    def sample(
        self,
        images: Sequence[AnyImage],
        prompt: str | Sequence[str] = PROMPT,
        top_p: float = 0.9,
        max_length: int = 20,
        min_length: int = 5,
        *,
        seed: int | Sequence[int] = 0,
    ) -> list[str]:
        """Return one caption per image, drawn by nucleus sampling instead of searched for.

        `seed` is one for all or one per image: a caption depends on its own image, prompt and seed
        alone, so another seed draws another caption, and a batch draws what its images draw one by
        one. The rest is as in `caption`; the original's repetition penalty of 1.1 and its limit to
        the 50 likeliest tokens hold, too (BLIP, models/blip.py).

        Raises what `caption` raises, and QueryError for a `top_p` or seeds that cannot be.
        """
        prompts = spread("prompt", prompt, len(images))
        sampling = Sampling(top_p, max_length, min_length, _seeds(seed, len(images)))
        return self._caption(self._chunks_of_images(images), prompts, sampling)

    def sample_states(
        self,
        states: States,
        prompt: str | Sequence[str] = PROMPT,
        top_p: float = 0.9,
        max_length: int = 20,
        min_length: int = 5,
        *,
        seed: int | Sequence[int] = 0,
    ) -> list[str]:
        """Return one drawn caption per image from stored states; see `sample`, `caption_states`."""
        self._check_states(states)
        prompts = spread("prompt", prompt, len(states))
        sampling = Sampling(top_p, max_length, min_length, _seeds(seed, len(states)))
        return self._caption(self._chunks_of_states(states), prompts, sampling)

    @torch.inference_mode()
    def encode_prepared(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Return the states of pictures that `prepare` made, (n, tokens, width) float32.

        For captions searched for and drawn from one pass of the vision tower. `pixels` are
        (n, 3, size, size) float32; raises ShapeError for another shape.
        """
        self._check_pixels(pixels)
        states = np.empty((len(pixels), self.tokens, self.width), dtype=np.float32)
        for start in range(0, len(pixels), IMAGE_BATCH):
            part = slice(start, start + IMAGE_BATCH)
            states[part] = self._encode_pixels(pixels[part]).float().cpu().numpy()
        return states

    def _caption(
        self, chunks: Iterable[Chunk], prompts: Sequence[str], decoding: Decoding | Sampling
    ) -> list[str]:
        starts = [self._vocabulary.prompt_ids(prompt) for prompt in prompts]
        for start in starts:
            decoding.check_start(start, self._network.text_decoder)
        numbers = range(len(starts))
        return [
            self._vocabulary.decode(ids)
            for part, states in chunks
            for ids in self._continue(starts[part], states, _own(decoding, numbers[part]))
        ]

    @torch.inference_mode()
    def _continue(
        self, starts: Sequence[Sequence[int]], states: torch.Tensor, decoding: Decoding | Sampling
    ) -> list[list[int]]:
        """Return the ids of one caption per image: [DEC], prompt, what follows."""
        captions: list[list[int]] = [[] for _ in starts]
        beams = decoding.num_beams if isinstance(decoding, Decoding) else 1
        for numbers in groups_of_equal_length(starts, self._at_once(beams)):
            begun = torch.tensor([starts[number] for number in numbers], device=states.device)
            rows = self._rows(begun, states[numbers], _own(decoding, numbers))
            for number, row in zip(numbers, rows, strict=True):
                captions[number] = row
        return captions

    def _rows(
        self, start: torch.Tensor, states: torch.Tensor, decoding: Decoding | Sampling
    ) -> list[list[int]]:
        decoder, vocabulary = self._network.text_decoder, self._vocabulary
        if isinstance(decoding, Sampling):
            return sample(decoder, vocabulary, start, states, decoding)
        return generate(decoder, vocabulary, start, states, decoding)

    def _at_once(self, num_beams: int) -> int:
        """Return how many images to decode at once, so that keys and values stay within bounds."""
        layers: int = self._network.config.text_config.num_hidden_layers
        each = 2 * layers * self.tokens * self.width * self._checkpoint.dtype.itemsize * num_beams
        return max(1, CACHE_BYTES // each)


def _own(decoding: Decoding | Sampling, numbers: Sequence[int]) -> Decoding | Sampling:
    """The decoding of some of the images."""
    return decoding.of(numbers) if isinstance(decoding, Sampling) else decoding


def _seeds(seed: int | Sequence[int], n: int) -> tuple[int, ...]:
    seeds = (seed,) * n if isinstance(seed, int) else tuple(seed)
    if len(seeds) != n:
        raise QueryError(f"give one seed for all images or one each: {len(seeds)} for {n} images")
    return seeds
