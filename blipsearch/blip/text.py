"""From sentences to token ids and back, as the original BLIP does it."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from blipsearch.blip.untyped import Tokenizer

__all__ = ["MAX_TOKENS", "Vocabulary", "pad", "pre_caption", "pre_question"]

MAX_TOKENS = 35
"""Tokens of a caption or question at most, first token and [SEP] included (BLIP, blip_itm.py)."""

CAPTION_WORDS = 30
QUESTION_WORDS = 50
PUNCTUATION = re.compile(r"([.!\"()*#:;~])")

Ids = npt.NDArray[np.int64]


def pre_caption(caption: str) -> str:
    """Lower a caption's case, turn its punctuation into spaces, and keep 30 words.

    Source: BLIP, data/utils.py, `pre_caption` with max_words=30.
    """
    spaced = re.sub(r"\s{2,}", " ", PUNCTUATION.sub(" ", caption.lower()))
    words = spaced.rstrip("\n").strip(" ").split(" ")
    return " ".join(words[:CAPTION_WORDS])


def pre_question(question: str) -> str:
    """Lower a question's case, drop its punctuation but `?`, and keep 50 words.

    Source: BLIP, data/utils.py, `pre_question`.
    """
    words = PUNCTUATION.sub("", question.lower()).rstrip(" ").split(" ")
    return " ".join(words[:QUESTION_WORDS])


class Vocabulary:
    """A checkpoint's tokens, with the three that begin a text: [CLS], [ENC] and [DEC].

    The Hub's tokenizers hold neither [ENC] nor [DEC] and would answer [UNK]: they are the last
    two rows of the embeddings, [DEC] = vocab_size - 2 and [ENC] = vocab_size - 1. May be used by
    several threads at once.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # The wrapper sets truncation and padding on the shared Rust object at every call, which
        # threads must not do at once; the Rust object itself only reads.
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self.size = len(tokenizer)
        self.cls = int(tokenizer.cls_token_id)
        self.sep = int(tokenizer.sep_token_id)
        self.pad = int(tokenizer.pad_token_id)
        self.dec = self.size
        self.enc = self.size + 1

    def caption_ids(self, caption: str, first: int) -> list[int]:
        """Return a caption's ids after `pre_caption`: `first`, words, [SEP], 35 at most."""
        return self._enclose(pre_caption(caption), first)

    def caption_words(self, caption: str) -> list[tuple[str, list[int]]]:
        """Return a caption's words after `pre_caption`, each with the places of its `caption_ids`.

        Word pieces belong to their word, a word the vocabulary lacks keeps its letters, punctuation
        around words belongs to none. What does not fit into 35 tokens is left out.
        """
        text = pre_caption(caption)
        starts = [
            start for start, _ in self._backend.encode(text, add_special_tokens=False).offsets
        ]
        words = []
        for found in re.finditer(r"\S+", text):
            word = found.group().strip(string.punctuation)
            begin = text.index(word, found.start())
            inside = range(begin, begin + len(word))
            places = [i + 1 for i, start in enumerate(starts[: MAX_TOKENS - 2]) if start in inside]
            if places:
                words.append((word, places))
        return words

    def question_ids(self, question: str) -> list[int]:
        """Return a question's ids after `pre_question`: [ENC], words, [SEP], 35 at most."""
        return self._enclose(pre_question(question), self.enc)

    def prompt_ids(self, prompt: str) -> list[int]:
        """Return what a caption begins with: [DEC] and the prompt's words, no [SEP]."""
        return [self.dec, *self._words(prompt)]

    def answer_ids(self, answer: str) -> list[int]:
        """Return an answer as the decoder sees it: [DEC], words, [SEP]."""
        return [self.dec, *self._words(answer), self.sep]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of generated ids, without special tokens, [DEC] and [ENC]."""
        known = [number for number in ids if number < self.size]
        # The original's tokenizer closed the gap before punctuation by default; this one asks.
        text: str = self._tokenizer.decode(
            known, skip_special_tokens=True, clean_up_tokenization_spaces=True
        )
        return text

    def _enclose(self, text: str, first: int) -> list[int]:
        return [first, *self._words(text)[: MAX_TOKENS - 2], self.sep]

    def _words(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids


def pad(rows: Sequence[Sequence[int]], value: int) -> tuple[Ids, Ids]:
    """Pad rows of ids on the right to the longest; return ids and mask, (n, length) int64 each."""
    length = max(len(row) for row in rows)
    ids = np.full((len(rows), length), value, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return ids, mask
