"""Contact sheets show the hits in order with their scores."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blipsearch.errors import SourceError
from blipsearch.schemas import Hit
from blipsearch.sheet import GAP, PAPER, TILE, TITLE, contact_sheet, save_sheet


def hit(match: float | None = 0.9) -> Hit:
    return Hit(id=1, match=match, score=1.0, cosine=0.5, source="s", path="p", width=8, height=8)


def solid(folder: Path, name: str, colour: tuple[int, int, int]) -> str:
    path = folder / f"{name}.png"
    Image.new("RGB", (300, 300), colour).save(path)
    return str(path)


def test_tiles_stand_in_the_order_of_the_hits_five_to_a_row(tmp_path: Path) -> None:
    colours = [(200, 10 * number, 40) for number in range(7)]
    files = [solid(tmp_path, str(number), colour) for number, colour in enumerate(colours)]

    sheet = np.asarray(contact_sheet("a red square", [hit()] * 7, files))

    row_height = TILE + 44 + GAP
    for number, colour in enumerate(colours):
        row, column = divmod(number, 5)
        x = GAP + column * (TILE + GAP) + TILE // 2
        y = TITLE + row * row_height + TILE // 2
        assert tuple(sheet[y, x]) == colour


def test_no_hits_give_a_sheet_that_is_not_blank() -> None:
    sheet = contact_sheet("a unicorn", [], [])

    colours = sheet.getcolors(1 << 24)
    assert colours is not None
    assert {colour for _, colour in colours} > {PAPER}


def test_a_file_that_cannot_be_read_leaves_its_tile_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sheet = contact_sheet("a red square", [hit(None)], [str(tmp_path / "gone.png")])

    assert sheet.width > TILE
    assert "gone.png" in caplog.text


def test_a_long_query_is_cut_to_the_width_of_the_sheet(tmp_path: Path) -> None:
    sheet = np.asarray(contact_sheet("very " * 100, [hit()], [solid(tmp_path, "a", (1, 2, 3))]))

    assert (sheet[:TITLE, -GAP // 2 :] == PAPER).all()


def test_a_suffix_that_names_no_format_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"name a \.jpg or \.png file"):
        save_sheet(Image.new("RGB", (8, 8)), tmp_path / "sheet.nonsense")
