"""BlipAnswerer: answers to questions about pictures (VQA), written freely or chosen from a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch.nn.functional import cross_entropy

from blipsearch.blip.decoding import Decoding, generate, groups_of_equal_length
from blipsearch.blip.find import Task
from blipsearch.blip.pixels import AnyImage
from blipsearch.blip.text import pad
from blipsearch.blip.tower import IMAGE_BATCH, Chunk, States, Tower, spread
from blipsearch.blip.untyped import Decoder
from blipsearch.errors import QueryError

__all__ = ["BlipAnswerer"]

MIN_LENGTH = 1
RANKED = 128
"""Choices scored in full, the likeliest by their first token (BLIP, configs/vqa.yaml, k_test)."""

RANK_BATCH = 32
SMOOTHING = 0.1
"""Label smoothing of the loss that ranks choices; the original's text decoder has it built in
(BLIP, models/med.py), in evaluation too. It counts against long answers."""

IGNORED = -100


class BlipAnswerer(Tower):
    """Answers questions about pictures. Takes a BlipForQuestionAnswering checkpoint."""

    task: ClassVar[Task] = "vqa"

    def answer(
        self,
        images: Sequence[AnyImage],
        questions: str | Sequence[str],
        choices: Sequence[str] | None = None,
        num_beams: int = 3,
        max_length: int = 10,
    ) -> list[str]:
        """Return one answer per image.

        `questions` is one for all images or one per image. Without `choices` the answer is
        generated (at most `max_length` tokens, the first one included; `num_beams` 1 decodes
        greedily); with them it is the likeliest of these, word for word as given. An answer does
        not depend on what else is in the batch.

        Raises QueryError for another number of questions than images, an empty list of choices, or
        numbers out of their limits.
        """
        asked = spread("question", questions, len(images))
        decoding = Decoding(num_beams, max_length, MIN_LENGTH)
        return self._answer(self._chunks_of_images(images), asked, choices, decoding)

    def answer_states(
        self,
        states: States,
        questions: str | Sequence[str],
        choices: Sequence[str] | None = None,
        num_beams: int = 3,
        max_length: int = 10,
    ) -> list[str]:
        """Return one answer per image from stored states, without a pass of the vision tower.

        `states` are (n, tokens, width), float32 or float16, made by a checkpoint with this very
        vision tower; the rest is as in `answer`.

        Raises ShapeError for states of another shape, and what `answer` raises.
        """
        self._check_states(states)
        asked = spread("question", questions, len(states))
        decoding = Decoding(num_beams, max_length, MIN_LENGTH)
        return self._answer(self._chunks_of_states(states), asked, choices, decoding)

    def _answer(
        self,
        chunks: Iterable[Chunk],
        questions: Sequence[str],
        choices: Sequence[str] | None,
        decoding: Decoding,
    ) -> list[str]:
        asked = [self._vocabulary.question_ids(question) for question in questions]
        if choices is None:
            decoding.check_start([self._vocabulary.dec], self._network.text_decoder)
            return [
                self._vocabulary.decode(ids)
                for part, states in chunks
                for ids in self._write(asked[part], states, decoding)
            ]
        rows = self._choice_ids(choices)
        return [
            choices[number]
            for part, states in chunks
            for number in self._choose(asked[part], states, rows)
        ]

    @torch.inference_mode()
    def _write(
        self, questions: Sequence[Sequence[int]], states: torch.Tensor, decoding: Decoding
    ) -> list[list[int]]:
        """Return the ids of one answer per image, beginning with [DEC]."""
        answers: list[list[int]] = [[] for _ in questions]
        for numbers in groups_of_equal_length(questions, IMAGE_BATCH):
            question_states = self._read(questions, states, numbers)
            start = torch.full((len(numbers), 1), self._vocabulary.dec, device=states.device)
            rows = generate(
                self._network.text_decoder, self._vocabulary, start, question_states, decoding
            )
            for number, row in zip(numbers, rows, strict=True):
                answers[number] = row
        return answers

    @torch.inference_mode()
    def _choose(
        self,
        questions: Sequence[Sequence[int]],
        states: torch.Tensor,
        choices: Sequence[Sequence[int]],
    ) -> list[int]:
        """Return the number of the likeliest choice per image."""
        chosen = [0] * len(questions)
        for numbers in groups_of_equal_length(questions, IMAGE_BATCH):
            question_states = self._read(questions, states, numbers)
            for row, number in enumerate(numbers):
                chosen[number] = self._rank(question_states[row : row + 1], choices)
        return chosen

    def _read(
        self, questions: Sequence[Sequence[int]], states: torch.Tensor, numbers: list[int]
    ) -> torch.Tensor:
        """Return the states of equally long questions, (n, length, width), having seen the images.

        Equally long, because transformers' decoder attends to padded question tokens: an answer
        would change with its batch.
        """
        ids = torch.tensor([questions[number] for number in numbers], device=states.device)
        output = self._network.text_encoder(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            encoder_hidden_states=states[numbers],
        )
        question_states: torch.Tensor = output.last_hidden_state
        return question_states

    def _rank(self, question_states: torch.Tensor, choices: Sequence[Sequence[int]]) -> int:
        """Return the number of the likeliest choice for one question, states (1, length, width).

        Source: BLIP, models/blip_vqa.py, `rank_answer`: the choices whose first token is likeliest,
        then the smallest loss of the whole.
        """
        decoder: Decoder = self._network.text_decoder
        device = question_states.device
        start = torch.tensor([[self._vocabulary.dec]], device=device)
        logits = decoder(
            input_ids=start, encoder_hidden_states=question_states, use_cache=False
        ).logits[0, 0]
        first = torch.tensor([choice[1] for choice in choices], device=device)
        likeliest = logits.float()[first].topk(min(RANKED, len(choices))).indices.tolist()
        losses: list[float] = []
        for begin in range(0, len(likeliest), RANK_BATCH):
            batch = [choices[number] for number in likeliest[begin : begin + RANK_BATCH]]
            losses += self._losses(question_states, batch)
        best: int = likeliest[min(range(len(losses)), key=losses.__getitem__)]
        return best

    def _losses(
        self, question_states: torch.Tensor, choices: Sequence[Sequence[int]]
    ) -> list[float]:
        """Return the decoder's loss of each choice, summed over its tokens, [SEP] among them."""
        ids, mask = (
            torch.from_numpy(part).to(question_states.device)
            for part in pad(choices, self._vocabulary.pad)
        )
        logits = self._network.text_decoder(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=question_states,
            use_cache=False,
        ).logits
        loss = cross_entropy(
            logits[:, :-1].float().transpose(1, 2),
            ids.masked_fill(mask == 0, IGNORED)[:, 1:],
            ignore_index=IGNORED,
            label_smoothing=SMOOTHING,
            reduction="none",
        )
        summed: list[float] = loss.sum(dim=1).tolist()
        return summed

    def _choice_ids(self, choices: Sequence[str]) -> list[list[int]]:
        if isinstance(choices, str) or not choices:
            raise QueryError(f"choices are a list of at least one answer, not {choices!r}")
        rows = [self._vocabulary.answer_ids(choice) for choice in choices]
        limit = int(self._network.config.text_config.max_position_embeddings)
        for choice, row in zip(choices, rows, strict=True):
            if len(row) > limit:
                raise QueryError(
                    f"the choice {choice[:40]!r}... has {len(row)} tokens; at most {limit} fit"
                )
        return rows
