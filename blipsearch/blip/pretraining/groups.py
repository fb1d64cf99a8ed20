"""Training data: groups of scenes, rendered, told and asked about ahead of the training.

A group holds related scenes (each with a twin in which one thing differs) and knows which of its
texts is true of which of its pictures. Training takes one group a step.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.blip.pretraining.vocabulary import open_tokenizer
from blipsearch.picturebook import grammar, world
from blipsearch.picturebook.render import label_map, render
from blipsearch.picturebook.scene import Group as Alike
from blipsearch.picturebook.scene import Scene, draw_scene
from blipsearch.picturebook.twins import twin

__all__ = ["GROUP_SIZE", "Group", "draw_group", "load_group", "save_group", "write_groups"]

GROUP_SIZE = 64
"""Pictures in a group."""

TEXT_TOKENS = 35
ANSWER_TOKENS = 10

TWIN_SHARES = {"colour": 0.15, "kind": 0.15, "count": 0.25, "relation": 0.3, "setting": 0.15}
"""How often a twin differs in what; what is hardest to see comes most often."""

FACTS = ("kind", "colour", "size", "count", "relation", "other kind", "other colour")
"""What is known about every patch: of the thing that covers it and of what that is related to."""

T = TypeVar("T")
Tokenize = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Group:
    """One step's worth of pictures and texts, as arrays.

    Token rows start with [CLS], end with [SEP] and are padded with 0. `text_kind` is 0 for a full
    caption, 1 for another true one, and 2 + i for one that is false in world.DIFFERENCES[i].
    """

    pixels: npt.NDArray[np.uint8]
    """(n, size, size, 3)"""
    patches: npt.NDArray[np.uint8]
    """(n, grid * grid, facts): FACTS of every patch, 0 where there is none"""
    settings: npt.NDArray[np.uint8]
    """(n,)"""
    texts: npt.NDArray[np.int16]
    """(texts, length)"""
    text_image: npt.NDArray[np.uint8]
    """(texts,): the picture a text was written for"""
    text_kind: npt.NDArray[np.uint8]
    """(texts,)"""
    truth: npt.NDArray[np.bool_]
    """(texts, n): whether a text is true of a picture"""
    captions: npt.NDArray[np.int16]
    """(n, length): what a captioner should say of each picture"""
    questions: npt.NDArray[np.int16]
    """(questions, length)"""
    answers: npt.NDArray[np.int16]
    """(questions, length)"""
    question_image: npt.NDArray[np.uint8]
    """(questions,): the picture a question is about"""


def draw_group(seed: int, image_size: int, grid: int, tokenize: Tokenize, split: str) -> Group:
    """The group number `seed` of a split; the same seed gives the same group."""
    rng = random.Random(f"{split} {seed}")
    scenes = list(_related_scenes(seed, split, rng))
    texts, owners, kinds = _texts_of(scenes, rng)
    asked = [(i, qa) for i, scene in enumerate(scenes) for qa in _some_questions(scene, rng)]
    truth = [[grammar.is_true(text, scene) for scene in scenes] for text in texts]
    return Group(
        pixels=np.stack([_pixels(scene, image_size, rng) for scene in scenes]),
        patches=np.stack([_patch_facts(scene, grid) for scene in scenes]),
        settings=np.array([world.SETTINGS.index(s.setting) for s in scenes], np.uint8),
        texts=_padded(texts, tokenize, TEXT_TOKENS),
        text_image=np.array(owners, np.uint8),
        text_kind=np.array(kinds, np.uint8),
        truth=np.array(truth, np.bool_),
        captions=_padded([told_caption(scene) for scene in scenes], tokenize, TEXT_TOKENS),
        questions=_padded([qa.question for _, qa in asked], tokenize, TEXT_TOKENS),
        answers=_padded([qa.answer for _, qa in asked], tokenize, ANSWER_TOKENS),
        question_image=np.array([i for i, _ in asked], np.uint8),
    )


def save_group(group: Group, path: Path) -> None:
    """Write `group` so that a reader sees all of it or nothing."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    with unfinished.open("wb") as file:
        np.savez(file, **{field.name: getattr(group, field.name) for field in fields(group)})
    unfinished.rename(path)


def load_group(path: Path) -> Group:
    """Read what save_group wrote."""
    with np.load(path) as arrays:
        return Group(**arrays)


def _related_scenes(seed: int, split: str, rng: random.Random) -> Iterator[Scene]:
    """GROUP_SIZE scenes: a scene, mostly followed by a twin or two of it, and so on."""
    made = 0
    number = seed * 10_000
    while True:
        number += 1
        family = [draw_scene(number, split=split)]
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            differs_in = rng.choices(list(TWIN_SHARES), list(TWIN_SHARES.values()))[0]
            other = twin(family[0], differs_in, number * 10 + len(family))
            family += [] if other is None else [other]
        for scene in family:
            yield scene
            made += 1
            if made == GROUP_SIZE:
                return


