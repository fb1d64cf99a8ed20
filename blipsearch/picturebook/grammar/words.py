"""The words of the picture-book language and how nouns change."""

from blipsearch.picturebook import world

NUMBERS = ("one", "two", "three")

PLURALS = {kind: kind + "s" for kind in world.KINDS} | {
    "box": "boxes",
    "butterfly": "butterflies",
    "fish": "fish",
}
SPOKEN_SIZES = tuple(size for size in world.SIZES if size != "medium")

_QUESTION_WORDS = "what color is are the how many there where this it time weather like"
_ANSWER_WORDS = "yes no day night evening sunny rainy snowy"

WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            *world.KINDS,
            *PLURALS.values(),
            *world.COLOURS,
            *SPOKEN_SIZES,
            *NUMBERS,
            *" ".join((*world.RELATIONS, *world.SETTINGS)).split(),
            *("a", "an", "and"),
            *_QUESTION_WORDS.split(),
            *_ANSWER_WORDS.split(),
        }
    )
)
"""Every word of every caption, question and answer, in alphabetical order."""


def noun(kind: str, number: int) -> str:
    """The name of `number` things of a kind: "boat", "boats"."""
    return kind if number == 1 else PLURALS[kind]


def with_article(words: str) -> str:
    """`words` after "a" or "an"."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"
