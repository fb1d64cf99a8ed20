"""The words of the short form: values read from text, and written so that they are read the same.

A value is one word, like a shell's: parts in double quotes may hold spaces, parentheses and commas,
and a backslash there takes the next character as it is. Wildcards count in quotes, too.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from decimal import Decimal

from blipsearch.filters.fields import META, Scalar, metadata_path

__all__ = [
    "Word",
    "compile_glob",
    "has_wildcard",
    "read_field",
    "read_number",
    "read_scalar",
    "read_size",
    "split_range",
    "write_field",
    "write_number",
    "write_scalar",
    "write_size",
    "write_text",
]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]+)")
_UNITS = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_TRUTH = {"true": True, "false": False}
_MOST_DIGITS = 100
"""Characters of a number; Python refuses to read very long ones."""

_BARE = re.compile(r'[^\s"(),=][^\s"(),]*')
_PLAIN_KEY = re.compile(r"[\w-]+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FIELD_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|[^."]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """A value as written: its text, whether any of it was quoted, and where it starts."""

    text: str
    quoted: bool
    start: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written here, not even quotes: the open end of a range."""
        return not self.text and not self.quoted


def split_range(source: str, start: int, *, ranges: bool) -> list[Word]:
    """Read a value that stands at `start`; with `ranges`, `..` outside of quotes splits it in two.

    A range gives two words, of which one may be empty.
    """
    words: list[Word] = []
    text, quoted, inside, first, at = "", False, False, 0, 0
    while at < len(source):
        if source[at] == '"':
            inside, quoted = not inside, True
        elif inside and source[at] == "\\":
            at += 1
            text += source[at]
        elif ranges and not words and not inside and source.startswith("..", at):
            words.append(Word(text, quoted, start))
            text, quoted, first = "", False, at + 2
            at += 1
        else:
            text += source[at]
        at += 1
    words.append(Word(text, quoted, start + first))
    return words


def has_wildcard(text: str) -> bool:
    """Whether a text is a pattern."""
    return "*" in text or "?" in text


def compile_glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern in which `*` is any text and `?` any character."""
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def read_number(text: str) -> int | float:
    """Read a number. Raises ValueError."""
    if len(text) > _MOST_DIGITS or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no number")
    try:
        return int(text)
    except ValueError:
        return float(text)


def read_size(text: str) -> int | float:
    """Read a number of bytes, which may have a unit. Raises ValueError."""
    found = _SIZE.fullmatch(text[:_MOST_DIGITS])
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        try:
            return read_number(text)
        except ValueError as error:
            raise ValueError(f"{text[:60]!r} is no size: write 500KB, 2MB, 1.5GiB") from error
    return int(Decimal(found[1]) * unit)


def read_scalar(word: Word) -> Scalar:
    """Read a value of the metadata: a number, true, false, else text; quoted it is text."""
    if word.quoted:
        return word.text
    if word.text in _TRUTH:
        return _TRUTH[word.text]
    try:
        return read_number(word.text)
    except ValueError:
        return word.text


def read_field(source: str) -> str:
    """Read a field's name, of which keys may be quoted. Raises ValueError."""
    keys = []
    for found in _FIELD_PART.finditer(source):
        quoted = found[1]
        if quoted is not None and "." in quoted:
            raise ValueError("a key with a dot in it cannot be named: dots part the keys")
        keys.append(
            found[0] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        )
    return ".".join(keys)


def write_field(field: str) -> str:
    """A field's name, with keys quoted where they must be."""
    if not field.startswith(META):
        return field
    keys = [key if _PLAIN_KEY.fullmatch(key) else _quoted(key) for key in metadata_path(field)]
    return META + ".".join(keys)


def write_text(text: str) -> str:
    """A text as a word."""
    return text if _BARE.fullmatch(text) else _quoted(text)


def write_number(value: float) -> str:
    """A number as a word."""
    return repr(value)


def write_size(value: float) -> str:
    """A number of bytes as a word, with the largest unit that leaves it whole."""
    for name in ("tb", "gb", "mb", "kb"):
        if isinstance(value, int) and value > 0 and value % _UNITS[name] == 0:
            return f"{value // _UNITS[name]}{name.upper()}"
    return write_number(value)


def write_scalar(value: Scalar) -> str:
    """A value of the metadata as a word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return write_number(value)
    taken_otherwise = "." in value or read_scalar(Word(value, quoted=False, start=0)) != value
    return _quoted(value) if taken_otherwise else write_text(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
