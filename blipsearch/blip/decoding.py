"""From states to words: greedy decoding, beam search, and nucleus sampling by seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from blipsearch.blip.text import Vocabulary
from blipsearch.blip.untyped import Decoder
from blipsearch.errors import QueryError

__all__ = ["Decoding", "Sampling", "generate", "groups_of_equal_length", "sample"]

TOP_K = 50
"""Tokens drawn from at most: the original sampled with the default of its transformers."""
REPETITION_PENALTY = 1.1
"""Of what was said already, the prompt included, when sampling (BLIP, models/blip.py)."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How text is decoded. Lengths count tokens, the first one and any prompt included.

    `num_beams` 1 is greedy. The original's beam search in BLIP's source ran on an older
    transformers whose length penalty also counted the prompt's tokens; the installed one counts
    the new tokens alone, which can order beams of unequal length differently after a prompt.

    Raises QueryError for numbers out of their limits.
    """

    num_beams: int
    max_length: int
    min_length: int

    def __post_init__(self) -> None:
        if self.num_beams < 1:
            raise QueryError(f"num_beams must be at least 1, not {self.num_beams}")
        if not 0 <= self.min_length <= self.max_length:
            raise QueryError(
                "min_length must be from 0 to max_length, "
                f"not {self.min_length} with a max_length of {self.max_length}"
            )

    def check_start(self, start: Sequence[int], decoder: Decoder) -> None:
        """Raise QueryError when no token could follow, or there are too few positions for all."""
        positions = int(decoder.config.max_position_embeddings)
        if self.max_length > positions:
            raise QueryError(
                f"max_length is at most {positions} with this checkpoint, not {self.max_length}"
            )
        if len(start) >= self.max_length:
            raise QueryError(
                f"the text to continue already has {len(start)} tokens, the first one included, "
                f"and max_length is {self.max_length}: shorten the prompt or raise max_length"
            )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How texts are drawn: from the likeliest tokens that together have the probability `top_p`.

    `seeds` has one for each text, none negative; what is drawn depends on it and on nothing else in
    the batch. Lengths are as in `Decoding`.

    Raises QueryError for numbers out of their limits.
    """

    top_p: float
    max_length: int
    min_length: int
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 < self.top_p <= 1:
            raise QueryError(f"top_p must be over 0 and at most 1, not {self.top_p}")
        if self.seeds and min(self.seeds) < 0:
            raise QueryError(f"a seed must not be negative: {min(self.seeds)}")
        Decoding(1, self.max_length, self.min_length)  # checks the lengths

    def of(self, numbers: Sequence[int]) -> Sampling:
        """The same for some of the texts."""
        return replace(self, seeds=tuple(self.seeds[number] for number in numbers))

    def check_start(self, start: Sequence[int], decoder: Decoder) -> None:
        """See Decoding.check_start."""
        Decoding(1, self.max_length, self.min_length).check_start(start, decoder)


def generate(
    decoder: Decoder,
    vocabulary: Vocabulary,
    start: torch.Tensor,
    states: torch.Tensor,
    decoding: Decoding,
) -> list[list[int]]:
    """Continue n texts, each attending to its own states; return their ids, `start` included.

    `start` is (n, length) int64 and all of it is text: rows of unequal length must come in calls
    of their own, because left padding would be attended and shift the positions. `states` are
    (n, tokens, width). A text ends before its [SEP]; padding is cut off.
    """
    settings = _settings(vocabulary, decoding, repetition_penalty=1.0)
    return _continued(decoder, start, states, settings, LogitsProcessorList())


def sample(
    decoder: Decoder,
    vocabulary: Vocabulary,
    start: torch.Tensor,
    states: torch.Tensor,
    sampling: Sampling,
) -> list[list[int]]:
    """Continue n texts as `generate` does, but draw each token; see `Sampling`."""
    decoding = Decoding(1, sampling.max_length, sampling.min_length)
    settings = _settings(vocabulary, decoding, repetition_penalty=REPETITION_PENALTY)
    chances = [_chances(seed, sampling.max_length) for seed in sampling.seeds]
    drawing = [
        TopKLogitsWarper(TOP_K),
        TopPLogitsWarper(sampling.top_p),
        _Draw(torch.stack(chances).to(states.device), start.shape[1]),
    ]
    return _continued(decoder, start, states, settings, LogitsProcessorList(drawing))


def groups_of_equal_length(rows: Sequence[Sequence[int]], limit: int) -> Iterator[list[int]]:
    """Yield the numbers of rows that are equally long, at most `limit` at a time."""
    by_length: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(number)
    for numbers in by_length.values():
        for start in range(0, len(numbers), limit):
            yield numbers[start : start + limit]


def _until_end(row: list[int], start: int, end: int) -> list[int]:
    """Cut a row at its first end token after the start; the start may hold one of its own."""
    for position in range(start, len(row)):
        if row[position] == end:
            return row[:position]
    return row


class _Draw(LogitsProcessor):  # type: ignore[misc]  # transformers' own types are Any here
    """Leaves one token of each row: the one that its chance falls on.

    Greedy decoding behind it is a draw. transformers' own sampling takes its chances from one
    generator for the whole batch and process, and a text would depend on its neighbours.
    """

    def __init__(self, chances: torch.Tensor, start: int) -> None:
        self._chances = chances  # (n, steps), in [0, 1)
        self._start = start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chance = self._chances[:, input_ids.shape[1] - self._start, None]
        shares, tokens = scores.float().softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
        ends = shares.double().cumsum(dim=-1)  # (n, vocabulary)
        # The last token with a share ends at the total, which rounding may put beside 1.
        place = torch.searchsorted(ends, chance * ends[:, -1:], right=True)
        place = torch.minimum(place, (shares > 0).sum(dim=-1, keepdim=True) - 1)
        drawn = torch.full_like(scores, -torch.inf)
        return drawn.scatter_(1, tokens.gather(1, place), 0.0)


def _chances(seed: int, steps: int) -> torch.Tensor:
    """The chances (steps,) in [0, 1) of one text, the same on every device."""
    # torch's own generator looks at 32 bits of a seed only.
    return torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).random(steps))


def _settings(
    vocabulary: Vocabulary, decoding: Decoding, *, repetition_penalty: float
) -> GenerationConfig:
    """Everything said explicitly: transformers' own defaults, and a checkpoint's
    generation_config.json, say otherwise.
    """
    return GenerationConfig(
        num_beams=decoding.num_beams,
        max_length=decoding.max_length,
        min_length=decoding.min_length,
        do_sample=False,
        early_stopping=False,
        length_penalty=1.0,
        repetition_penalty=repetition_penalty,
        no_repeat_ngram_size=0,
        num_return_sequences=1,
        use_cache=True,
        bos_token_id=vocabulary.dec,
        eos_token_id=vocabulary.sep,
        pad_token_id=vocabulary.pad,
    )


def _continued(
    decoder: Decoder,
    start: torch.Tensor,
    states: torch.Tensor,
    settings: GenerationConfig,
    processors: LogitsProcessorList,
) -> list[list[int]]:
    output = decoder.generate(
        input_ids=start,
        attention_mask=torch.ones_like(start),
        encoder_hidden_states=states,
        generation_config=settings,
        logits_processor=processors,
    )
    end = settings.eos_token_id
    return [_until_end(row, start.shape[1], end) for row in output.tolist()]
