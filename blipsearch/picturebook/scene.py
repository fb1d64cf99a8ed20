"""Scenes by number: those of training, those of the two test sets, and those of the gallery."""

import random
from collections import deque
from collections.abc import Iterator

from blipsearch.errors import WorldError
from blipsearch.picturebook import world
from blipsearch.picturebook.composition import (
    Group,
    Plan,
    Scene,
    Thing,
    build,
    has_new_combination,
    is_sound,
    meaning,
    plan_is_new,
)
from blipsearch.picturebook.geometry import centre
from blipsearch.picturebook.layout import Relation, Rng, Spec, pick
from blipsearch.picturebook.twins import twin

__all__ = ["SPLITS", "Group", "Scene", "Thing", "draw_scene", "gallery", "meaning", "twin"]

SPLITS = ("train", "new_scenes", "new_combinations")

_GROUP_COUNTS = (1, 2, 2, 2, 3)
"""A fifth of the scenes has one group, three fifths have two, a fifth has three."""

_COUNTS = {1: (1, 1, 2, 2, 3, 3), 2: (1, 1, 1, 1, 2, 3), 3: (1, 1, 1, 1, 1, 2)}
"""How many things a group has, by the number of groups in the scene."""

_SAME_KIND = 0.08
_ROUNDS = 10_000


def draw_scene(seed: int, *, split: str = "train") -> Scene:
    """The scene number `seed` (0 or more) of a split; the same number gives the same scene.

    "train" and "new_scenes" never show a held-out pair of kind and colour, nor two groups in a
    held-out relation; every scene of "new_combinations" shows at least one such pair or states one
    such relation. The `seed` of a scene says its split (modulo 3), so no two splits share one.
    """
    if split not in SPLITS:
        raise WorldError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    if seed < 0:
        raise WorldError(f"the seed must be 0 or more, not {seed}")
    own_seed = seed * len(SPLITS) + SPLITS.index(split)
    rng = random.Random(own_seed)
    number = pick(rng, _GROUP_COUNTS)
    for _ in range(_ROUNDS):
        plan = _draw_plan(number, rng)
        if plan_is_new(plan) != (split == "new_combinations"):
            continue
        scene = build(plan, own_seed, rng)
        if scene is not None and (split == "new_combinations" or not has_new_combination(scene)):
            return scene
    raise WorldError(f"no scene can be drawn from seed {seed}; take another seed")


def gallery(count: int, seed: int) -> Iterator[Scene]:
    """`count` scenes to show around, all of "new_scenes" and no two told by the same words.

    Neighbours differ in their settings, most scenes have several groups, and what flies is up while
    the rest stands on the ground. The same seed gives the same scenes.
    """
    number = seed * 1_000_003
    shown: set[tuple[object, ...]] = set()
    settings: deque[str] = deque(maxlen=len(world.SETTINGS) // 2)
    for turn in range(count):
        while True:
            number += 1
            scene = draw_scene(number, split="new_scenes")
            is_news = scene.setting not in settings and meaning(scene) not in shown
            if is_news and _is_down_to_earth(scene) and _is_rich(scene, turn):
                break
        shown.add(meaning(scene))
        settings.append(scene.setting)
        yield scene


def _draw_plan(number: int, rng: Rng) -> Plan:
    """A sound plan of `number` groups; every word is about as likely as its neighbours."""
    while True:
        relations = _draw_relations(number, rng)
        specs = tuple(_draw_spec(number, rng) for _ in range(number))
        for relation in relations:
            if relation.name == "inside":
                specs = _filled(specs, relation, rng)
            elif rng.random() < _SAME_KIND:
                specs = _of_one_kind(specs, relation)
        plan = Plan(pick(rng, world.SETTINGS), specs, relations)
        if is_sound(plan):
            return plan


def _draw_relations(number: int, rng: Rng) -> tuple[Relation, ...]:
    """One relation from group 0 to each other group; no two alike, and only the first is inside."""
    if number == 1:
        return ()
    names = [pick(rng, world.RELATIONS)]
    if number == 3:
        names.append(pick(rng, [n for n in world.RELATIONS if n not in (*names, "inside")]))
    return tuple(Relation(0, name, i) for i, name in enumerate(names, start=1))


def _draw_spec(number: int, rng: Rng) -> Spec:
    count = pick(rng, _COUNTS[number])
    sizes = world.SIZES if count < 3 else world.SIZES[:2]
    return Spec(pick(rng, world.KINDS), pick(rng, world.COLOURS), pick(rng, sizes), count)


def _filled(specs: tuple[Spec, ...], relation: Relation, rng: Rng) -> tuple[Spec, ...]:
    inner, outer = specs[relation.first], specs[relation.second]
    kind = inner.kind
    while kind in world.CONTAINERS:
        kind = pick(rng, world.KINDS)
    changed = list(specs)
    changed[relation.first] = Spec(kind, inner.colour, "small", 1)
    changed[relation.second] = Spec(pick(rng, world.CONTAINERS), outer.colour, "large", 1)
    return tuple(changed)


def _of_one_kind(specs: tuple[Spec, ...], relation: Relation) -> tuple[Spec, ...]:
    other = specs[relation.second]
    changed = list(specs)
    changed[relation.second] = Spec(
        specs[relation.first].kind, other.colour, other.size, other.count
    )
    return tuple(changed)


_RARE = 5
_IN_THE_SKY = frozenset({"balloon", "bird", "butterfly", "kite", "moon", "rocket", "star"})
_ANYWHERE = frozenset({"ball", "umbrella"})
_HORIZON = 0.6


def _is_rich(scene: Scene, turn: int) -> bool:
    """Whether there are several groups beside each other, which one turn in five may do without."""
    lonely = len(scene.groups) == 1 or scene.relations[0].name == "inside"
    return not lonely or turn % _RARE == 0


def _is_down_to_earth(scene: Scene) -> bool:
    """Whether what flies is up and what does not stands below the horizon."""
    inside = {r.first for r in scene.relations if r.name == "inside"}
    free = [g for i, g in enumerate(scene.groups) if i not in inside]
    flying = [g for g in free if g.kind in _IN_THE_SKY]
    standing = [g for g in free if g.kind not in _IN_THE_SKY | _ANYWHERE]
    return all(centre(g.box)[1] <= _HORIZON for g in flying) and all(
        g.box[3] >= _HORIZON for g in standing
    )
