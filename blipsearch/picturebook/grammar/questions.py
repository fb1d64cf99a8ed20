"""Questions about a scene with short answers."""

from collections.abc import Iterator
from dataclasses import dataclass

from blipsearch.picturebook import world
from blipsearch.picturebook.geometry import holds, may_hold
from blipsearch.picturebook.grammar.claims import Claim, Phrase, write
from blipsearch.picturebook.grammar.words import NUMBERS, PLURALS, noun
from blipsearch.picturebook.layout import Rng, pick
from blipsearch.picturebook.scene import Group, Scene

_TIMES = {"at night": "night", "at sunset": "evening"}
_WEATHERS = {
    "in the rain": "rainy",
    "on snow": "snowy",
    "in the desert": "sunny",
    "on a meadow": "sunny",
    "by the sea": "sunny",
}
_PLACES = tuple(s for s in world.SETTINGS if s not in (*_TIMES, "in the rain"))


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """A question about a scene and its one right answer."""

    question: str
    answer: str


def questions(scene: Scene, rng: Rng) -> list[QuestionAnswer]:
    """Questions that have exactly one right answer, in a fixed order of sorts.

    They ask for colours ("what color is the car"), numbers, what is there (yes and no equally
    often), what is where, where something is, the place, the time and the weather. A group is asked
    about only when it is the only one of its kind.
    """
    own = [g for g in scene.groups if _is_the_only_one(g, scene)]
    asked = [*_colours(own), *_numbers(scene)]
    asked += _presence(scene, rng)
    asked += _yes_or_no_of_a_relation(scene, own, rng)
    asked += [*_neighbours(scene, own), *_whereabouts(scene, own), *_setting(scene, rng)]
    return list(dict.fromkeys(asked))


def _is_the_only_one(group: Group, scene: Scene) -> bool:
    return sum(other.kind == group.kind for other in scene.groups) == 1


def _the(group: Group) -> str:
    return f"the {noun(group.kind, group.count)}"


def _be(group: Group) -> str:
    return "is" if group.count == 1 else "are"


def _colours(own: list[Group]) -> Iterator[QuestionAnswer]:
    for group in own:
        yield QuestionAnswer(f"what color {_be(group)} {_the(group)}", group.colour)


def _numbers(scene: Scene) -> Iterator[QuestionAnswer]:
    for kind in dict.fromkeys(group.kind for group in scene.groups):
        count = sum(group.count for group in scene.groups if group.kind == kind)
        if count <= len(NUMBERS):
            yield QuestionAnswer(f"how many {PLURALS[kind]} are there", NUMBERS[count - 1])


def _presence(scene: Scene, rng: Rng) -> Iterator[QuestionAnswer]:
    """One yes and one no for a bare kind, and the same for a kind with its colour."""
    group = pick(rng, scene.groups)
    yield _is_there(Phrase(group.kind), "yes")
    shown = {g.kind for g in scene.groups} | world.scenery_of(scene.setting)
    yield _is_there(Phrase(pick(rng, [k for k in world.KINDS if k not in shown])), "no")
    yield _is_there(Phrase(group.kind, group.colour), "yes")
    yield _is_there(_almost_there(scene, rng), "no")


def _is_there(phrase: Phrase, answer: str) -> QuestionAnswer:
    return QuestionAnswer(f"is there {write(Claim((phrase,)))}", answer)


def _almost_there(scene: Scene, rng: Rng) -> Phrase:
    """A kind of the scene in a colour it does not have there, often another thing's colour."""
    group = pick(rng, scene.groups)
    taken = {g.colour for g in scene.groups if g.kind == group.kind}
    near = [g.colour for g in scene.groups if g.colour not in taken]
    if near and rng.random() < 0.5:
        return Phrase(group.kind, pick(rng, near))
    return Phrase(group.kind, pick(rng, [c for c in world.COLOURS if c not in taken]))


def _yes_or_no_of_a_relation(scene: Scene, own: list[Group], rng: Rng) -> Iterator[QuestionAnswer]:
    """One yes and one no about a stated relation: "is the car left of the house"."""
    for relation in scene.relations:
        first, second = scene.groups[0], scene.groups[relation.second]
        if first not in own or second not in own:
            continue
        start = f"{_be(first)} {_the(first)}"
        yield QuestionAnswer(f"{start} {relation.name} {_the(second)}", "yes")
        false = [name for name in world.RELATIONS if not may_hold(name, first.box, second.box)]
        if second.kind not in world.CONTAINERS:
            false.remove("inside")
        yield QuestionAnswer(f"{start} {pick(rng, false)} {_the(second)}", "no")


def _neighbours(scene: Scene, own: list[Group]) -> Iterator[QuestionAnswer]:
    """What is in a relation to a thing, asked where nothing else could be meant."""
    for group in own:
        for name in world.RELATIONS:
            others = [g for g in scene.groups if g is not group]
            there = [g for g in others if holds(name, g.box, group.box)]
            maybe = [g for g in others if may_hold(name, g.box, group.box)]
            if len(there) == 1 and maybe == there:
                answer = noun(there[0].kind, there[0].count)
                yield QuestionAnswer(f"what is {name} {_the(group)}", answer)


def _whereabouts(scene: Scene, own: list[Group]) -> Iterator[QuestionAnswer]:
    """Where a thing is: in its setting when it is alone, else by the only other group."""
    if len(scene.groups) == 1:
        group = scene.groups[0]
        yield QuestionAnswer(f"where {_be(group)} {_the(group)}", scene.setting)
    if len(scene.groups) != 2 or len(own) != 2:
        return
    name = scene.relations[0].name
    first, second = scene.groups
    yield QuestionAnswer(f"where {_be(first)} {_the(first)}", f"{name} {_the(second)}")
    if name in world.INVERSES:
        answer = f"{world.INVERSES[name]} {_the(first)}"
        yield QuestionAnswer(f"where {_be(second)} {_the(second)}", answer)


def _setting(scene: Scene, rng: Rng) -> Iterator[QuestionAnswer]:
    setting = scene.setting
    if setting in _PLACES:
        yield QuestionAnswer("where is this", setting)
    if setting != "in a room":
        yield QuestionAnswer("what time is it", _TIMES.get(setting, "day"))
    if setting in _WEATHERS:
        yield QuestionAnswer("what is the weather like", _WEATHERS[setting])
    kinds = {group.kind for group in scene.groups}
    other = pick(
        rng, [s for s in world.SETTINGS if s != setting and not kinds & world.scenery_of(s)]
    )
    yield QuestionAnswer(f"is this {setting}", "yes")
    yield QuestionAnswer(f"is this {other}", "no")
