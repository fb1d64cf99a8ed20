"""The language of the picture-book world: captions true and false, questions and their answers.

    caption  = phrase { link phrase } [ setting ]
    link     = relation | "and" | "and" relation
    phrase   = "a" | "an" | number, [ size ], [ colour ], kind

A relation links its phrase to the first phrase of the caption: "a cat left of a dog and below a
star" says that the cat is below the star. Everything is lower case and without punctuation.
"""

from blipsearch.picturebook.grammar.captions import captions, full_caption, unambiguous
from blipsearch.picturebook.grammar.claims import Claim, Phrase, parse, write
from blipsearch.picturebook.grammar.falsehoods import FalseCaption, false_captions
from blipsearch.picturebook.grammar.questions import QuestionAnswer, questions
from blipsearch.picturebook.grammar.truth import is_true
from blipsearch.picturebook.grammar.words import WORDS

__all__ = [
    "WORDS",
    "Claim",
    "FalseCaption",
    "Phrase",
    "QuestionAnswer",
    "captions",
    "false_captions",
    "full_caption",
    "is_true",
    "parse",
    "questions",
    "unambiguous",
    "write",
]
