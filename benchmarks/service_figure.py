"""Draws what an overload did to a service: answers, refusals and memory over time."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from benchmarks.service_load import Answers

mpl.use("Agg")
from matplotlib import pyplot as plt

__all__ = ["draw_overload"]


def draw_overload(during: Answers, memory: Sequence[int], path: Path) -> None:
    """Draw three curves above each other, one point a second, and write them as PNG."""
    ends = np.array([end for end, _, _ in during.rows])
    statuses = np.array([status for _, status, _ in during.rows])
    times = np.array([1000 * time for _, _, time in during.rows])
    seconds = np.arange(int(np.ceil(ends.max())) + 1)
    figure, (counts, latencies, bytes_) = plt.subplots(3, 1, figsize=(8, 7), sharex=True)
    for status in sorted(set(statuses.tolist())):
        told = np.histogram(ends[statuses == status], bins=seconds)[0]
        counts.plot(seconds[:-1], told, label=str(status))
    counts.set_yscale("symlog")
    counts.set_ylabel("answers a second")
    counts.legend(title="status")
    answered = statuses == 200
    latencies.plot(ends[answered], times[answered], ".", markersize=3)
    latencies.set_ylabel("ms of an answer with 200")
    latencies.set_ylim(bottom=0)
    bytes_.plot(np.arange(len(memory)) / 2, np.array(memory) / 1e6)
    bytes_.set_ylabel("resident MB")
    bytes_.set_ylim(bottom=0)
    bytes_.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
