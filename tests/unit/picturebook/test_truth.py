"""Truth: is_true against the places of things, worked out anew here."""

import pytest

from blipsearch.picturebook import Group, Scene, draw_scene, full_caption, is_true, world

Box = tuple[float, float, float, float]


def square(x: float, y: float, side: float = 0.2) -> Box:
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def group(kind: str, colour: str, *boxes: Box, size: str = "small") -> Group:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return Group(kind, colour, size, boxes, (min(x0), min(y0), max(x1), max(y1)))


def scene(*groups: Group, setting: str = "at night") -> Scene:
    return Scene(1, setting, groups, ())


CAR_AND_HOUSE = scene(
    group("car", "red", square(0.2, 0.5)),
    group("house", "blue", square(0.75, 0.55, 0.45), size="large"),
)


@pytest.mark.parametrize(
    ("caption", "truth"),
    [
        ("a car", True),
        ("a small red car", True),
        ("a large red car", False),
        ("a blue car", False),
        ("one car", True),
        ("two cars", False),
        ("a car at night", True),
        ("a car by the sea", False),
        ("a car and a house", True),
        ("a house and a red car at night", True),
        ("a car left of a house", True),
        ("a house right of a car", True),
        ("a house left of a car", False),
        ("a car above a house", False),
        ("a car next to a house", False),
        ("a car inside a house", False),
        ("a small red car left of a large blue house at night", True),
        ("a small red car left of a large blue car at night", False),
        ("a car left of a car", False),
        ("a car and a car", False),
    ],
)
def test_a_car_left_of_a_house(caption: str, *, truth: bool) -> None:
    assert is_true(caption, CAR_AND_HOUSE) is truth


BOATS = scene(
    group("boat", "red", square(0.2, 0.2), square(0.5, 0.2)),
    group("boat", "blue", square(0.35, 0.6)),
)


@pytest.mark.parametrize(
    ("caption", "truth"),
    [
        ("a red boat", True),
        ("two red boats", True),
        ("one red boat", False),
        ("three red boats", False),
        ("one blue boat", True),
        ("two boats", False),
        ("three boats", True),
        ("two red boats above a blue boat", True),
        ("a red boat above a blue boat", True),
        ("a blue boat below two red boats", True),
        ("a boat above a boat", True),
        ("three boats above a boat", False),
    ],
)
def test_two_red_boats_above_a_blue_one(caption: str, *, truth: bool) -> None:
    """Numbers are exact, "a" is at least one, and a group acts as one."""
    assert is_true(caption, BOATS) is truth


def test_what_lies_at_a_slant_is_neither_beside_nor_above() -> None:
    slanted = scene(group("cat", "red", square(0.2, 0.2)), group("dog", "red", square(0.6, 0.6)))
    for relation in world.RELATIONS:
        assert not is_true(f"a cat {relation} a dog", slanted)


def test_next_to_is_side_by_side_and_close_on_either_side() -> None:
    close = scene(group("cat", "red", square(0.3, 0.5)), group("dog", "red", square(0.54, 0.5)))
    assert is_true("a cat next to a dog", close)
    assert is_true("a dog next to a cat", close)
    assert is_true("a cat left of a dog", close)
    assert not is_true("a cat right of a dog", close)
    stacked = scene(group("cat", "red", square(0.5, 0.3)), group("dog", "red", square(0.5, 0.54)))
    assert not is_true("a cat next to a dog", stacked)


def test_inside_is_wholly_within() -> None:
    filled = scene(
        group("fish", "red", square(0.5, 0.5)),
        group("bowl", "blue", square(0.5, 0.5, 0.5), size="large"),
    )
    assert is_true("a fish inside a bowl", filled)
    assert not is_true("a bowl inside a fish", filled)
    half_out = scene(
        group("fish", "red", square(0.25, 0.5)), group("bowl", "blue", square(0.5, 0.5, 0.5))
    )
    assert not is_true("a fish inside a bowl", half_out)


def test_three_things_are_told_from_the_first() -> None:
    corner = scene(
        group("cat", "red", square(0.2, 0.2)),
        group("dog", "red", square(0.7, 0.2)),
        group("star", "red", square(0.2, 0.7)),
    )
    assert is_true("a cat left of a dog and above a star", corner)
    assert not is_true("a dog right of a cat and above a star", corner)
    assert not is_true("a cat left of a star and above a dog", corner)


def worked_out(a: Box, b: Box) -> set[str]:
    """All relations of a to b, from centres and edges."""
    dx = (b[0] + b[2] - a[0] - a[2]) / 2
    dy = (b[1] + b[3] - a[1] - a[3]) / 2
    apart_x = b[0] >= a[2] or a[0] >= b[2]
    apart_y = b[1] >= a[3] or a[1] >= b[3]
    found = set()
    if apart_x and abs(dx) >= 1.5 * abs(dy):
        found.add("left of" if dx > 0 else "right of")
        if min(abs(b[0] - a[2]), abs(a[0] - b[2])) <= 0.06:
            found.add("next to")
    if apart_y and abs(dy) >= 1.5 * abs(dx):
        found.add("above" if dy > 0 else "below")
    if a[0] >= b[0] and a[1] >= b[1] and a[2] <= b[2] and a[3] <= b[3]:
        found.add("inside")
    return found


def phrase(group: Group) -> str:
    if group.count > 1:
        plural = {"box": "boxes", "butterfly": "butterflies", "fish": "fish"}
        noun = plural.get(group.kind, group.kind + "s")
        return f"{('one', 'two', 'three')[group.count - 1]} {group.colour} {noun}"
    return f"{'an' if group.colour[0] in 'aeiou' else 'a'} {group.colour} {group.kind}"


def test_truth_follows_from_the_places_of_things() -> None:
    for seed in range(300):
        drawn = draw_scene(seed)
        for a in drawn.groups:
            for b in drawn.groups:
                if a is b:
                    continue
                true = {
                    r for r in world.RELATIONS if is_true(f"{phrase(a)} {r} {phrase(b)}", drawn)
                }
                assert true == worked_out(a.box, b.box)


def test_stated_relations_leave_no_doubt() -> None:
    """What is stated holds with a margin, and "next to" is well apart from "left of"."""
    for seed in range(300):
        drawn = draw_scene(seed)
        for relation in drawn.relations:
            a, b = drawn.groups[0].box, drawn.groups[relation.second].box
            gap = max(b[0] - a[2], a[0] - b[2])
            assert relation.name in worked_out(a, b)
            if relation.name in ("left of", "right of"):
                assert gap > 0.12
            if relation.name == "next to":
                assert gap < 0.05


def test_full_captions_say_the_right_number_size_colour_and_place() -> None:
    drawn = next(s for s in map(draw_scene, range(500)) if len(s.groups) == 3)
    told = full_caption(drawn)
    for g in drawn.groups:
        size = "" if g.size == "medium" else f"{g.size} "
        assert f"{size}{g.colour} {g.kind}" in told
    for relation in drawn.relations:
        assert f" {relation.name} " in told
    assert told.endswith(drawn.setting)
