"""Contact sheets: the hits of a query drawn side by side, each with its match and cosine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from blipsearch.errors import ImageError, SourceError
from blipsearch.images import open_image
from blipsearch.strip import Shown

__all__ = ["contact_sheet", "draw_match_bar", "fitted", "font", "save_sheet"]

logger = logging.getLogger(__name__)

TILE = 240
GAP = 16
LABEL = 44
TITLE = 64
COLUMNS = 5
BAR = 6

PAPER = (250, 249, 246)
INK = (33, 37, 41)
FAINT = (134, 142, 150)
TRACK = (222, 226, 230)
GOOD = (47, 158, 68)
FAIR = (240, 140, 0)
POOR = (201, 42, 42)

MAX_PIXELS = 200_000_000


def contact_sheet(query: str, hits: Sequence[Shown], files: Sequence[str | bytes]) -> Image.Image:
    """Draw the hits in order, `COLUMNS` to a row, under the query as a title.

    `files` are the hits' image files, in the same order, as paths or bytes; one that cannot be read
    is drawn as an empty tile that says so. No hits give a sheet that says nothing matches.
    """
    columns = max(1, min(COLUMNS, len(hits)))
    rows = max(1, -(-len(hits) // COLUMNS))
    width = max(columns * (TILE + GAP) + GAP, 3 * (TILE + GAP) + GAP)
    sheet = Image.new("RGB", (width, TITLE + rows * (TILE + LABEL + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 18), fitted(draw, query, 28, width - 2 * GAP), INK, font(28))
    if not hits:
        draw.text((GAP, TITLE + GAP), "nothing matches", FAINT, font(22))
    for position, (hit, file) in enumerate(zip(hits, files, strict=True)):
        row, column = divmod(position, COLUMNS)
        corner = (GAP + column * (TILE + GAP), TITLE + row * (TILE + LABEL + GAP))
        _draw_hit(sheet, draw, corner, hit, file)
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write the sheet in the format its suffix names (.jpg, .png, .webp).

    Raises SourceError when the suffix is none of Pillow's or the folder cannot be written.
    """
    try:
        sheet.save(path, quality=90)
    except (ValueError, OSError) as error:
        raise SourceError(
            f"the contact sheet cannot be written to {path}: {error}; "
            "name a .jpg or .png file in a folder that exists"
        ) from error


def _draw_hit(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    hit: Shown,
    file: str | bytes,
) -> None:
    x, y = corner
    try:
        opened = open_image(file, max_pixels=MAX_PIXELS, network_size=TILE)
        sheet.paste(ImageOps.fit(opened.image, (TILE, TILE)), corner)
    except ImageError as error:
        logger.warning("not drawn: %s: %s", hit.path if isinstance(file, bytes) else file, error)
        draw.rectangle((x, y, x + TILE, y + TILE), fill=TRACK)
        draw.text((x + 12, y + TILE // 2), "cannot be read", FAINT, font(18))
    label = y + TILE + 4
    if hit.match is None:
        draw.text((x, label + 8), f"cosine {hit.cosine:.3f}", INK, font(16))
        return
    draw_match_bar(draw, (x, label), TILE, hit.match)
    draw.text((x, label + 12), f"{hit.match:.0%} match", INK, font(18))
    cosine = f"cosine {hit.cosine:.3f}"
    draw.text((x + TILE - draw.textlength(cosine, font(15)), label + 14), cosine, FAINT, font(15))


def draw_match_bar(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], width: int, match: float
) -> None:
    """Draw a match as a bar `BAR` pixels high, its colour saying whether it is one."""
    x, y = corner
    colour = GOOD if match >= 0.5 else FAIR if match >= 0.1 else POOR
    draw.rectangle((x, y, x + width, y + BAR), fill=TRACK)
    draw.rectangle((x, y, x + round(width * match), y + BAR), fill=colour)


def fitted(draw: ImageDraw.ImageDraw, text: str, size: int, width: float) -> str:
    """Return the text, cut with an ellipsis where it is wider than `width` pixels."""
    if draw.textlength(text, font(size)) <= width:
        return text
    while text and draw.textlength(text + "...", font(size)) > width:
        text = text[:-1]
    return text + "..."


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of all sheets in this size."""
    return ImageFont.load_default(size)
