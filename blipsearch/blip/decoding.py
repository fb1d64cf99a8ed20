"""From states to words: greedy decoding and beam search, for captions and answers alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import GenerationConfig

from blipsearch.blip.text import Vocabulary
from blipsearch.blip.untyped import Decoder
from blipsearch.errors import QueryError

__all__ = ["Decoding", "generate", "groups_of_equal_length"]


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

    Everything is passed explicitly: transformers' own defaults, and a checkpoint's
    generation_config.json, say otherwise.
    """
    settings = GenerationConfig(
        num_beams=decoding.num_beams,
        max_length=decoding.max_length,
        min_length=decoding.min_length,
        do_sample=False,
        early_stopping=False,
        length_penalty=1.0,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        num_return_sequences=1,
        use_cache=True,
        bos_token_id=vocabulary.dec,
        eos_token_id=vocabulary.sep,
        pad_token_id=vocabulary.pad,
    )
    output = decoder.generate(
        input_ids=start,
        attention_mask=torch.ones_like(start),
        encoder_hidden_states=states,
        generation_config=settings,
    )
    length = start.shape[1]
    return [_until_end(row, length, vocabulary.sep) for row in output.tolist()]


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
