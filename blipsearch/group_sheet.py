"""Contact sheets of groups: pictures that belong together side by side, each group by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

from blipsearch.contents import open_picture
from blipsearch.errors import ImageError
from blipsearch.places import Place
from blipsearch.sheet import (
    COLUMNS,
    FAINT,
    GAP,
    INK,
    LABEL,
    MAX_PIXELS,
    PAPER,
    TILE,
    TITLE,
    TRACK,
    fitted,
    font,
)

__all__ = ["MOST_GROUPS", "MOST_TILES", "Tile", "TileGroup", "group_sheet"]

logger = logging.getLogger(__name__)

HEADING = 44
MOST_GROUPS = 40
"""Groups drawn at most: more would give a picture that few programs open."""
MOST_TILES = 3 * COLUMNS
"""Pictures of a group drawn at most."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture to draw, and what is written below it: its name, and one more line in two parts."""

    place: Place
    name: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class TileGroup:
    """Pictures that belong together, the first one the most important, under a heading."""

    heading: str
    tiles: Sequence[Tile]


def group_sheet(title: str, groups: Sequence[TileGroup]) -> Image.Image:
    """Draw the groups below each other, `COLUMNS` pictures to a row, under a title.

    The first MOST_GROUPS are drawn, and the first MOST_TILES of each; the sheet says what is left
    out. A picture that cannot be read is an empty tile that says so. No groups give a sheet that
    says there are none.
    """
    drawn = groups[:MOST_GROUPS]
    rows = [-(-min(len(group.tiles), MOST_TILES) // COLUMNS) for group in drawn]
    columns = max((min(len(group.tiles), COLUMNS) for group in drawn), default=0)
    width = max(columns, 3) * (TILE + GAP) + GAP
    row_height = TILE + LABEL + GAP
    height = TITLE + sum(HEADING + count * row_height for count in rows) + GAP
    sheet = Image.new("RGB", (width, max(height, TITLE + HEADING + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    if len(groups) > len(drawn):
        title += f": the first {len(drawn)} of {len(groups):,}"
    draw.text((GAP, 18), fitted(draw, title, 28, width - 2 * GAP), INK, font(28))
    if not drawn:
        draw.text((GAP, TITLE), "there are none", FAINT, font(22))
    top = TITLE
    for group, count in zip(drawn, rows, strict=True):
        _draw_group(sheet, draw, top, group)
        top += HEADING + count * row_height
    return sheet


def _draw_group(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, group: TileGroup) -> None:
    draw.line((GAP, top, sheet.width - GAP, top), TRACK, 2)
    heading = group.heading
    if len(group.tiles) > MOST_TILES:
        heading += f": the first {MOST_TILES} of {len(group.tiles):,}"
    draw.text((GAP, top + 10), fitted(draw, heading, 20, sheet.width - 2 * GAP), INK, font(20))
    for position, tile in enumerate(group.tiles[:MOST_TILES]):
        row, column = divmod(position, COLUMNS)
        x = GAP + column * (TILE + GAP)
        _draw_tile(sheet, draw, (x, top + HEADING + row * (TILE + LABEL + GAP)), tile)


def _draw_tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], tile: Tile
) -> None:
    x, y = corner
    try:
        opened = open_picture(tile.place, max_pixels=MAX_PIXELS, network_size=TILE)
    except ImageError as error:
        logger.warning("not drawn: %s: %s", tile.place.address, error)
        draw.rectangle((x, y, x + TILE, y + TILE), fill=TRACK)
        draw.text((x + 12, y + TILE // 2), "cannot be read", FAINT, font(18))
    else:
        # Whole, not filling the tile: a copy that was cropped must look so.
        picture = ImageOps.contain(opened.image, (TILE, TILE))
        draw.rectangle((x, y, x + TILE, y + TILE), fill=TRACK)
        left, above = (TILE - picture.width) // 2, (TILE - picture.height) // 2
        sheet.paste(picture, (x + left, y + above))
    # The end of a path says more than its beginning.
    name = fitted(draw, tile.name[::-1], 16, TILE)[::-1]
    draw.text((x, y + TILE + 4), name, INK, font(16))
    draw.text((x, y + TILE + 24), tile.left, FAINT, font(15))
    edge = x + TILE - draw.textlength(tile.right, font(15))
    draw.text((edge, y + TILE + 24), tile.right, FAINT, font(15))
