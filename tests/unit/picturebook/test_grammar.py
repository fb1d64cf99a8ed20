"""Captions: what is written, what is read back, and what is refused."""

import random
import re

import pytest

from blipsearch.errors import WorldError
from blipsearch.picturebook import (
    WORDS,
    captions,
    draw_scene,
    false_captions,
    full_caption,
    is_true,
    parse,
    questions,
    unambiguous,
    world,
)
from blipsearch.picturebook.grammar import Claim, Phrase, write

SCENES = [draw_scene(seed) for seed in range(300)]


def test_captions_are_true() -> None:
    rng = random.Random(1)
    for scene in SCENES:
        assert all(is_true(caption, scene) for caption in captions(scene, rng))


def test_captions_go_from_terse_to_full_without_repeating_themselves() -> None:
    rng = random.Random(2)
    for scene in SCENES:
        told = captions(scene, rng)
        assert told[-1] == full_caption(scene)
        assert len(set(told)) == len(told) >= 3
        assert max(len(text.split()) for text in told) == len(told[-1].split())


def test_false_captions_are_false_and_their_originals_true() -> None:
    rng = random.Random(3)
    for scene in SCENES:
        for false in false_captions(scene, rng):
            assert not is_true(false.text, scene)
            assert is_true(false.original, scene)


def changes(false: Claim, original: Claim) -> set[str]:
    """In what two claims differ, told by the parser and not by who wrote them."""
    pairs = list(zip(false.phrases, original.phrases, strict=True))
    found = {
        "colour": any(a.colour != b.colour for a, b in pairs),
        "kind": any(a.kind != b.kind for a, b in pairs),
        "count": any(a.number != b.number for a, b in pairs),
        "size": any(a.size != b.size for a, b in pairs),
        "relation": false.relations != original.relations,
        "setting": false.setting != original.setting,
    }
    return {name for name, differs in found.items() if differs}


def test_false_captions_differ_from_their_originals_in_what_they_say() -> None:
    rng = random.Random(4)
    seen = set()
    for scene in SCENES:
        for false in false_captions(scene, rng):
            wrong, right = parse(false.text), parse(false.original)
            turned_round = wrong.phrases == right.phrases[::-1] != right.phrases
            if false.differs_in == "relation" and turned_round:
                assert wrong.relations == right.relations
            else:
                assert changes(wrong, right) == {false.differs_in}
            seen.add(false.differs_in)
    assert seen == set(world.DIFFERENCES)


def test_every_difference_the_full_caption_allows_is_made_from_it() -> None:
    rng = random.Random(5)
    for scene in SCENES:
        full = full_caption(scene)
        made = {f.differs_in for f in false_captions(scene, rng) if f.original == full}
        assert made >= {"colour", "kind", "count", "setting"}
        assert ("relation" in made) == bool(scene.relations)


def test_scenery_is_not_claimed_to_be_missing() -> None:
    """A forest shows trees: "a tree in a forest" is no false caption of any scene there."""
    rng = random.Random(6)
    for scene in SCENES:
        for false in false_captions(scene, rng):
            claim = parse(false.text)
            setting = claim.setting or scene.setting
            assert not {p.kind for p in claim.phrases} & world.scenery_of(setting)


def test_what_is_written_is_read_back_the_same() -> None:
    rng = random.Random(7)
    for scene in SCENES:
        for caption in captions(scene, rng):
            assert write(parse(caption)) == caption


def test_words_are_all_there_lower_case_and_without_punctuation() -> None:
    rng = random.Random(8)
    used = set()
    for scene in SCENES:
        texts = captions(scene, rng) + [false.text for false in false_captions(scene, rng)]
        texts += [t for qa in questions(scene, rng) for t in (qa.question, qa.answer)]
        assert all(re.fullmatch(r"[a-z]+( [a-z]+)*", text) for text in texts)
        used |= {word for text in texts for word in text.split()}
    assert used <= set(WORDS)
    assert len(set(WORDS)) == len(WORDS)


def test_captions_follow_from_scene_and_chance_alone() -> None:
    for scene in SCENES[:20]:
        assert captions(scene, random.Random(9)) == captions(scene, random.Random(9))
        assert false_captions(scene, random.Random(9)) == false_captions(scene, random.Random(9))
        assert questions(scene, random.Random(9)) == questions(scene, random.Random(9))


def test_a_caption_is_read_into_phrases_relations_and_setting() -> None:
    claim = parse("two small red boats left of an orange house and above a star at night")
    assert claim == Claim(
        (Phrase("boat", "red", "small", 2), Phrase("house", "orange"), Phrase("star")),
        ("left of", "above"),
        "at night",
    )


def test_fish_are_fish_however_many() -> None:
    assert parse("three blue fish").phrases == (Phrase("fish", "blue", None, 3),)
    assert parse("a blue fish").phrases == (Phrase("fish", "blue"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "red car",
        "a red",
        "a cars",
        "two car",
        "four cars",
        "an car",
        "a apple",
        "a car red",
        "a red big car",
        "a car near a house",
        "a car left a house",
        "a car left of",
        "a car and",
        "a car left of a house above a star",
        "a car at night at night",
        "a car at night left of a house",
        "A red car",
        "a red car.",
        "at night",
    ],
)
def test_text_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(WorldError, match="is no caption of the picture-book world"):
        parse(text)


def test_text_outside_the_grammar_is_neither_true_nor_false() -> None:
    with pytest.raises(ValueError, match="'unicorn' is not expected there"):
        is_true("a red unicorn", SCENES[0])


def test_unambiguous_scenes_have_one_right_picture_for_each_full_caption() -> None:
    kept = list(unambiguous(SCENES))
    assert len(kept) > 250
    for scene in kept[:60]:
        assert [other for other in kept if is_true(full_caption(scene), other)] == [scene]
