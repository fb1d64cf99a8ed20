"""What a scene is made of, and how a plan becomes one."""

from collections.abc import Sequence
from dataclasses import dataclass

from blipsearch.picturebook import world
from blipsearch.picturebook.geometry import Box, holds, hull
from blipsearch.picturebook.layout import Relation, Rng, Spec, lay_out

_MOST_THINGS = 5


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a scene, with its box and the number of the group it belongs to."""

    kind: str
    colour: str
    size: str
    box: Box
    group: int


@dataclass(frozen=True, slots=True)
class Group:
    """One to three things alike in kind, colour and size; they are told of together."""

    kind: str
    colour: str
    size: str
    boxes: tuple[Box, ...]
    box: Box
    """The smallest box around all of them."""

    @property
    def count(self) -> int:
        """How many things there are."""
        return len(self.boxes)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows; the seed also decides everything the words leave open.

    `relations` are those that were asked for when the groups were laid out, all of them starting at
    group 0. `things` lists the members of group 0, then of group 1, and so on. No two groups agree
    in both kind and colour.
    """

    seed: int
    setting: str
    groups: tuple[Group, ...]
    relations: tuple[Relation, ...]

    @property
    def things(self) -> tuple[Thing, ...]:
        """All things, group by group."""
        return tuple(
            Thing(group.kind, group.colour, group.size, box, number)
            for number, group in enumerate(self.groups)
            for box in group.boxes
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A scene before its things have places."""

    setting: str
    specs: tuple[Spec, ...]
    relations: tuple[Relation, ...]


def build(plan: Plan, seed: int, rng: Rng) -> Scene | None:
    """The planned scene with everything in its place, or None where it does not fit."""
    placed = lay_out(plan.specs, plan.relations, rng)
    return None if placed is None else put(plan, placed, seed)


def put(plan: Plan, placed: Sequence[tuple[Box, ...]], seed: int) -> Scene:
    """The planned scene with the boxes of each group given."""
    groups = tuple(
        Group(spec.kind, spec.colour, spec.size, boxes, hull(boxes))
        for spec, boxes in zip(plan.specs, placed, strict=True)
    )
    return Scene(seed, plan.setting, groups, plan.relations)


def plan_of(scene: Scene) -> Plan:
    """The plan a scene follows."""
    specs = tuple(Spec(g.kind, g.colour, g.size, g.count) for g in scene.groups)
    return Plan(scene.setting, specs, scene.relations)


def is_sound(plan: Plan) -> bool:
    """Whether a plan keeps the rules of the world that do not depend on places."""
    specs = plan.specs
    if len({(s.kind, s.colour) for s in specs}) < len(specs):
        return False
    if any(s.kind in world.scenery_of(plan.setting) for s in specs):
        return False
    inside = [r for r in plan.relations if r.name == "inside"]
    return sum(s.count for s in specs) <= _MOST_THINGS and all(
        _can_be_inside(specs[r.first], specs[r.second]) for r in inside
    )


def meaning(scene: Scene) -> tuple[object, ...]:
    """What the full caption tells, without the order it is told in; equal for equal captions."""
    told = [(g.kind, g.colour, g.size, g.count) for g in scene.groups]
    relations = sorted((r.name, told[r.second]) for r in scene.relations)
    return (scene.setting, told[0], *relations)


def has_new_combination(scene: Scene) -> bool:
    """Whether anything in the scene is held out: a kind in a colour, or a relation that holds."""
    groups = scene.groups
    return plan_is_new(plan_of(scene)) or any(
        world.held_out_relation(a.kind, name, b.kind)
        for a in groups
        for b in groups
        if a is not b
        for name in world.RELATIONS
        if holds(name, a.box, b.box)
    )


def plan_is_new(plan: Plan) -> bool:
    """Whether a plan states anything that is held out from training."""
    specs = plan.specs
    return any(world.held_out(s.kind, s.colour) for s in specs) or any(
        world.held_out_relation(specs[r.first].kind, r.name, specs[r.second].kind)
        for r in plan.relations
    )


def _can_be_inside(inner: Spec, outer: Spec) -> bool:
    return (
        outer.kind in world.CONTAINERS
        and inner.kind not in world.CONTAINERS
        and (inner.size, outer.size) == ("small", "large")
        and inner.count == outer.count == 1
    )
