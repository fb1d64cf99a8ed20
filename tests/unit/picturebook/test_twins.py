"""Twins: scenes that differ from another in exactly one thing."""

import pytest

from blipsearch.errors import WorldError
from blipsearch.picturebook import Scene, draw_scene, full_caption, is_true, twin, world
from blipsearch.picturebook.composition import has_new_combination
from blipsearch.picturebook.scene import SPLITS


def twins(differs_in: str, split: str = "train") -> list[tuple[Scene, Scene]]:
    pairs = [(s := draw_scene(seed, split=split), twin(s, differs_in, seed)) for seed in range(200)]
    return [(scene, other) for scene, other in pairs if other is not None]


def differences(scene: Scene, other: Scene) -> dict[str, int]:
    """How many groups, relations and settings differ, by what."""
    groups = list(zip(scene.groups, other.groups, strict=True))
    return {
        "colour": sum(a.colour != b.colour for a, b in groups),
        "kind": sum(a.kind != b.kind for a, b in groups),
        "count": sum(a.count != b.count for a, b in groups),
        "size": sum(a.size != b.size for a, b in groups),
        "relation": sum(a != b for a, b in zip(scene.relations, other.relations, strict=True)),
        "setting": int(scene.setting != other.setting),
    }


@pytest.mark.parametrize("differs_in", world.DIFFERENCES)
def test_a_twin_differs_in_exactly_one_thing(differs_in: str) -> None:
    pairs = twins(differs_in)
    assert len(pairs) > 60
    for scene, other in pairs:
        changed = {name: n for name, n in differences(scene, other).items() if n}
        assert changed == {differs_in: 1}


@pytest.mark.parametrize("differs_in", world.DIFFERENCES)
def test_full_captions_of_twins_are_false_of_each_other(differs_in: str) -> None:
    for scene, other in twins(differs_in):
        assert not is_true(full_caption(scene), other)
        assert not is_true(full_caption(other), scene)
        assert is_true(full_caption(other), other)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("differs_in", world.DIFFERENCES)
def test_a_twin_stays_on_its_side_of_what_is_held_out(split: str, differs_in: str) -> None:
    for _, other in twins(differs_in, split):
        assert has_new_combination(other) == (split == "new_combinations")


@pytest.mark.parametrize("differs_in", ["colour", "setting"])
def test_what_a_change_does_not_touch_stays_in_its_place(differs_in: str) -> None:
    for scene, other in twins(differs_in):
        assert [thing.box for thing in scene.things] == [thing.box for thing in other.things]
        assert scene.seed == other.seed


def test_the_seed_chooses_among_the_twins() -> None:
    scene = draw_scene(4)
    found = {twin(scene, "colour", seed) for seed in range(20)}
    assert len(found) > 5
    assert twin(scene, "colour", 3) == twin(scene, "colour", 3)


def test_a_scene_of_one_group_has_no_twin_by_relation() -> None:
    lonely = next(s for s in map(draw_scene, range(100)) if len(s.groups) == 1)
    assert twin(lonely, "relation", 1) is None


def test_a_scene_of_single_things_has_no_twin_by_count() -> None:
    """One cat cannot become two: "a cat" is true of two cats as well."""
    single = next(s for s in map(draw_scene, range(100)) if all(g.count == 1 for g in s.groups))
    assert twin(single, "count", 1) is None


def test_an_unknown_difference_is_refused() -> None:
    with pytest.raises(WorldError, match="unknown difference 'size'; choose one of colour"):
        twin(draw_scene(1), "size", 1)
