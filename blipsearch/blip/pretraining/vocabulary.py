"""The picture-book world's own WordPiece vocabulary, with BERT's specials at BERT's numbers."""

import json
import string
from collections.abc import Iterable
from pathlib import Path

from transformers import BertTokenizer

__all__ = ["CLS", "MASK", "PAD", "SEP", "make_vocabulary", "open_tokenizer", "save_tokenizer"]

PAD, UNK, CLS, SEP, MASK = 0, 100, 101, 102, 103

_SPECIAL = {PAD: "[PAD]", UNK: "[UNK]", CLS: "[CLS]", SEP: "[SEP]", MASK: "[MASK]"}
_CHARACTERS = string.ascii_lowercase + string.digits
_MARKS = ".,?!'-"


def make_vocabulary(words: Iterable[str]) -> list[str]:
    """All tokens in order: specials, `words`, single characters; so nothing is unknown."""
    tokens = [_SPECIAL.get(i, f"[unused{i - 1 if i < UNK else i - 5}]") for i in range(MASK + 1)]
    rest = [*sorted(set(words)), *_MARKS, *_CHARACTERS, *(f"##{c}" for c in _CHARACTERS)]
    return tokens + [word for word in dict.fromkeys(rest) if word not in tokens]


def save_tokenizer(tokens: Iterable[str], directory: Path) -> None:
    """Write vocab.txt and tokenizer_config.json as the Hub's BLIP checkpoints have them."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": 512,
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def open_tokenizer(directory: Path) -> BertTokenizer:
    """The tokenizer of a checkpoint directory."""
    return BertTokenizer.from_pretrained(directory)