def _texts_of(scenes: list[Scene], rng: random.Random) -> tuple[list[str], list[int], list[int]]:
    """Texts, the number of the scene each was written for, and its kind."""
    texts, owners, kinds = [], [], []
    for i, scene in enumerate(scenes):
        full = grammar.full_caption(scene)
        told = [(full, 0)]
        told += [
            (c, 1) for c in _sample(sorted(set(grammar.captions(scene, rng)) - {full}), 4, rng)
        ]
        told += [(f.text, 2 + world.DIFFERENCES.index(f.differs_in)) for f in _falses(scene, rng)]
        for text, kind in told:
            texts.append(text)
            owners.append(i)
            kinds.append(kind)
    return texts, owners, kinds


def told_caption(scene: Scene) -> str:
    """What a captioner should say: all things with number and colour, and the setting.

    Two groups come with their relation, three from left to right. Sizes are left out because the
    line between small and not small is thin; the caption is true all the same, because no two
    groups of a scene agree in kind and colour. It has at most 16 words: with [DEC] and the prompt
    20 tokens, as many as BLIP's captions have.
    """
    claim = grammar.parse(grammar.full_caption(scene))
    phrases = [replace(phrase, size=None) for phrase in claim.phrases]
    relations = claim.relations
    if len(phrases) > 2:
        across = {(g.kind, g.colour): g.box[0] + g.box[2] for g in scene.groups}
        phrases.sort(key=lambda phrase: across[phrase.kind, phrase.colour or ""])
        relations = (None, None)
    return grammar.write(replace(claim, phrases=tuple(phrases), relations=relations))


def _falses(scene: Scene, rng: random.Random) -> list[grammar.FalseCaption]:
    """Up to eight false captions, at least one of every difference there is."""
    known = grammar.false_captions(scene, rng)
    chosen = []
    for differs_in in world.DIFFERENCES:
        share = 2 if differs_in in ("count", "relation") else 1
        chosen += _sample([f for f in known if f.differs_in == differs_in], share, rng)
    return chosen


def _some_questions(scene: Scene, rng: random.Random) -> list[grammar.QuestionAnswer]:
    """Up to eight questions; some end with a question mark, as people write them."""
    asked = _sample(grammar.questions(scene, rng), 8, rng)
    return [replace(qa, question=f"{qa.question}?") if rng.random() < 0.3 else qa for qa in asked]


def _sample(items: list[T], most: int, rng: random.Random) -> list[T]:
    return rng.sample(items, min(most, len(items)))


def _pixels(scene: Scene, size: int, rng: random.Random) -> npt.NDArray[np.uint8]:
    """The picture at `size`, drawn at that size or drawn larger and scaled as a search would."""
    drawn = render(scene, size if rng.random() < 0.5 else 2 * size)
    return np.asarray(drawn.resize((size, size), Image.Resampling.BICUBIC))


def _patch_facts(scene: Scene, grid: int) -> npt.NDArray[np.uint8]:
    """FACTS of every patch, (grid * grid, facts)."""
    rows = np.array([*facts_of(scene), (0,) * len(FACTS)], np.uint8)
    return rows[label_map(scene, grid).reshape(-1)]


def _padded(texts: list[str], tokenize: Tokenize, most: int) -> npt.NDArray[np.int16]:
    rows = [tokenize(text) for text in texts]
    length = min(most, max(map(len, rows)))
    padded = np.zeros((len(rows), length), np.int16)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids[:length]
    return padded


def facts_of(scene: Scene) -> list[tuple[int, ...]]:
    """FACTS of every thing of `scene`, in its order; numbers start at 1 where 0 means none."""
    relations: dict[int, tuple[int, int, int]] = {}
    for relation in scene.relations:
        name = world.RELATIONS.index(relation.name) + 1
        first, second = scene.groups[relation.first], scene.groups[relation.second]
        relations.setdefault(relation.first, (name, *_looks(second)))
        relations[relation.second] = (_turned(relation.name), *_looks(first))
    facts = [
        (*_looks(g), world.SIZES.index(g.size) + 1, g.count, *relations.get(i, (0, 0, 0)))
        for i, g in enumerate(scene.groups)
    ]
    return [facts[thing.group] for thing in scene.things]


def _turned(relation: str) -> int:
    """The number of what the second thing is to the first; one more than all others if around it.

    Which of two things the caption began with cannot be seen, so the numbers tell what can be.
    """
    if relation in world.INVERSES:
        return world.RELATIONS.index(world.INVERSES[relation]) + 1
    return len(world.RELATIONS) + 1


def _looks(group: Alike) -> tuple[int, int]:
    return world.KINDS.index(group.kind) + 1, world.COLOURS.index(group.colour) + 1


def write_groups(numbers: range, image_size: int, grid: int, work: Path) -> None:
    """Render the training groups of these numbers into `work`/data, leaving out what is there.

    Meant for a process of its own: it makes itself nicer than the process that trains, and ends
    when that is gone.
    """
    os.nice(10)
    trainer = os.getppid()
    tokenizer = open_tokenizer(work / "tokenizer")
    for number in numbers:
        if os.getppid() != trainer:
            return
        path = work / "data" / f"{number:06}.npz"
        if not path.exists():
            group = draw_group(number, image_size, grid, tokenizer.encode, "train")
            save_group(group, path)
