"""Heat is drawn where the map says, over the whole picture whatever its shape."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from blipsearch.errors import ShapeError
from blipsearch.heatmap import (
    COLUMNS,
    LABEL,
    LARGEST,
    PANEL,
    WHOLE,
    draw_heat_map,
    heat_map_sheet,
    png_bytes,
)
from blipsearch.sheet import GAP, TITLE, TRACK

GREY = (90, 90, 90)


def picture(width: int = 240, height: int = 240) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def spot(row: int, column: int, grid: int = 6) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    heat = np.zeros((grid, grid), dtype=np.float32)
    heat[row, column] = 0.003
    return heat


def brightest(image: Image.Image) -> tuple[int, int]:
    """Row and column of the pixel that is brightest."""
    light = np.asarray(image.convert("L"))
    row, column = np.unravel_index(light.argmax(), light.shape)
    return int(row), int(column)


@pytest.mark.parametrize("size", [(240, 240), (300, 120), (60, 600)])
@pytest.mark.parametrize("place", [(0, 0), (1, 4), (5, 2), (3, 3)])
def test_the_brightest_place_is_in_the_hottest_patch(
    size: tuple[int, int], place: tuple[int, int]
) -> None:
    drawn = draw_heat_map(picture(*size), spot(*place))
    row, column = brightest(drawn)
    assert drawn.size == size
    assert (row * 6 // drawn.height, column * 6 // drawn.width) == place


def test_where_nothing_is_hot_the_picture_stays_as_it_is() -> None:
    cold = draw_heat_map(picture(), np.zeros((6, 6), dtype=np.float32))
    assert cold.getcolors() == [(240 * 240, GREY)]
    drawn = np.asarray(draw_heat_map(picture(), spot(0, 0)))
    assert (drawn[120:, 120:] == GREY).all()


def test_only_the_shares_of_heat_count_not_its_size() -> None:
    heat = np.random.default_rng(0).random((6, 6), dtype=np.float32)
    small = np.asarray(draw_heat_map(picture(), heat * np.float32(2**-20)))
    np.testing.assert_array_equal(small, np.asarray(draw_heat_map(picture(), heat)))


def test_a_large_picture_is_drawn_smaller_and_any_mode_as_rgb() -> None:
    large = Image.new("RGBA", (1600, 400), (10, 20, 30, 255))
    drawn = draw_heat_map(large, spot(2, 2))
    assert (drawn.size, drawn.mode) == ((LARGEST, 192), "RGB")


def test_a_caption_stands_below_the_picture() -> None:
    plain = draw_heat_map(picture(), spot(2, 2))
    captioned = draw_heat_map(picture(), spot(2, 2), caption="a dog " * 40)
    assert captioned.width == plain.width
    assert captioned.height > plain.height
    whole = np.asarray(captioned)
    np.testing.assert_array_equal(whole[:240], np.asarray(plain))
    assert whole[240:].std() > 0


def test_a_sheet_shows_the_whole_and_a_panel_for_each_word() -> None:
    places = [(0, 0), (5, 5), (2, 3), (4, 1), (1, 4)]
    maps = np.stack([spot(*place) for place in places])
    sheet = heat_map_sheet(picture(), list("abcde"), maps, spot(3, 3), "five letters", 0.9)
    whole = sheet.crop((GAP, TITLE, GAP + WHOLE, TITLE + WHOLE))
    row, column = brightest(whole)
    assert (row * 6 // WHOLE, column * 6 // WHOLE) == (3, 3)
    for number, place in enumerate(places):
        line, position = divmod(number, COLUMNS)
        x = 2 * GAP + WHOLE + position * (PANEL + GAP)
        y = TITLE + line * (PANEL + LABEL + GAP)
        row, column = brightest(sheet.crop((x, y, x + PANEL, y + PANEL)))
        assert (row * 6 // PANEL, column * 6 // PANEL) == place


def test_the_bar_under_a_word_says_how_hot_it_is_beside_the_hottest() -> None:
    maps = np.stack([spot(1, 1), spot(1, 1) / 4])
    sheet = np.asarray(heat_map_sheet(picture(), ["a", "b"], maps, spot(1, 1), "two", None))
    below = TITLE + PANEL + 7
    lengths = []
    for number in range(2):
        x = 2 * GAP + WHOLE + number * (PANEL + GAP)
        lengths.append(int((sheet[below, x : x + PANEL] != TRACK).any(axis=1).sum()))
    assert lengths[0] == PANEL
    assert lengths[1] == pytest.approx(PANEL / 4, abs=2)


def test_a_text_without_words_still_gives_a_sheet() -> None:
    empty = np.zeros((0, 6, 6), dtype=np.float32)
    sheet = heat_map_sheet(picture(), [], empty, spot(0, 0) * 0, "", 0.1)
    assert sheet.height >= TITLE + WHOLE


@pytest.mark.parametrize(
    "heat",
    [
        np.zeros(6, dtype=np.float32),
        np.zeros((0, 0), dtype=np.float32),
        np.full((2, 2), -1, dtype=np.float32),
        np.full((2, 2), np.nan, dtype=np.float32),
    ],
    ids=["flat", "empty", "negative", "nan"],
)
def test_what_is_no_map_is_refused(heat: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    with pytest.raises(ShapeError, match="heat is"):
        draw_heat_map(picture(), heat)


def test_a_sheet_needs_one_map_for_each_word() -> None:
    with pytest.raises(ShapeError, match="for 2 words"):
        heat_map_sheet(picture(), ["a", "b"], np.stack([spot(0, 0)]), spot(0, 0), "", None)


def test_a_sheet_becomes_a_png_file() -> None:
    with Image.open(io.BytesIO(png_bytes(picture()))) as read:
        assert (read.format, read.size) == ("PNG", (240, 240))
