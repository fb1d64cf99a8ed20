"""The short form of a filter, read: `width>=1024 path:holiday tag:beach,sea -tag:private`.

Reading is pure, and total: any text gives a Filter or an InvalidFilterError that points at the
character. The grammar is `grammar.lark`; the parser is made when it is first needed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any, TypeVar

from lark import Lark, Token, Tree, UnexpectedInput, UnexpectedToken
from pydantic import BaseModel, ValidationError

from blipsearch.errors import InvalidFilterError
from blipsearch.filters.fields import FieldProblem, Kind, Scalar, check_field, kind_of
from blipsearch.filters.json_form import parse_json_filter
from blipsearch.filters.tree import (
    MOST_CONDITIONS,
    MOST_DEPTH,
    And,
    Between,
    Compare,
    Filter,
    Glob,
    Has,
    Near,
    Not,
    Or,
    Place,
)
from blipsearch.filters.words import (
    Word,
    has_wildcard,
    read_field,
    read_number,
    read_scalar,
    read_size,
    split_range,
)

__all__ = ["MOST_TEXT", "load_filter", "parse_filter"]

MOST_TEXT = 20_000
"""Characters of a filter's short form."""

_SHOWN = 60
"""Characters of a filter that an error shows before the place it points at."""
_RANGED: tuple[Kind, ...] = ("number", "moment", "metadata")
_PATTERNED: tuple[Kind, ...] = ("text", "tag", "metadata")
_CLOSED_QUOTE = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NEAR = "near takes a latitude, a longitude and a distance: near:48.85,2.35,5km"

_Model = TypeVar("_Model", bound=BaseModel)


class _Trouble(Exception):  # noqa: N818  # becomes an InvalidFilterError with the text in it
    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


def parse_filter(text: str) -> Filter:
    """Read a filter's short form.

    Raises InvalidFilterError, whose `position` is the character it is about.
    """
    try:
        return _read(text)
    except _Trouble as trouble:
        raise InvalidFilterError(
            _pointed(text, trouble.position, str(trouble)), position=trouble.position
        ) from trouble


def load_filter(value: str | Mapping[str, object] | Filter) -> Filter:
    """Read a filter in its short form or its JSON form. Raises InvalidFilterError."""
    return parse_filter(value) if isinstance(value, str) else parse_json_filter(value)


def _read(text: str) -> Filter:
    if len(text) > MOST_TEXT:
        raise _Trouble(MOST_TEXT, f"a filter has at most {MOST_TEXT} characters")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _unexpected(text, error) from error
    return _Reader().read(tree.children[0])


@functools.cache
def _parser() -> Lark:
    grammar = resources.files("blipsearch.filters").joinpath("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual")


class _Reader:
    """Makes the filter out of what the grammar found."""

    def __init__(self) -> None:
        self._conditions = 0

    def read(self, tree: Any, depth: int = 0) -> Filter:  # noqa: ANN401  # lark's tree has no type
        if depth > MOST_DEPTH:
            raise _Trouble(_start(tree), f"a filter is nested at most {MOST_DEPTH} deep")
        if tree.data == "condition":
            return self._condition(*tree.children)
        parts = tuple(self.read(child, depth + 1) for child in tree.children)
        if tree.data == "not":
            return Not(negated=parts[0])
        return And(every=parts) if tree.data == "all" else Or(some=parts)

    def _condition(self, field: Token, op: Token, *values: Token) -> Filter:
        self._conditions += 1 if field == "near" else len(values)
        if self._conditions > MOST_CONDITIONS:
            raise _Trouble(_at(field), f"a filter has at most {MOST_CONDITIONS} conditions")
        if field == "near":
            return _near(field, op, values)
        if len(values) > 1 and op not in {":", "="}:
            raise _Trouble(_at(values[1]), f"{op} takes one value; several go with : or =")
        made = tuple(_one(field, op, value) for value in values)
        return Or(some=made) if len(made) > 1 else made[0]


