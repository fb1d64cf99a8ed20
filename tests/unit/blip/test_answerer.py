"""BlipAnswerer: generated and chosen answers, whatever else is in the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from blipsearch.blip import BlipAnswerer
from blipsearch.errors import QueryError
from blipsearch.testing import sample_images

QUESTIONS = [
    "what color is the car?",
    "how many dogs are sitting on the beach next to the large white boat?",
    "where?",
    "is there a (red) house",
]


@pytest.fixture(scope="module")
def blip(tiny: Path) -> BlipAnswerer:
    return BlipAnswerer.from_pretrained(str(tiny / "vqa"))


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_batch_of_unequal_questions_equals_one_by_one(either: Path, num_beams: int) -> None:
    blip = BlipAnswerer.from_pretrained(str(either / "vqa"))
    images, questions = sample_images(8), QUESTIONS * 2
    together = blip.answer(images, questions, num_beams=num_beams)
    alone = [
        blip.answer([image], [question], num_beams=num_beams)[0]
        for image, question in zip(images, questions, strict=True)
    ]
    assert together == alone


def test_generated_answers_equal_transformers_with_the_originals_settings(either: Path) -> None:
    blip = BlipAnswerer.from_pretrained(str(either / "vqa"))
    images = sample_images(5)
    ids = blip._vocabulary.question_ids(QUESTIONS[0])
    output = blip._network.generate(
        input_ids=torch.tensor([ids] * len(images)),
        pixel_values=torch.tensor(np.stack([blip.prepare(image) for image in images])),
        num_beams=3,
        max_length=10,
        min_length=1,
    )
    wanted = [blip._vocabulary.decode(row) for row in output.tolist()]
    assert blip.answer(images, QUESTIONS[0]) == wanted


def read_question(blip: BlipAnswerer, image: int, question: str) -> torch.Tensor:
    pixels = torch.tensor(blip.prepare(sample_images(image + 1)[image]))[None]
    asked = torch.tensor([blip._vocabulary.question_ids(question)])
    with torch.inference_mode():
        states = blip._network.vision_model(pixel_values=pixels).last_hidden_state
        output = blip._network.text_encoder(asked, encoder_hidden_states=states)
    read: torch.Tensor = output.last_hidden_state
    return read


def log_probabilities(blip: BlipAnswerer, read: torch.Tensor, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        output = blip._network.text_decoder(torch.tensor([ids]), encoder_hidden_states=read)
    steps: torch.Tensor = output.logits[0].log_softmax(dim=-1)
    return steps


def loss_of(blip: BlipAnswerer, read: torch.Tensor, ids: list[int]) -> float:
    """CrossEntropyLoss(label_smoothing=0.1), as the original's text decoder has it, by hand."""
    steps = log_probabilities(blip, read, ids[:-1])
    true = sum(float(steps[step, token]) for step, token in enumerate(ids[1:]))
    return -0.9 * true - 0.1 * float(steps.mean(dim=1).sum())


def likeliest(blip: BlipAnswerer, image: int, question: str, choices: list[str]) -> str:
    """Rank as the original's `rank_answer`, one choice at a time and without padding."""
    read = read_question(blip, image, question)
    rows = [blip._vocabulary.answer_ids(choice) for choice in choices]
    first = log_probabilities(blip, read, [blip._vocabulary.dec])[0]
    kept = sorted(range(len(rows)), key=lambda row: -float(first[rows[row][1]]))[:128]
    return choices[min(kept, key=lambda row: loss_of(blip, read, rows[row]))]


def test_the_loss_of_a_choice_is_the_originals_smoothed_one(either: Path) -> None:
    blip = BlipAnswerer.from_pretrained(str(either / "vqa"))
    read = read_question(blip, 0, QUESTIONS[1])
    rows = [blip._vocabulary.answer_ids(text) for text in ("yes", "two dogs on the beach", "")]
    with torch.inference_mode():
        losses = blip._losses(read, rows)
    assert losses == pytest.approx([loss_of(blip, read, row) for row in rows], abs=1e-4)


def test_choices_are_ranked_as_the_original_ranks_them(either: Path) -> None:
    blip = BlipAnswerer.from_pretrained(str(either / "vqa"))
    choices = ["yes", "no", "a red car", "two", "two dogs on the beach", "white and black", "3"]
    images, questions = sample_images(8), QUESTIONS * 2
    chosen = blip.answer(images, questions, choices=choices)
    assert chosen == [
        likeliest(blip, number, question, choices) for number, question in enumerate(questions)
    ]
    stored = np.stack([blip._encode_pixels(blip._prepare_all([one]))[0].numpy() for one in images])
    assert blip.answer_states(stored, questions, choices=choices) == chosen


def test_long_lists_of_choices_are_first_cut_by_their_first_token(blip: BlipAnswerer) -> None:
    words = "dog cat beach car train boat house tree red blue green two three large small white"
    choices = [f"{first} {second}" for first in words.split() for second in words.split()]
    assert len(choices) > 200
    for number in range(3):
        (chosen,) = blip.answer(sample_images(number + 1)[number:], QUESTIONS[0], choices=choices)
        assert chosen == likeliest(blip, number, QUESTIONS[0], choices)


def test_an_answer_is_the_choice_word_for_word(blip: BlipAnswerer) -> None:
    choices = ("  Yes!  ", "NO (none)")
    assert set(blip.answer(sample_images(3), "is it?", choices=choices)) <= set(choices)


def test_stored_states_give_the_same_answers(blip: BlipAnswerer) -> None:
    images = sample_images(18)
    states = blip._encode_pixels(blip._prepare_all(images)).numpy()
    questions = (QUESTIONS * 5)[: len(images)]
    assert blip.answer_states(states, questions, num_beams=1) == blip.answer(
        images, questions, num_beams=1
    )


def test_one_question_serves_all_images(blip: BlipAnswerer) -> None:
    images = sample_images(3)
    assert blip.answer(images, "where?") == blip.answer(images, ["where?"] * 3)
    assert blip.answer([], "where?") == []


def test_what_cannot_be_is_refused(blip: BlipAnswerer) -> None:
    images = sample_images(2)
    with pytest.raises(QueryError, match="1 for 2 images"):
        blip.answer(images, ["where?"])
    with pytest.raises(QueryError, match="at least one answer"):
        blip.answer(images, "where?", choices=[])
    with pytest.raises(QueryError, match="at most 64 fit"):
        blip.answer(images, "where?", choices=["dog " * 80])
    with pytest.raises(QueryError, match="num_beams"):
        blip.answer(images, "where?", num_beams=0)
    with pytest.raises(QueryError, match="max_length"):
        blip.answer(images, "where?", max_length=1)
