"""Draws the log of a run: its losses above, what it measured below, over the minutes."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_curve"]

Points = list[tuple[float, float]]

MEASURED = ("R@1", "cosine R@1", "twins by relation", "twins by count", "true captions")
SPLIT = "new_scenes"

_WIDTH, _PANEL, _MARGIN, _LEGEND = 900, 300, 50, 190
_COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b7950b", "#7d3c98", "#566573")
_GREY, _INK = "#dddddd", "#333333"


def draw_curve(log: Path, picture: Path) -> None:
    """Draw the run that wrote `log` (log.jsonl of its work folder) to the PNG file `picture`."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    canvas = Image.new("RGB", (_WIDTH, 2 * _PANEL), "white")
    draw = ImageDraw.Draw(canvas)
    end = max((float(entry["minutes"]) for entry in entries), default=1.0)
    losses = {
        name: [(minutes, math.log10(max(value, 1e-3))) for minutes, value in points]
        for name, points in _series(entries, "losses", "").items()
    }
    marks = {0.01: "0.01", 0.1: "0.1", 1.0: "1", 10.0: "10"}
    _panel(draw, 0, losses, {math.log10(v): label for v, label in marks.items()}, end)
    figures = _series(entries, "figures", f"{SPLIT} ")
    shown = {name: figures[name] for name in MEASURED if name in figures}
    _panel(draw, _PANEL, shown, {0.0: "0", 0.5: "0.5", 1.0: "1"}, end)
    canvas.save(picture)


def _series(entries: Sequence[Mapping[str, object]], key: str, prefix: str) -> dict[str, Points]:
    """What was logged under `key`, by name without `prefix`: minutes and values."""
    series: dict[str, Points] = {}
    for entry in entries:
        logged = entry.get(key)
        if not isinstance(logged, dict):
            continue
        for name, value in logged.items():
            if name.startswith(prefix):
                point = (float(str(entry["minutes"])), float(value))
                series.setdefault(name.removeprefix(prefix), []).append(point)
    return series


def _panel(
    draw: ImageDraw.ImageDraw,
    top: int,
    series: Mapping[str, Points],
    marks: Mapping[float, str],
    end: float,
) -> None:
    """One plot of `series`, with `marks` on its upright axis and minutes up to `end` across."""
    font = ImageFont.load_default(14)
    low, high = min(marks), max(marks)
    right, bottom = _WIDTH - _LEGEND, top + _PANEL - _MARGIN // 2

    def place(minutes: float, value: float) -> tuple[float, float]:
        x = _MARGIN + minutes / max(end, 1e-9) * (right - _MARGIN)
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return x, bottom - share * (_PANEL - _MARGIN)

    for value, label in marks.items():
        y = place(0, value)[1]
        draw.line([(_MARGIN, y), (right, y)], fill=_GREY)
        draw.text((_MARGIN - 8, y), label, fill=_INK, font=font, anchor="rm")
    draw.text((right, bottom + 4), f"{end:.0f} min", fill=_INK, font=font, anchor="rt")
    for i, (name, points) in enumerate(series.items()):
        colour = _COLOURS[i % len(_COLOURS)]
        draw.line([place(*point) for point in points], fill=colour, width=2)
        draw.text((right + 12, top + 20 + 20 * i), name, fill=colour, font=font)
