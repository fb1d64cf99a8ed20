"""The small syntax that people write queries in: `2:red boat + ./sunset.jpg - people`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError
from pydantic import ValidationError

from blipsearch.errors import QueryError
from blipsearch.query import Query
from blipsearch.schemas import Term

__all__ = ["parse_query"]

_GRAMMAR = r"""
query: first (plus | minus)*
?first: term | minus
plus: _PLUS term
minus: _MINUS term
term: [WEIGHT] (QUOTED | WORDS)

WEIGHT.2: /\d+(\.\d+)?:(?=\s*[^\s\d])/
QUOTED.2: /"(\\.|[^"\\])*"/
WORDS: /(?!"|[+-]\s)\S(?:(?!\s+[+-]\s).)*/s
_PLUS.3: /\s*\+\s+/
_MINUS.3: /\s*-\s+/
%ignore /\s+/
"""
# A sign is one only with a space behind it, and before it unless it comes first: words keep
# their hyphens.

_FILES = ("./", "../", "/", "~/")
_ID = "id:"
_VECTOR = "vector:"


def parse_query(text: str, *, files: bool = False) -> Query:
    """Read the small syntax: terms joined by ` + `, or by ` - ` for what must not be there.

    A term is a sentence, `id:17` for an indexed image, or with `files` a path to an image (it
    begins with ./, ../, / or ~/) or `vector:FILE.npy`, a NumPy array (dim,); before it may stand a
    weight, `2:` or `0.5:`. In double quotes everything is a sentence.

    Raises QueryError, which shows the place, also for a file that cannot be read.
    """
    if not text.strip():
        raise QueryError("the query is empty: say what the picture shows, as in 'a red boat'")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise QueryError(_explained(text, error)) from error
    try:
        return Query(tuple(_Reading(files=files).transform(tree)))
    except VisitError as error:
        if isinstance(error.orig_exc, QueryError):
            raise error.orig_exc from error
        raise


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", start="query")


class _Reading(Transformer[Token, Any]):
    """Makes terms of the parsed text."""

    def __init__(self, *, files: bool) -> None:
        super().__init__(visit_tokens=False)
        self._files = files

    def query(self, terms: list[Term]) -> list[Term]:
        return terms

    @v_args(inline=True)
    def plus(self, term: Term) -> Term:
        return term

    @v_args(inline=True)
    def minus(self, term: Term) -> Term:
        return term.model_copy(update={"negated": True})

    @v_args(inline=True)
    def term(self, weight: Token | None, subject: Token) -> Term:
        meant = self._meant(subject)
        try:
            return Term(**meant, weight=1.0 if weight is None else float(weight[:-1]))
        except ValidationError as error:
            raise QueryError(f"the term {str(subject)!r}: {error.errors()[0]['msg']}") from error

    def _meant(self, subject: Token) -> dict[str, Any]:
        words = str(subject).strip()
        if subject.type == "QUOTED":
            return {"text": words[1:-1].replace('\\"', '"').replace("\\\\", "\\")}
        if words.startswith(_ID) and words.removeprefix(_ID).isdecimal():
            return {"image_id": int(words.removeprefix(_ID))}
        if self._files and words.startswith(_FILES):
            return {"image": _content(Path(words).expanduser())}
        if self._files and words.startswith(_VECTOR):
            return {"vector": _vector(Path(words.removeprefix(_VECTOR)).expanduser())}
        return {"text": words}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise QueryError(
            f"the query's image {path} cannot be read: {error.strerror}; "
            'a sentence that begins like a path goes in double quotes, "..."'
        ) from error


def _vector(path: Path) -> tuple[float, ...]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise QueryError(
            f"the query's vector {path} cannot be read: {error}; save one with numpy.save"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim != 1:
        raise QueryError(f"the query's vector {path} must be one array (dim,)")
    return tuple(float(number) for number in array)


def _explained(text: str, error: UnexpectedInput) -> str:
    place = len(text) if error.column < 1 else (error.pos_in_stream or 0)
    line = text.replace("\n", " ")
    what = "its closing quote is missing" if text[place : place + 1] == '"' else "a term is missing"
    return f"the query cannot be read at character {place + 1}: {what}\n  {line}\n  {' ' * place}^"
