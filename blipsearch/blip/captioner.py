"""BlipCaptioner: what is in a picture, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from PIL import Image

from blipsearch.blip.decoding import Decoding, generate, groups_of_equal_length
from blipsearch.blip.find import Task
from blipsearch.blip.tower import Chunk, States, Tower, spread

__all__ = ["BlipCaptioner"]

PROMPT = "a picture of "

CACHE_BYTES = 512 << 20
"""Cross-attention's keys and values held at once: at base size 41 MiB a beam in float32."""


class BlipCaptioner(Tower):
    """Writes captions. Takes a BlipForConditionalGeneration checkpoint."""

    task: ClassVar[Task] = "caption"

    def caption(
        self,
        images: Sequence[Image.Image],
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

    def _caption(
        self, chunks: Iterable[Chunk], prompts: Sequence[str], decoding: Decoding
    ) -> list[str]:
        starts = [self._vocabulary.prompt_ids(prompt) for prompt in prompts]
        for start in starts:
            decoding.check_start(start, self._network.text_decoder)
        return [
            self._vocabulary.decode(ids)
            for part, states in chunks
            for ids in self._continue(starts[part], states, decoding)
        ]

    @torch.inference_mode()
    def _continue(
        self, starts: Sequence[Sequence[int]], states: torch.Tensor, decoding: Decoding
    ) -> list[list[int]]:
        """Return the ids of one caption per image: [DEC], prompt, what follows."""
        captions: list[list[int]] = [[] for _ in starts]
        for numbers in groups_of_equal_length(starts, self._at_once(decoding.num_beams)):
            begun = torch.tensor([starts[number] for number in numbers], device=states.device)
            rows = generate(
                self._network.text_decoder, self._vocabulary, begun, states[numbers], decoding
            )
            for number, row in zip(numbers, rows, strict=True):
                captions[number] = row
        return captions

    def _at_once(self, num_beams: int) -> int:
        """Return how many images to decode at once, so that keys and values stay within bounds."""
        layers: int = self._network.config.text_config.num_hidden_layers
        each = 2 * layers * self.tokens * self.width * self._checkpoint.dtype.itemsize * num_beams
        return max(1, CACHE_BYTES // each)
