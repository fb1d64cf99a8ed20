"""Heat maps drawn over their pictures: one by one, and as a sheet with a panel for each word."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from blipsearch.errors import ShapeError
from blipsearch.sheet import BAR, FAINT, GAP, INK, PAPER, TITLE, TRACK, draw_match_bar, fitted, font

__all__ = ["LARGEST", "draw_heat_map", "heat_map_sheet", "png_bytes"]

Floats = npt.NDArray[np.float32]

LARGEST = 768
"""No drawn picture has a longer side."""
WHOLE, PANEL = 400, 184
"""The sides of the squares that the whole map and a word's panel fit into."""
COLUMNS = 4
LABEL = 36
CAPTION = 28

INFERNO = np.array(
    [
        *((0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85)),
        *((227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164)),
    ],
    dtype=np.float32,
)
"""Every 32nd colour, and the last, of matplotlib's `inferno`, whose lightness rises evenly (by
N. Smith and S. van der Walt, 2015, CC0); colours between them are mixed."""

OPACITY = 0.85
SPREAD = 0.7
"""The colour's share of a pixel is heat ** 0.7, as the authors of ALBEF draw it, and never all."""


def draw_heat_map(picture: Image.Image, heat: Floats, *, caption: str | None = None) -> Image.Image:
    """Return the picture, its longer side at most 768 pixels, with the heat laid over it.

    `heat` (rows, cols) float32, 0 or more, covers the whole picture whatever its shape; the hottest
    place gets the brightest colour, heat of 0 leaves the picture as it is. `caption` is a line
    below.

    Raises ShapeError for heat of another shape, or below 0, or not finite.
    """
    drawn = _overlay(picture, heat, min(LARGEST, max(picture.size)))
    if caption is None:
        return drawn
    sheet = Image.new("RGB", (drawn.width, drawn.height + CAPTION), PAPER)
    sheet.paste(drawn)
    _write(ImageDraw.Draw(sheet), (6, drawn.height + 4), caption, 16, drawn.width - 12)
    return sheet


def heat_map_sheet(
    picture: Image.Image,
    words: Sequence[str],
    maps: Floats,
    overall: Floats,
    title: str,
    match: float | None,
) -> Image.Image:
    """Return a sheet: the overall map under the title and the match, and a panel for each word.

    `maps` (words, rows, cols) and `overall` (rows, cols) are float32, 0 or more. Each map has its
    own scale, so that every word shows where it looks; the bar under a word says how hot its
    hottest place is beside that of the hottest word.

    Raises ShapeError where maps are not one a word, and what `draw_heat_map` raises.
    """
    if maps.ndim != 3 or len(maps) != len(words):
        raise ShapeError(f"maps are (words, rows, cols), not {maps.shape} for {len(words)} words")
    columns, rows = min(COLUMNS, len(words)), -(-len(words) // COLUMNS)
    width = GAP + WHOLE + GAP + max(1, columns) * (PANEL + GAP)
    height = TITLE + max(WHOLE + LABEL, rows * (PANEL + LABEL + GAP)) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (GAP, 18), title, 28, width - 2 * GAP)
    whole = _overlay(picture, overall, WHOLE)
    sheet.paste(whole, (GAP, TITLE))
    if match is not None:
        below = TITLE + whole.height + 4
        draw_match_bar(draw, (GAP, below), whole.width, match)
        _write(draw, (GAP, below + BAR + 2), f"{match:.0%} match", 18, whole.width)
    strengths = maps.max(axis=(1, 2), initial=0)
    shares = strengths / max(float(strengths.max(initial=0)), np.finfo(np.float32).tiny)
    for number, (word, heat) in enumerate(zip(words, maps, strict=True)):
        row, column = divmod(number, COLUMNS)
        x, y = 2 * GAP + WHOLE + column * (PANEL + GAP), TITLE + row * (PANEL + LABEL + GAP)
        panel = _overlay(picture, heat, PANEL)
        sheet.paste(panel, (x, y))
        below = y + panel.height + 4
        draw.rectangle((x, below, x + panel.width, below + BAR), fill=TRACK)
        share = round(panel.width * float(shares[number]))
        draw.rectangle((x, below, x + share, below + BAR), fill=FAINT)
        _write(draw, (x, below + BAR + 2), word, 18, PANEL)
    return sheet


def png_bytes(image: Image.Image) -> bytes:
    """Return the image as a PNG file."""
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def _overlay(picture: Image.Image, heat: Floats, largest: int) -> Image.Image:
    if heat.ndim != 2 or not heat.size or not np.isfinite(heat).all() or heat.min() < 0:
        raise ShapeError(f"heat is (rows, cols), finite and 0 or more, not {heat.shape}")
    factor = largest / max(picture.size)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    shown = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    hottest = float(heat.max())
    if hottest == 0:
        return shown
    scaled = Image.fromarray((heat / hottest).astype(np.float32))
    smooth = np.asarray(scaled.resize(size, Image.Resampling.BICUBIC)).clip(0)
    smooth = smooth / smooth.max()
    anchors = np.linspace(0, 1, len(INFERNO))
    colours = np.stack([np.interp(smooth, anchors, channel) for channel in INFERNO.T], axis=2)
    share = OPACITY * smooth[:, :, None] ** SPREAD
    mixed = (1 - share) * np.asarray(shown, dtype=np.float32) + share * colours
    return Image.fromarray(mixed.round().astype(np.uint8))


def _write(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, width: float
) -> None:
    """Write the text, cut with an ellipsis where it is wider than `width` pixels."""
    draw.text(corner, fitted(draw, text, size, width), INK, font(size))
