"""Training data: what a group holds is true."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertTokenizer

from blipsearch.blip.pretraining import groups
from blipsearch.blip.pretraining.batches import make_batch, random_batches
from blipsearch.blip.pretraining.evaluation import related_scenes
from blipsearch.blip.pretraining.groups import (
    GROUP_SIZE,
    Group,
    draw_group,
    load_group,
    save_group,
    write_groups,
)
from blipsearch.blip.pretraining.vocabulary import (
    make_vocabulary,
    open_tokenizer,
    save_tokenizer,
)
from blipsearch.picturebook import grammar, world
from blipsearch.picturebook.scene import draw_scene

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizer:
    directory = tmp_path_factory.mktemp("work") / "tokenizer"
    save_tokenizer(make_vocabulary(grammar.WORDS), directory)
    return open_tokenizer(directory)


@pytest.fixture(scope="module")
def group(tokenizer: BertTokenizer) -> Group:
    return draw_group(3, 32, 8, tokenizer.encode, "train")


def test_a_group_is_the_same_every_time(group: Group, tokenizer: BertTokenizer) -> None:
    again = draw_group(3, 32, 8, tokenizer.encode, "train")
    np.testing.assert_array_equal(group.pixels, again.pixels)
    np.testing.assert_array_equal(group.texts, again.texts)


def test_the_texts_of_a_picture_are_true_or_false_of_it_as_their_kind_says(group: Group) -> None:
    own = group.truth[np.arange(len(group.texts)), group.text_image]
    np.testing.assert_array_equal(own, group.text_kind < 2)
    assert (np.bincount(group.text_image[group.text_kind == 0]) == 1).all()
    assert set(group.text_kind) == set(range(2 + len(world.DIFFERENCES)))


def test_most_pictures_have_a_twin_in_their_group() -> None:
    scenes = list(groups._related_scenes(3, "train", random.Random(0)))
    families = Counter(scene.seed for scene in scenes)
    assert len(scenes) == GROUP_SIZE
    assert sum(families[scene.seed] > 1 for scene in scenes) > GROUP_SIZE / 2


def test_no_text_has_an_unknown_word(group: Group) -> None:
    for rows in (group.texts, group.questions, group.answers):
        assert (rows != 100).all()
        assert (rows[:, 0] == 101).all()


def test_facts_are_known_where_a_thing_is_and_only_there(group: Group) -> None:
    shown = group.patches[..., 0] > 0
    assert 0.05 < shown.mean() < 0.7
    assert (group.patches[shown][:, :4] > 0).all()
    assert (group.patches[~shown] == 0).all()


def test_a_batch_has_the_full_caption_another_and_two_false_ones_of_every_picture(
    group: Group,
) -> None:
    batch = make_batch(group, np.random.default_rng(0), CPU)
    for picture in range(GROUP_SIZE):
        kinds = batch.text_kind[batch.text_image == picture]
        assert (int((kinds == 0).sum()), int((kinds > 1).sum())) == (1, 2)
    assert batch.truth.shape == (len(batch.texts), GROUP_SIZE)
    assert batch.captions.shape[0] == GROUP_SIZE
    assert batch.pixels.shape == (GROUP_SIZE, 3, 32, 32)


def test_batches_take_new_groups_first(group: Group, tmp_path: Path) -> None:
    save_group(group, tmp_path / "0.npz")
    batches = random_batches(tmp_path, 0, CPU)
    next(batches)
    other = load_group(tmp_path / "0.npz")
    other.pixels[:] = 0
    save_group(other, tmp_path / "1.npz")
    assert torch.unique(next(batches).pixels).numel() == 3


def test_a_writer_leaves_out_what_is_there(
    tokenizer: BertTokenizer, group: Group, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    save_group(group, tmp_path / "data" / "000000.npz")
    before = (tmp_path / "data" / "000000.npz").stat().st_mtime_ns
    write_groups(range(2), 32, 8, tmp_path)
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["000000.npz", "000001.npz"]
    assert (tmp_path / "data" / "000000.npz").stat().st_mtime_ns == before


def test_a_test_set_has_distinct_captions_and_twins_of_every_difference() -> None:
    scenes = related_scenes("new_scenes", 40, 7)
    captions = [grammar.full_caption(scene) for scene in scenes]
    assert len(set(captions)) == len(scenes) == 40
    pairs = list(zip(scenes[::2], scenes[1::2], strict=True))
    assert all(a.seed == b.seed for a, b in pairs)
    assert any(a.setting != b.setting for a, b in pairs)


@pytest.mark.parametrize(("name", "seen"), [("left of", "right of"), ("next to", "next to")])
def test_a_relation_is_told_from_the_side_of_each_thing(name: str, seen: str) -> None:
    scenes = (draw_scene(seed) for seed in range(1000))
    scene = next(s for s in scenes if len(s.groups) == 2 and s.relations[0].name == name)
    facts = groups.facts_of(scene)
    numbers = world.RELATIONS.index(name) + 1, world.RELATIONS.index(seen) + 1
    assert (facts[0][4], facts[-1][4]) == numbers
