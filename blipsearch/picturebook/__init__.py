"""The picture-book world: scenes, their pictures, and the language that tells of them.

The built-in checkpoint knows this world and no other. Nothing here needs torch.
"""

from blipsearch.picturebook.grammar import (
    WORDS,
    FalseCaption,
    QuestionAnswer,
    captions,
    false_captions,
    full_caption,
    is_true,
    parse,
    questions,
    unambiguous,
)
from blipsearch.picturebook.render import label_map, render
from blipsearch.picturebook.scene import Group, Scene, Thing, draw_scene, gallery, twin
from blipsearch.picturebook.world import (
    COLOURS,
    KINDS,
    RELATIONS,
    SETTINGS,
    SIZES,
    held_out,
    held_out_relation,
)

__all__ = [
    "COLOURS",
    "KINDS",
    "RELATIONS",
    "SETTINGS",
    "SIZES",
    "WORDS",
    "FalseCaption",
    "Group",
    "QuestionAnswer",
    "Scene",
    "Thing",
    "captions",
    "draw_scene",
    "false_captions",
    "full_caption",
    "gallery",
    "held_out",
    "held_out_relation",
    "is_true",
    "label_map",
    "parse",
    "questions",
    "render",
    "twin",
    "unambiguous",
]
