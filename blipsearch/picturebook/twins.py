"""Twins: the same scene with one thing changed, the hardest picture to tell from it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from blipsearch.errors import WorldError
from blipsearch.picturebook import world
from blipsearch.picturebook.composition import (
    Plan,
    Scene,
    build,
    has_new_combination,
    is_sound,
    plan_of,
    put,
)
from blipsearch.picturebook.geometry import Box, centre, hull, may_hold
from blipsearch.picturebook.layout import Spec, box_about, is_clear

_PLACINGS = 4


def twin(scene: Scene, differs_in: str, seed: int) -> Scene | None:
    """The same scene with exactly one thing changed, or None where nothing fitting can be changed.

    `differs_in` is one of world.DIFFERENCES: one group gets another colour, kind or count (two
    instead of three or three instead of two: "a car" is also true of two cars), one stated relation
    becomes another, or the setting changes. `seed` chooses among the possible changes. Neither
    full caption is true of the other scene. Drawing seed, poses and, as far as the change allows,
    places stay. A twin has new combinations exactly when `scene` has some.
    """
    if differs_in not in _CHANGES:
        raise WorldError(f"unknown difference {differs_in!r}; choose one of {', '.join(_CHANGES)}")
    rng = random.Random(f"{scene.seed} {differs_in} {seed}")
    changed = [plan for plan in _CHANGES[differs_in](plan_of(scene)) if is_sound(plan)]
    rng.shuffle(changed)
    if differs_in == "relation":
        changed.sort(key=lambda plan: not _is_turned(plan, scene, rng))
    is_new = has_new_combination(scene)
    for plan in changed:
        other = _placed(plan, scene, rng)
        if other is not None and has_new_combination(other) == is_new:
            return other
    return None


def _other_colours(plan: Plan) -> Iterator[Plan]:
    for i, spec in enumerate(plan.specs):
        for colour in world.COLOURS:
            if colour != spec.colour:
                yield _with_spec(plan, i, replace(spec, colour=colour))


def _other_kinds(plan: Plan) -> Iterator[Plan]:
    for i, spec in enumerate(plan.specs):
        for kind in world.KINDS:
            if kind != spec.kind:
                yield _with_spec(plan, i, replace(spec, kind=kind))


def _other_counts(plan: Plan) -> Iterator[Plan]:
    for i, spec in enumerate(plan.specs):
        if spec.count > 1:
            yield _with_spec(plan, i, replace(spec, count=5 - spec.count))


def _other_relations(plan: Plan) -> Iterator[Plan]:
    stated = {relation.name for relation in plan.relations}
    for i, relation in enumerate(plan.relations):
        for name in world.RELATIONS:
            if name not in stated:
                changed = list(plan.relations)
                changed[i] = replace(relation, name=name)
                yield replace(plan, relations=tuple(changed))


def _other_settings(plan: Plan) -> Iterator[Plan]:
    for setting in world.SETTINGS:
        if setting != plan.setting:
            yield replace(plan, setting=setting)


_CHANGES: dict[str, Callable[[Plan], Iterator[Plan]]] = {
    "colour": _other_colours,
    "kind": _other_kinds,
    "count": _other_counts,
    "relation": _other_relations,
    "setting": _other_settings,
}


def _with_spec(plan: Plan, number: int, spec: Spec) -> Plan:
    specs = list(plan.specs)
    specs[number] = spec
    return replace(plan, specs=tuple(specs))


def _is_turned(plan: Plan, scene: Scene, rng: random.Random) -> bool:
    """Whether a relation became its inverse, which two changes in three shall be."""
    pairs = zip(scene.relations, plan.relations, strict=True)
    turned = any(b.name != a.name and world.INVERSES.get(a.name) == b.name for a, b in pairs)
    return turned and rng.random() < 2 / 3


def _placed(plan: Plan, scene: Scene, rng: random.Random) -> Scene | None:
    """The plan's scene, in the places of `scene` where that is possible."""
    if _counts(plan) == _counts(plan_of(scene)) and plan.relations == scene.relations:
        boxes = [
            tuple(_refitted(box, spec.kind, group.kind) for box in group.boxes)
            for spec, group in zip(plan.specs, scene.groups, strict=True)
        ]
        if is_clear(boxes, plan.relations) and _is_in_picture(hull(chain(*boxes))):
            return put(plan, boxes, scene.seed)
    for _ in range(_PLACINGS):
        other = build(plan, scene.seed, rng)
        if other is not None and _relations_are_told_apart(scene, other):
            return other
    return None


def _counts(plan: Plan) -> list[int]:
    return [spec.count for spec in plan.specs]


def _refitted(box: Box, kind: str, old_kind: str) -> Box:
    if kind == old_kind:
        return box
    return box_about(*centre(box), max(box[2] - box[0], box[3] - box[1]), kind)


def _is_in_picture(box: Box) -> bool:
    return min(box) >= 0 and max(box) <= 1


def _relations_are_told_apart(scene: Scene, other: Scene) -> bool:
    """Whether no changed relation could be said of both scenes."""
    for old, new in zip(scene.relations, other.relations, strict=True):
        if old.name == new.name:
            continue
        for name, seen in ((new.name, scene), (old.name, other)):
            if may_hold(name, seen.groups[0].box, seen.groups[old.second].box):
                return False
    return True
