"""Contact sheets of groups show each group by itself, the whole of each picture."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blipsearch.group_sheet import HEADING, MOST_GROUPS, MOST_TILES, Tile, TileGroup, group_sheet
from blipsearch.places import Place
from blipsearch.sheet import COLUMNS, GAP, LABEL, PAPER, TILE, TITLE, TRACK

COLOUR = (200, 30, 40)


def tile(folder: Path, size: tuple[int, int] = (300, 300)) -> Tile:
    name = f"{size[0]}x{size[1]}.png"
    Image.new("RGB", size, COLOUR).save(folder / name)
    return Tile(Place("folder", str(folder), name), name, "left", "right")


def test_groups_stand_below_each_other_with_their_pictures_side_by_side(tmp_path: Path) -> None:
    one = tile(tmp_path)
    sheet = np.asarray(
        group_sheet("copies", [TileGroup("first", [one] * 2), TileGroup("second", [one] * 7)])
    )
    row = TILE + LABEL + GAP
    for top, count in ((TITLE, 2), (TITLE + HEADING + row, 7)):
        for position in range(count):
            y = top + HEADING + position // COLUMNS * row + TILE // 2
            x = GAP + position % COLUMNS * (TILE + GAP) + TILE // 2
            assert tuple(sheet[y, x]) == COLOUR


def test_a_picture_is_shown_whole(tmp_path: Path) -> None:
    """What was cropped must look so: nothing is cut off to fill the tile."""
    sheet = np.asarray(group_sheet("copies", [TileGroup("one", [tile(tmp_path, (400, 100))] * 2)]))
    y, x = TITLE + HEADING, GAP
    assert tuple(sheet[y + TILE // 2, x + TILE // 2]) == COLOUR
    assert tuple(sheet[y + 10, x + TILE // 2]) == TRACK


def test_no_groups_give_a_sheet_that_is_not_blank() -> None:
    sheet = group_sheet("copies", [])
    colours = sheet.getcolors(1 << 24)
    assert colours is not None
    assert {colour for _, colour in colours} > {PAPER}


def test_a_picture_that_is_gone_leaves_its_tile_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Tile(Place("folder", str(tmp_path), "gone.png"), "gone.png", "", "")
    with caplog.at_level(logging.WARNING):
        group_sheet("copies", [TileGroup("one", [one, one])])
    assert "gone.png" in caplog.text


def test_the_sheet_stays_of_a_size_that_programs_open(tmp_path: Path) -> None:
    one = tile(tmp_path, (8, 8))
    sheet = group_sheet("copies", [TileGroup("one", [one] * (MOST_TILES + 1))] * (MOST_GROUPS + 1))
    assert sheet.height < 65_500  # of a JPEG
