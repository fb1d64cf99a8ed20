"""Scenes by number: their splits, their rules and the gallery."""

from itertools import combinations

import pytest

from blipsearch.errors import WorldError
from blipsearch.picturebook import Scene, draw_scene, full_caption, gallery, world
from blipsearch.picturebook.scene import SPLITS, meaning

SPANS = {"small": (0.19, 0.23), "medium": (0.3, 0.34), "large": (0.42, 0.53)}


def scenes(split: str = "train", count: int = 300) -> list[Scene]:
    return [draw_scene(seed, split=split) for seed in range(count)]


@pytest.mark.parametrize("split", SPLITS)
def test_the_same_number_gives_the_same_scene(split: str) -> None:
    assert scenes(split, 40) == scenes(split, 40)


def test_seeds_of_different_splits_never_meet() -> None:
    seeds = [{scene.seed for scene in scenes(split)} for split in SPLITS]
    assert len(set().union(*seeds)) == 3 * 300


def held_out_pairs(scene: Scene) -> bool:
    return any(world.held_out(thing.kind, thing.colour) for thing in scene.things)


def held_out_triples(scene: Scene) -> bool:
    groups = scene.groups
    return any(
        world.held_out_relation(groups[r.first].kind, r.name, groups[r.second].kind)
        for r in scene.relations
    )


@pytest.mark.parametrize("split", ["train", "new_scenes"])
def test_what_is_held_out_is_neither_trained_nor_in_new_scenes(split: str) -> None:
    for scene in scenes(split, 1000):
        assert not held_out_pairs(scene)
        assert not held_out_triples(scene)


def test_no_pair_of_groups_in_training_stands_in_a_held_out_relation_unsaid() -> None:
    """Two groups of which no relation is stated may still be left and right of each other."""
    for scene in scenes("train", 1000):
        for a, b in combinations(scene.groups, 2):
            if a.box[2] <= b.box[0] and abs(a.box[1] - b.box[1]) + abs(a.box[3] - b.box[3]) < 0.02:
                assert not world.held_out_relation(a.kind, "left of", b.kind)


def test_every_scene_of_new_combinations_shows_something_held_out() -> None:
    found = [(held_out_pairs(s), held_out_triples(s)) for s in scenes("new_combinations", 500)]
    assert all(pair or triple for pair, triple in found)
    assert sum(pair for pair, _ in found) > 100
    assert sum(triple for _, triple in found) > 100


def test_things_lie_in_the_picture_at_the_size_that_is_told() -> None:
    for scene in scenes():
        for thing in scene.things:
            x0, y0, x1, y1 = thing.box
            assert min(thing.box) >= 0
            assert max(thing.box) <= 1
            low, high = SPANS[thing.size]
            assert low <= max(x1 - x0, y1 - y0) <= high


def test_things_overlap_only_where_one_is_inside_of_another() -> None:
    for scene in scenes():
        inside = {(r.first, r.second) for r in scene.relations if r.name == "inside"}
        for a, b in combinations(scene.things, 2):
            if (a.group, b.group) in inside:
                continue
            sideways = max(b.box[0] - a.box[2], a.box[0] - b.box[2])
            upright = max(b.box[1] - a.box[3], a.box[1] - b.box[3])
            assert max(sideways, upright) > 0


def test_what_is_inside_lies_within_a_container() -> None:
    found = 0
    for scene in scenes():
        for relation in scene.relations:
            if relation.name == "inside":
                inner, outer = scene.groups[relation.first], scene.groups[relation.second]
                assert outer.kind in world.CONTAINERS
                assert inner.box[0] > outer.box[0]
                assert inner.box[1] > outer.box[1]
                assert inner.box[2] < outer.box[2]
                assert inner.box[3] < outer.box[3]
                found += 1
    assert found > 10


def test_scenery_is_never_a_thing_of_its_setting() -> None:
    for scene in scenes(count=1000):
        assert not {thing.kind for thing in scene.things} & world.scenery_of(scene.setting)


def test_all_words_of_the_world_come_up() -> None:
    drawn = scenes(count=1000)
    things = [thing for scene in drawn for thing in scene.things]
    assert {thing.kind for thing in things} == set(world.KINDS)
    assert {thing.colour for thing in things} == set(world.COLOURS)
    assert {thing.size for thing in things} == set(world.SIZES)
    assert {scene.setting for scene in drawn} == set(world.SETTINGS)
    assert {r.name for scene in drawn for r in scene.relations} == set(world.RELATIONS)
    assert {len(scene.groups) for scene in drawn} == {1, 2, 3}
    assert {group.count for scene in drawn for group in scene.groups} == {1, 2, 3}


def test_no_two_groups_of_a_scene_agree_in_kind_and_colour() -> None:
    for scene in scenes(count=1000):
        told = [(group.kind, group.colour) for group in scene.groups]
        assert len(set(told)) == len(told)


def test_an_unknown_split_and_a_negative_seed_are_refused() -> None:
    with pytest.raises(WorldError, match="unknown split 'test'; choose one of train"):
        draw_scene(1, split="test")
    with pytest.raises(ValueError, match="the seed must be 0 or more, not -1"):
        draw_scene(-1)


def test_the_gallery_is_varied_and_repeatable() -> None:
    shown = list(gallery(60, 20))
    assert shown == list(gallery(60, 20))
    assert shown != list(gallery(60, 21))
    assert len({full_caption(scene) for scene in shown}) == 60
    assert {scene.setting for scene in shown} == set(world.SETTINGS)


def test_the_gallery_shows_nothing_held_out() -> None:
    for scene in gallery(60, 3):
        assert not held_out_pairs(scene)
        assert not held_out_triples(scene)


def test_equal_meaning_and_equal_full_captions_go_together() -> None:
    drawn = scenes(count=2000)
    by_meaning = {meaning(scene): full_caption(scene) for scene in drawn}
    by_caption = {full_caption(scene): meaning(scene) for scene in drawn}
    assert len(by_meaning) == len(by_caption)
