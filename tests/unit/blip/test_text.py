"""From sentences to ids: the original's cleaning, its limits, and the tokens that begin a text."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import BertTokenizer

from blipsearch.blip.text import MAX_TOKENS, Vocabulary, pad, pre_caption, pre_question


@pytest.fixture(scope="module")
def vocabulary(golden: Path) -> Vocabulary:
    return Vocabulary(BertTokenizer.from_pretrained(str(golden / "itm")))


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("A Dog.", "a dog"),
        ('a "red" (big) car!', "a red big car"),
        ("one;two:three~four*five#six", "one two three four five six"),
        ("  spaces   and\n\nlines\n", "spaces and lines"),
        ("what's that, a boat?", "what's that, a boat?"),
        ("", ""),
    ],
)
def test_captions_are_cleaned_as_the_original_does(written: str, cleaned: str) -> None:
    assert pre_caption(written) == cleaned


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("What color is the car?", "what color is the car?"),
        ('Is it "red" (or blue)?', "is it red or blue?"),
        ("how many...  dogs?  ", "how many  dogs?"),
    ],
)
def test_questions_lose_the_characters_but_keep_the_question_mark(
    written: str, cleaned: str
) -> None:
    assert pre_question(written) == cleaned


def test_a_caption_keeps_30_words_and_a_question_50() -> None:
    words = ["word"] * 80
    assert len(pre_caption(" ".join(words)).split()) == 30
    assert len(pre_question(" ".join(words)).split()) == 50


def test_long_texts_keep_35_tokens_and_their_end(vocabulary: Vocabulary) -> None:
    ids = vocabulary.caption_ids("zebra " * 30, vocabulary.cls)
    assert len(ids) == MAX_TOKENS
    assert (ids[0], ids[-1]) == (vocabulary.cls, vocabulary.sep)
    assert len(vocabulary.question_ids("dog " * 50)) == MAX_TOKENS


def test_texts_begin_with_the_token_of_their_task(vocabulary: Vocabulary) -> None:
    assert vocabulary.caption_ids("a dog", vocabulary.cls)[0] == 101
    assert vocabulary.question_ids("a dog?")[0] == 217
    assert vocabulary.prompt_ids("") == [216]
    assert vocabulary.prompt_ids("a dog") == [216, 104, 116]
    assert vocabulary.answer_ids("a dog") == [216, 104, 116, 102]


def test_ids_equal_the_tokenizers_own(golden: Path, vocabulary: Vocabulary) -> None:
    tokenizer = BertTokenizer.from_pretrained(str(golden / "itm"))
    texts = ["a dog near the beach", "zebra " * 30, "", "what's that, a boat?"]
    for text in texts:
        own = tokenizer(pre_caption(text), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        assert vocabulary.caption_ids(text, vocabulary.cls) == own


def test_decoding_drops_special_tokens_and_closes_gaps(vocabulary: Vocabulary) -> None:
    ids = [216, *vocabulary._words("a dog , yes ! what ' s it ?"), 217, 102, 0]
    assert vocabulary.decode(ids) == "a dog, yes! what's it?"


def test_padding_is_on_the_right_and_masked() -> None:
    ids, mask = pad([[5, 6, 7], [8]], 0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
