"""The built-in checkpoint's vocabulary."""

from pathlib import Path

from blipsearch.blip.pretraining.vocabulary import (
    make_vocabulary,
    open_tokenizer,
    save_tokenizer,
)


def test_special_tokens_have_the_numbers_of_bert() -> None:
    tokens = make_vocabulary(["car", "red"])
    wanted = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [tokens[i] for i in (0, 100, 101, 102, 103)] == wanted


def test_no_token_comes_twice() -> None:
    tokens = make_vocabulary(["a", "car", "car"])
    assert len(tokens) == len(set(tokens))


def test_a_saved_vocabulary_spells_what_it_does_not_know(tmp_path: Path) -> None:
    tokens = make_vocabulary(["a", "red", "car"])
    save_tokenizer(tokens, tmp_path)
    tokenizer = open_tokenizer(tmp_path)
    assert len(tokenizer) == len(tokens)
    assert tokenizer.tokenize("A red car") == ["a", "red", "car"]
    assert tokenizer.tokenize("zebra 7?") == ["z", "##e", "##b", "##r", "##a", "7", "?"]
