"""What a caption claims, from text to structure and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from blipsearch.errors import WorldError
from blipsearch.picturebook import world
from blipsearch.picturebook.grammar.words import NUMBERS, PLURALS, SPOKEN_SIZES, noun, with_article


@dataclass(frozen=True, slots=True)
class Phrase:
    """Things a caption speaks of: "a red car" (number None), "two small boats" (number 2)."""

    kind: str
    colour: str | None = None
    size: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a caption says.

    `relations[i]` is what the first phrase is to phrase i + 1, or None where they are only named
    together.
    """

    phrases: tuple[Phrase, ...]
    relations: tuple[str | None, ...] = ()
    setting: str | None = None


def write(claim: Claim) -> str:
    """The caption that says `claim`; parse reads it back."""
    words = [_write_phrase(claim.phrases[0])]
    for i, (relation, phrase) in enumerate(zip(claim.relations, claim.phrases[1:], strict=True)):
        if relation is None or i > 0:
            words.append("and")
        if relation is not None:
            words.append(relation)
        words.append(_write_phrase(phrase))
    if claim.setting is not None:
        words.append(claim.setting)
    return " ".join(words)


@lru_cache(maxsize=1 << 16)
def parse(caption: str) -> Claim:
    """What `caption` says; WorldError, a ValueError, for text outside the grammar."""
    words = caption.split()
    first, at = _read_phrase(words, 0, caption)
    phrases, relations = [first], []
    setting = None
    while at < len(words):
        setting, end = _read_one_of(world.SETTINGS, words, at)
        if setting is not None:
            at = end
            break
        relation, at = _read_link(words, at, caption, first=len(phrases) == 1)
        phrase, at = _read_phrase(words, at, caption)
        phrases.append(phrase)
        relations.append(relation)
    if at < len(words):
        raise _not_understood(caption, words, at)
    return Claim(tuple(phrases), tuple(relations), setting)


def _write_phrase(phrase: Phrase) -> str:
    words = " ".join(
        part
        for part in (phrase.size, phrase.colour, noun(phrase.kind, phrase.number or 1))
        if part is not None
    )
    if phrase.number is None:
        return with_article(words)
    return f"{NUMBERS[phrase.number - 1]} {words}"


_KIND_OF_SINGULAR = {kind: kind for kind in world.KINDS}
_KIND_OF_PLURAL = {plural: kind for kind, plural in PLURALS.items()}


def _read_phrase(words: Sequence[str], start: int, caption: str) -> tuple[Phrase, int]:
    at = start
    number, at = _read_one_of(NUMBERS, words, at)
    if number is None:
        _, at = _read_article(words, at, caption)
    size, at = _read_one_of(SPOKEN_SIZES, words, at)
    colour, at = _read_one_of(world.COLOURS, words, at)
    kinds = _KIND_OF_SINGULAR if number in (None, "one") else _KIND_OF_PLURAL
    if at >= len(words) or words[at] not in kinds:
        raise _not_understood(caption, words, at)
    count = None if number is None else NUMBERS.index(number) + 1
    return Phrase(kinds[words[at]], colour, size, count), at + 1


def _read_article(words: Sequence[str], at: int, caption: str) -> tuple[str, int]:
    following = words[at + 1] if at + 1 < len(words) else ""
    if following and " ".join(words[at : at + 2]) == with_article(following):
        return words[at], at + 1
    raise _not_understood(caption, words, at)


def _read_link(
    words: Sequence[str], at: int, caption: str, *, first: bool
) -> tuple[str | None, int]:
    has_and = words[at] == "and"
    at += has_and
    relation, at = _read_one_of(world.RELATIONS, words, at)
    if not has_and and (relation is None or not first):
        raise _not_understood(caption, words, at)
    return relation, at


def _read_one_of(options: Sequence[str], words: Sequence[str], at: int) -> tuple[str | None, int]:
    for option in options:
        parts = option.split()
        if words[at : at + len(parts)] == parts:
            return option, at + len(parts)
    return None, at


def _not_understood(caption: str, words: Sequence[str], at: int) -> WorldError:
    where = f"{words[at]!r} is not expected there" if at < len(words) else "it ends too early"
    return WorldError(
        f"{caption!r} is no caption of the picture-book world: {where};"
        " say for example 'two red boats left of a house by the sea'"
    )