def _one(field: Token, op: Token, value: Token) -> Filter:
    if field == "has":
        if op not in {":", "="}:
            raise _Trouble(_at(op), "write has:caption or -has:caption")
        (word,) = split_range(value, _at(value), ranges=False)
        return _made(Has, {"has": word.start}, has=word.text)
    try:
        name = read_field(field)
        check_field(name)
    except ValueError as error:
        raise _Trouble(_at(field), str(error)) from error
    kind = kind_of(name)
    words = split_range(value, _at(value), ranges=op == ":" and kind in _RANGED)
    places = {"field": _at(field), "op": _at(op), "value": _at(value), "low": _at(value)}
    if len(words) > 1:
        low, high = (None if word.is_empty else _scalar(name, word) for word in words)
        return _made(Between, {**places, "high": words[1].start}, field=name, low=low, high=high)
    scalar = _scalar(name, words[0])
    if op != ":":
        return _made(Compare, places, field=name, op=str(op), value=scalar)
    if kind in _PATTERNED and isinstance(scalar, str) and has_wildcard(scalar):
        return _made(Glob, places, field=name, op="glob", value=scalar)
    return _made(Compare, places, field=name, op="=", value=scalar)


def _scalar(name: str, word: Word) -> Scalar:
    kind = kind_of(name)
    if kind == "metadata":
        return read_scalar(word)
    if kind != "number":
        return word.text
    try:
        return read_size(word.text) if name == "size" else read_number(word.text)
    except ValueError as error:
        raise _Trouble(word.start, f"{error}") from error


def _near(field: Token, op: Token, values: tuple[Token, ...]) -> Near:
    if op not in {":", "="}:
        raise _Trouble(_at(op), _NEAR)
    if len(values) != len(Place.model_fields):
        raise _Trouble(_at(field), _NEAR)
    places = dict(zip(Place.model_fields, map(_at, values), strict=True))
    numbers = {}
    for name, value in zip(Place.model_fields, values, strict=True):
        unit = "km" if value.endswith("km") else "m" if value.endswith("m") else ""
        if name != "km":
            unit = ""
        try:
            number = read_number(value.removesuffix(unit))
        except ValueError as error:
            raise _Trouble(places[name], f"{error}; {_NEAR}") from error
        numbers[name] = number / 1000 if unit == "m" else number
    return Near(near=_made(Place, places, **numbers))


def _made(model: type[_Model], places: Mapping[str, int], **values: object) -> _Model:
    """Make a model; what its checks say is told at the place of the part it is about."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, FieldProblem):
            raise _Trouble(places[cause.part], str(cause)) from error
        name = str(first["loc"][0])
        raise _Trouble(places[name], f"{name}: {first['msg']}") from error


def _unexpected(text: str, error: UnexpectedInput) -> _Trouble:
    if isinstance(error, UnexpectedToken):
        expected, ended = set(error.expected), error.token.type == "$END"
    else:
        expected, ended = set(getattr(error, "allowed", None) or ()), False
    position = len(text) if ended else (error.pos_in_stream or 0)
    if "OP" in expected:
        word = re.search(r"\S+\s*\Z", text[:position])
        start = word.start() if word else position
        return _Trouble(start, "expected a field, a colon and a value, such as tag:beach")
    return _Trouble(position, _expectation(text, position, expected))


def _expectation(text: str, position: int, expected: set[str]) -> str:
    """What was wanted at a position in place of what is there."""
    if not text.strip():
        return "the filter is empty: leave it out to search everything"
    found = text[position : position + 1]
    if found == '"' and not _CLOSED_QUOTE.match(text, position):
        return "this quote is not closed"
    shown = repr(found) if found else "the end"
    if "VALUE" in expected:
        return f"expected a value, not {shown}"
    if not found and "RPAR" in expected:
        return "a parenthesis is not closed: expected ')'"
    if found == ")" and "$END" in expected:
        return "this parenthesis closes nothing"
    return f"expected a condition, such as tag:beach, not {shown}"


def _start(tree: Tree[Token]) -> int:
    """Where the first condition of a tree stands, however deep."""
    node: Tree[Token] | Token = tree
    while isinstance(node, Tree):
        node = node.children[0]
    return _at(node)


def _at(token: Token) -> int:
    return token.start_pos or 0


def _pointed(text: str, position: int, message: str) -> str:
    """The message, and under it the text with a caret under the character."""
    before, after = text[:position], text[position : position + _SHOWN]
    if len(before) > _SHOWN:
        before = f"...{before[-_SHOWN:]}"
    line = "".join(each if each.isprintable() else " " for each in before + after)
    return f"{message}\n  {line}\n  {' ' * len(before)}^"
