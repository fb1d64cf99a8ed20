"""The picture of a run."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from blipsearch.blip.pretraining.curve import draw_curve


def _drawn(log: Path, entries: list[dict[str, object]]) -> np.ndarray:
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    draw_curve(log, log.with_suffix(".png"))
    return np.asarray(Image.open(log.with_suffix(".png")))


def test_losses_are_drawn_above_and_figures_below(tmp_path: Path) -> None:
    losses = [{"minutes": m, "losses": {"matching": 1 / (1 + m)}} for m in range(4)]
    figures = [{"minutes": m, "figures": {"new_scenes R@1": m / 4}} for m in range(4)]
    nothing = _drawn(tmp_path / "0.jsonl", [{"minutes": 3}])
    above = _drawn(tmp_path / "1.jsonl", losses)
    both = _drawn(tmp_path / "2.jsonl", [*losses, *figures])
    half = len(nothing) // 2
    assert (above[:half] != nothing[:half]).any()
    assert (above[half:] == nothing[half:]).all()
    assert (both[half:] != above[half:]).any()


def test_a_run_that_has_just_begun_can_be_drawn(tmp_path: Path) -> None:
    assert _drawn(tmp_path / "log.jsonl", []).shape[2] == 3
