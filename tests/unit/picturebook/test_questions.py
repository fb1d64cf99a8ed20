"""Questions: every answer follows from the scene."""

import random
from collections import Counter

from blipsearch.picturebook import Group, Scene, draw_scene, is_true, questions, world
from blipsearch.picturebook.grammar.words import PLURALS

SCENES = [draw_scene(seed) for seed in range(300)]
KIND_OF = {kind: kind for kind in world.KINDS} | {p: kind for kind, p in PLURALS.items()}
ALL = [(scene, qa) for scene in SCENES for qa in questions(scene, random.Random(scene.seed))]


def asked(start: str) -> list[tuple[Scene, str, str]]:
    """Scene, the rest of the question, and the answer, for all questions that start so."""
    found = [
        (s, qa.question.removeprefix(start), qa.answer)
        for s, qa in ALL
        if qa.question.startswith(start)
    ]
    assert found
    return found


def the_only(scene: Scene, noun: str) -> Group:
    (group,) = [g for g in scene.groups if g.kind == KIND_OF[noun]]
    assert noun == (group.kind if group.count == 1 else PLURALS[group.kind])
    return group


def some(noun: str, scene: Scene) -> str:
    """A phrase for the group that "the boats" means."""
    group = the_only(scene, noun)
    if group.count > 1:
        return f"{('one', 'two', 'three')[group.count - 1]} {noun}"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def test_colours_are_those_of_the_only_thing_of_its_kind() -> None:
    for verb in ("is", "are"):
        for scene, noun, answer in asked(f"what color {verb} the "):
            assert the_only(scene, noun).colour == answer


def test_numbers_count_all_things_of_a_kind() -> None:
    for scene, rest, answer in asked("how many "):
        kind = KIND_OF[rest.removesuffix(" are there")]
        count = sum(thing.kind == kind for thing in scene.things)
        assert answer == ("one", "two", "three")[count - 1]


def test_is_there_is_answered_by_what_is_true() -> None:
    for scene, phrase, answer in asked("is there "):
        assert answer == ("yes" if is_true(phrase, scene) else "no")


def test_yes_and_no_come_equally_often() -> None:
    for start in ("is there ", "is this "):
        answers = Counter(answer for _, _, answer in asked(start))
        assert abs(answers["yes"] - answers["no"]) <= 0.1 * answers["yes"]


def test_scenery_is_not_asked_for() -> None:
    for scene, phrase, _ in asked("is there "):
        assert phrase.split()[-1] not in world.scenery_of(scene.setting)


def test_relations_are_answered_by_what_is_true() -> None:
    for verb in ("is", "are"):
        for scene, rest, answer in asked(f"{verb} the "):
            relation = next(r for r in world.RELATIONS if f" {r} the " in rest)
            first, second = rest.split(f" {relation} the ")
            claim = f"{some(first, scene)} {relation} {some(second, scene)}"
            assert answer == ("yes" if is_true(claim, scene) else "no")


def test_what_is_beside_a_thing_is_there_and_is_the_only_answer() -> None:
    for relation in world.RELATIONS:
        for scene, noun, answer in asked(f"what is {relation} the "):
            place = some(noun, scene)
            there = [
                g
                for g in scene.groups
                if g.kind != KIND_OF[noun] and is_true(f"{some_of(g)} {relation} {place}", scene)
            ]
            assert {g.kind for g in there} == {KIND_OF[answer]}


def some_of(group: Group) -> str:
    if group.count > 1:
        return f"{('one', 'two', 'three')[group.count - 1]} {group.colour} {PLURALS[group.kind]}"
    return f"{'an' if group.colour[0] in 'aeiou' else 'a'} {group.colour} {group.kind}"


def test_where_a_thing_is_names_the_setting_or_the_other_group() -> None:
    for verb in ("is", "are"):
        for scene, noun, answer in asked(f"where {verb} the "):
            if len(scene.groups) == 1:
                assert answer == scene.setting
                continue
            relation, other = answer.split(" the ")
            assert is_true(f"{some(noun, scene)} {relation} {some(other, scene)}", scene)


def test_the_setting_tells_place_time_and_weather() -> None:
    for scene, _, answer in asked("where is this"):
        assert answer == scene.setting
    times = {(s.setting, answer) for s, _, answer in asked("what time is it")}
    assert ("at night", "night") in times
    assert ("at sunset", "evening") in times
    assert len(times) == len({setting for setting, _ in times})
    weathers = {(s.setting, answer) for s, _, answer in asked("what is the weather like")}
    assert {("in the rain", "rainy"), ("on snow", "snowy")} <= weathers


def test_no_question_of_a_scene_has_two_answers() -> None:
    for scene in SCENES:
        answers: dict[str, str] = {}
        for qa in questions(scene, random.Random(5)):
            assert answers.setdefault(qa.question, qa.answer) == qa.answer
