"""Pictures: the same for the same scene, different for others, and true to the scene."""

import numpy as np
import numpy.typing as npt
import pytest

from blipsearch.errors import WorldError
from blipsearch.picturebook import Group, Scene, draw_scene, label_map, render, twin, world
from blipsearch.picturebook.drawings import DRAWINGS
from blipsearch.picturebook.layout import box_about

RED, GREEN, BLUE = 0, 1, 2


def pixels(scene: Scene, size: int = 96) -> npt.NDArray[np.int16]:
    return np.asarray(render(scene, size)).astype(np.int16)


def alone(kind: str, colour: str, setting: str = "in the rain", seed: int = 5) -> Scene:
    box = box_about(0.5, 0.5, 0.8, kind)
    return Scene(seed, setting, (Group(kind, colour, "large", (box,), box),), ())


@pytest.mark.parametrize("size", [96, 192, 384])
def test_a_scene_is_drawn_alike_every_time(size: int) -> None:
    scene = draw_scene(11)
    first, again = render(scene, size), render(scene, size)
    assert first.mode == "RGB"
    assert first.size == (size, size)
    assert first.tobytes() == again.tobytes()


def test_two_seeds_give_different_pictures_of_the_same_scene() -> None:
    one, other = pixels(alone("cat", "red", seed=1)), pixels(alone("cat", "red", seed=2))
    assert (np.abs(one - other).max(axis=2) > 8).mean() > 0.1


def test_no_two_scenes_look_alike() -> None:
    pictures = {render(draw_scene(seed), 48).tobytes() for seed in range(120)}
    assert len(pictures) == 120


def test_a_scene_looks_the_same_at_every_size() -> None:
    scene = draw_scene(3)
    small = render(scene, 96)
    large = render(scene, 384).reduce(4)
    difference = np.abs(np.asarray(small, np.int16) - np.asarray(large, np.int16))
    assert difference.mean() < 12


def test_every_kind_has_a_drawing() -> None:
    assert set(DRAWINGS) == set(world.KINDS)


@pytest.mark.parametrize("kind", world.KINDS)
def test_things_are_painted_within_their_boxes(kind: str) -> None:
    """Another colour changes the picture where the thing is, and nearly all over its box."""
    box = box_about(0.5, 0.5, 0.4, kind)
    there = Scene(5, "on snow", (Group(kind, "blue", "large", (box,), box),), ())
    other_colour = Scene(5, "on snow", (Group(kind, "red", "large", (box,), box),), ())
    changed = np.abs(pixels(there, 192) - pixels(other_colour, 192)).max(axis=2) > 30
    rows, columns = np.nonzero(changed)
    margin = 0.03
    assert columns.min() / 192 >= box[0] - margin
    assert columns.max() / 192 <= box[2] + margin
    assert rows.min() / 192 >= box[1] - margin
    assert rows.max() / 192 <= box[3] + margin
    width, height = (columns.max() - columns.min()) / 192, (rows.max() - rows.min()) / 192
    assert width > 0.6 * (box[2] - box[0])
    assert height > 0.35 * (box[3] - box[1])


@pytest.mark.parametrize("kind", world.KINDS)
def test_the_colour_of_a_thing_is_plain_to_see(kind: str) -> None:
    """Red things are mostly redder, green greener and blue bluer than the others."""
    shown = {c: pixels(alone(kind, c)).mean(axis=(0, 1)) for c in ("red", "green", "blue")}
    assert max(shown, key=lambda c: shown[c][RED] - shown[c][GREEN]) == "red"
    assert max(shown, key=lambda c: shown[c][GREEN] - shown[c][RED]) == "green"
    assert max(shown, key=lambda c: shown[c][BLUE] - shown[c][RED]) == "blue"


@pytest.mark.parametrize("setting", world.SETTINGS)
@pytest.mark.parametrize("colour", world.COLOURS)
def test_every_colour_stands_out_from_every_setting(colour: str, setting: str) -> None:
    """A paper edge and an ink line part a thing from what is behind it."""
    box = box_about(0.5, 0.5, 0.4, "apple")
    thing = pixels(Scene(9, setting, (Group("apple", colour, "large", (box,), box),), ()), 192)
    row = thing[96].sum(axis=1)
    edge = row[int(192 * (box[0] - 0.04)) : int(192 * (box[0] + 0.05))]
    assert edge.max() - edge.min() > 200


def test_twins_by_colour_differ_only_where_the_thing_is() -> None:
    scene = draw_scene(12)
    other = twin(scene, "colour", 1)
    assert other is not None
    changed = np.abs(pixels(scene) - pixels(other)).max(axis=2) > 0
    shown = np.zeros((96, 96), bool)
    for a, b in zip(scene.things, other.things, strict=True):
        if a.colour != b.colour:
            x0, y0, x1, y1 = (round(96 * edge) for edge in a.box)
            shown[max(0, y0 - 3) : y1 + 3, max(0, x0 - 3) : x1 + 3] = True
    assert changed.any()
    assert not (changed & ~shown).any()


@pytest.mark.parametrize("grid", [8, 12, 24])
def test_the_label_map_points_to_the_thing_that_covers_a_cell(grid: int) -> None:
    for seed in range(100):
        scene = draw_scene(seed)
        labels = label_map(scene, grid)
        assert labels.shape == (grid, grid)
        assert labels.dtype == np.int64
        things = scene.things
        assert set(np.unique(labels)) == {-1, *range(len(things))}
        for row, column in np.argwhere(labels >= 0):
            x0, y0, x1, y1 = things[labels[row, column]].box
            assert x0 < (column + 1) / grid
            assert x1 > column / grid
            assert y0 < (row + 1) / grid
            assert y1 > row / grid


def test_the_label_map_shows_what_is_inside_and_not_what_is_behind_it() -> None:
    scene = next(
        s for s in map(draw_scene, range(100)) if s.relations and s.relations[0].name == "inside"
    )
    x0, y0, x1, y1 = scene.groups[0].box
    row, column = int(24 * (y0 + y1) / 2), int(24 * (x0 + x1) / 2)
    assert label_map(scene, 24)[row, column] == 0


def test_empty_cells_show_the_setting() -> None:
    labels = label_map(alone("star", "red"), 8)
    assert labels[0, 0] == -1
    assert labels[4, 4] == 0


def test_a_picture_too_small_to_show_anything_is_refused() -> None:
    with pytest.raises(WorldError, match="at least 16 pixels wide, not 8"):
        render(draw_scene(1), 8)
