"""The world's vocabulary and what of it is held out from training."""

import pytest

from blipsearch.errors import WorldError
from blipsearch.picturebook import world


def test_the_world_is_large_enough_to_be_told_about() -> None:
    assert len(set(world.KINDS)) >= 24
    assert len(set(world.COLOURS)) >= 10
    assert len(set(world.SETTINGS)) >= 8


def test_a_tenth_of_the_colour_kind_pairs_is_held_out() -> None:
    pairs = [(k, c) for k in world.KINDS for c in world.COLOURS if world.held_out(k, c)]
    assert len(pairs) == len(world.KINDS) * len(world.COLOURS) / 10


def test_every_kind_misses_one_colour_and_every_colour_misses_few_kinds() -> None:
    for kind in world.KINDS:
        assert sum(world.held_out(kind, colour) for colour in world.COLOURS) == 1
    for colour in world.COLOURS:
        assert 2 <= sum(world.held_out(kind, colour) for kind in world.KINDS) <= 3


def test_held_out_pairs_never_change() -> None:
    """Checkpoints are judged by these pairs long after they were trained."""
    for kind, colour in (("car", "green"), ("cat", "red"), ("house", "white"), ("boat", "black")):
        assert world.held_out(kind, colour)


@pytest.mark.parametrize("relation", world.RELATIONS)
def test_a_tenth_of_the_triples_of_each_relation_is_held_out(relation: str) -> None:
    others = world.CONTAINERS if relation == "inside" else world.KINDS
    firsts = [k for k in world.KINDS if relation != "inside" or k not in world.CONTAINERS]
    held_out = [world.held_out_relation(a, relation, b) for a in firsts for b in others]
    assert sum(held_out) / len(held_out) == pytest.approx(0.1, abs=0.005)


def test_a_triple_and_its_inverse_are_held_out_together() -> None:
    for relation, inverse in world.INVERSES.items():
        for a in world.KINDS:
            for b in world.KINDS:
                forth = world.held_out_relation(a, relation, b)
                assert forth == world.held_out_relation(b, inverse, a)


def test_unknown_names_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(WorldError, match="unknown kind 'unicorn'; choose one of apple"):
        world.held_out("unicorn", "red")
    with pytest.raises(ValueError, match="unknown colour 'mauve'"):
        world.held_out("cat", "mauve")
    with pytest.raises(WorldError, match="unknown relation 'near'"):
        world.held_out_relation("cat", "near", "dog")
