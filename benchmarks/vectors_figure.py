"""The figure of benchmarks/vectors.py: recall against time, a line for each index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.vectors_measuring import Point

mpl.use("Agg")
from matplotlib import pyplot as plt

__all__ = ["draw"]


def draw(curve: Sequence[Point], rows: Sequence[Point], file: Path) -> None:
    """Draw both sorts of queries side by side; a ring marks what an index is run with."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True)
    for axes, sort in zip(panels, ("images", "texts"), strict=True):
        for number, row in enumerate(rows):
            own = [point for point in curve if point.title == row.title]
            colour = f"C{number}"
            times, recalls = [p.p50 for p in own], [getattr(p, sort) for p in own]
            label = f"{row.title}, {row.bytes_per_vector:.0f} bytes"
            axes.plot(times, recalls, marker=".", color=colour, label=label)
            axes.plot(row.p50, getattr(row, sort), marker="o", ms=10, mfc="none", color=colour)
        axes.set_xscale("log")
        axes.set(xlabel="ms a query (median)", title=f"queries like {sort}", ylim=(0.6, 1.005))
        axes.axhline(0.99, color="grey", lw=0.6, ls=":")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("recall@100")
    panels[1].legend(loc="lower right", fontsize=7)
    figure.savefig(file, dpi=110, bbox_inches="tight")
    plt.close(figure)
