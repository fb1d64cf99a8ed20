"""Recall@1 of the rerank's variants on the built-in checkpoint's test scenes, for `rerank.py`."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from benchmarks.quality import CANDIDATES, FIRST_SEED, PICTURE_SIZE, SPLITS
from benchmarks.rerank_variants import VARIANTS, Prepared, Variant
from blipsearch.blip import BlipRetriever, matcher
from blipsearch.blip.pretraining.evaluation import related_scenes
from blipsearch.picturebook import grammar
from blipsearch.picturebook.render import render

mpl.use("Agg")
from matplotlib import pyplot as plt

CURVE = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of candidates reranked. Scenes, pictures and candidates are benchmarks/quality.py's."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """One test set: states of its pictures, its queries, and what retrieval proposes for each."""

    states: Floats
    queries: list[str]
    candidates: npt.NDArray[np.int64]
    """(n, candidates): pictures by cosine; query i's own is picture i"""
    cosines: Floats


@dataclass(frozen=True, slots=True)
class Quality:
    """Recall@1 after the rerank, on both test sets."""

    new_scenes: float
    new_combinations: float


@dataclass(frozen=True, slots=True)
class Point:
    """What reranking the first `candidates` gives and takes, in milliseconds a query."""

    candidates: int
    milliseconds: float
    new_scenes: float
    new_combinations: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def load(match_dtype: str, dtype: str) -> BlipRetriever:
    """The built-in checkpoint."""
    return BlipRetriever.from_pretrained(
        "builtin", match_dtype=match_dtype, dtype=dtype or "float32"
    )


def load_scenes(count: int) -> dict[str, Scenes]:
    """Draw and encode both test sets."""
    retriever = load("auto", "")
    return {split: _encoded(retriever, split, count) for split in SPLITS}


def _encoded(retriever: BlipRetriever, split: str, count: int) -> Scenes:
    scenes = related_scenes(split, count, FIRST_SEED)
    encoded = retriever.encode_images([render(scene, PICTURE_SIZE) for scene in scenes])
    queries = [grammar.full_caption(scene) for scene in scenes]
    cosines = retriever.get_text_features(queries) @ encoded.features.T
    best = np.argsort(-cosines, axis=1)[:, :CANDIDATES]
    return Scenes(encoded.states, queries, best, np.take_along_axis(cosines, best, axis=1))


def measure(variant: Variant, scenes: dict[str, Scenes]) -> Quality:
    """Recall@1 of a variant after the rerank of all candidates."""
    usual = matcher.LOOP_FLOP
    if variant.match_dtype == "int8":
        matcher.LOOP_FLOP = 0  # or the attention of so small a network would not be in int8
    try:
        found = [_first(variant, scenes[split])[:, -1] for split in SPLITS]
    finally:
        matcher.LOOP_FLOP = usual
    return Quality(*(float(np.mean(first)) for first in found))


def _first(variant: Variant, scenes: Scenes) -> npt.NDArray[np.bool_]:
    """Whether the own picture comes first when only CURVE[j] candidates are reranked: (n, j)."""
    prepared = Prepared(variant, load, scenes.states)
    found = np.empty((len(scenes.queries), len(CURVE)), dtype=np.bool_)
    for i, query in enumerate(scenes.queries):
        candidates = scenes.candidates[i]
        scores = prepared.logits(query, candidates)[:, 1] + scenes.cosines[i]
        for j, count in enumerate(CURVE):
            found[i, j] = candidates[np.argmax(scores[:count])] == i
    return found


def draw_curve(scenes: dict[str, Scenes], file: Path, base_milliseconds: float) -> list[Point]:
    """Draw recall@1 against candidates reranked, with what they cost; return its points.

    `base_milliseconds` is what a candidate of a base-size checkpoint costs.
    """
    exact = VARIANTS[0]
    recalls = {split: _first(exact, scenes[split]).mean(axis=0) for split in SPLITS}
    milliseconds = _milliseconds(Prepared(exact, load, scenes[SPLITS[0]].states), scenes[SPLITS[0]])
    figure, axes = plt.subplots(figsize=(6.4, 4))
    for split in SPLITS:
        axes.plot(CURVE, recalls[split], marker="o", label=split.replace("_", " "))
    labels = [
        f"{count}\n{taken:.1f} ms\n{count * base_milliseconds:,.0f} ms"
        for count, taken in zip(CURVE, milliseconds, strict=True)
    ]
    axes.set_xscale("log", base=2)
    axes.set_xticks(CURVE, labels, fontsize=8)
    axes.set(
        xlabel="candidates reranked; milliseconds, built-in; milliseconds, base size",
        ylabel="recall@1",
        title="What the rerank adds, and what it costs",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(file, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return [
        Point(count, taken, *(float(recalls[split][j]) for split in SPLITS))
        for j, (count, taken) in enumerate(zip(CURVE, milliseconds, strict=True))
    ]


def _milliseconds(prepared: Prepared, scenes: Scenes) -> Sequence[float]:
    """The median time of a rerank over some queries, by number of candidates."""
    taken: dict[int, list[float]] = {count: [] for count in CURVE}
    for i, query in enumerate(scenes.queries[:50]):
        for count in CURVE:
            began = time.perf_counter()
            prepared.logits(query, scenes.candidates[i, :count])
            taken[count].append(1e3 * (time.perf_counter() - began))
    return [statistics.median(times) for times in taken.values()]
