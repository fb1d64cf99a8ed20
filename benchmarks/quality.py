"""Measures what the built-in checkpoint can do on scenes it was not trained on.

    python benchmarks/quality.py [--scenes 1000] [--checkpoint builtin]

Prints the table of recalls, twins, absent scenes, calibration, captions and answers for both test
sets, and writes it to benchmarks/results/ with a reliability diagram and the recalls as pictures.
Everything goes through the public layer: BlipRetriever, BlipCaptioner, BlipAnswerer.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from blipsearch.blip import BlipAnswerer, BlipCaptioner, BlipRetriever
from blipsearch.blip.pretraining.calibration import auroc, calibration_error
from blipsearch.blip.pretraining.evaluation import CAPTION_PROMPT, related_scenes
from blipsearch.errors import WorldError
from blipsearch.picturebook import grammar, world
from blipsearch.picturebook.render import render
from blipsearch.picturebook.scene import Scene

mpl.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parent / "results"
SPLITS = ("new_scenes", "new_combinations")
FIRST_SEED = 1_000_000
PICTURE_SIZE = 256
CANDIDATES = 64
SHOWN = 10
QUESTIONS_A_SCENE = 3

REACH = {
    "R@1": (0.88, 0.72),
    "R@10": (0.98, 0.93),
    **{f"twins by {name}": (0.95, 0.88) for name in world.DIFFERENCES},
    "nothing matches, AUROC": (0.97, None),
    "calibration error": (0.05, None),
    "true captions": (0.9, 0.8),
    "right answers": (0.9, 0.8),
}
"""What is wanted on new scenes and on new combinations; the calibration error may be at most it."""

Floats = npt.NDArray[np.float64]
States = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a search for every scene's full caption gives, by query."""

    cosine: npt.NDArray[np.int64]
    """(n, candidates): pictures by cosine"""
    found: npt.NDArray[np.int64]
    """(n, candidates): pictures after the rerank"""
    match: Floats
    """(n, candidates): match probabilities in the order of `found`"""


class Bench:
    """The three checkpoints, and what they say of one test set after another."""

    def __init__(self, checkpoint: str) -> None:
        self.retriever = BlipRetriever.from_pretrained(_part(checkpoint, "itm"))
        self.captioner = BlipCaptioner.from_pretrained(_part(checkpoint, "caption"))
        self.answerer = BlipAnswerer.from_pretrained(_part(checkpoint, "vqa"))

    def measure(self, scenes: Sequence[Scene]) -> tuple[dict[str, float], Floats]:
        """The figures by name, and the shown pairs (pairs, 2): match probability and truth."""
        encoded = self.retriever.encode_images([render(s, PICTURE_SIZE) for s in scenes])
        queries = [grammar.full_caption(scene) for scene in scenes]
        ranking = self._search(queries, encoded.features, encoded.states)
        pairs = _shown_pairs(ranking, queries, scenes)
        figures = {
            **_recalls(ranking),
            **self._twins(scenes, encoded.states),
            "nothing matches, AUROC": _absence_auroc(ranking),
            "calibration error": calibration_error(pairs[:, 0], pairs[:, 1]),
            "true captions": self._captions(scenes, encoded.states),
            "right answers": self._answers(scenes, encoded.states),
        }
        return figures, pairs

    def _search(self, queries: Sequence[str], features: States, states: States) -> Ranking:
        cosines = self.retriever.get_text_features(queries) @ features.T
        by_cosine = np.argsort(-cosines, axis=1)[:, :CANDIDATES]
        found, match = np.empty_like(by_cosine), np.empty(by_cosine.shape)
        for i, query in enumerate(queries):
            logits = self.retriever.match(query, states[by_cosine[i]])
            order = np.argsort(-(logits[:, 1] + cosines[i, by_cosine[i]]))
            found[i] = by_cosine[i, order]
            match[i] = self.retriever.match_probability(logits)[order]
        return Ranking(by_cosine, found, match)

    def _twins(self, scenes: Sequence[Scene], states: States) -> dict[str, float]:
        """The share of false captions whose true original matches better, by difference."""
        right: dict[str, list[bool]] = {name: [] for name in world.DIFFERENCES}
        pairs: list[tuple[float, float]] = []
        for i, scene in enumerate(scenes):
            for false in grammar.false_captions(scene, random.Random(scene.seed)):
                logits = [
                    self.retriever.match(text, states[i : i + 1])[0]
                    for text in (false.original, false.text)
                ]
                told = self.retriever.match_probability(np.stack(logits))
                right[false.differs_in].append(_margin(logits[0]) > _margin(logits[1]))
                pairs += [(float(told[0]), 1.0), (float(told[1]), 0.0)]
        told_apart = {f"twins by {name}": float(np.mean(told)) for name, told in right.items()}
        probabilities, truth = np.array(pairs).T
        return told_apart | {"calibration error on twins": calibration_error(probabilities, truth)}

    def _captions(self, scenes: Sequence[Scene], states: States) -> float:
        captions = self.captioner.caption_states(states)
        told = [caption.removeprefix(CAPTION_PROMPT).strip() for caption in captions]
        return float(np.mean([_holds(t, s) for t, s in zip(told, scenes, strict=True)]))

    def _answers(self, scenes: Sequence[Scene], states: States) -> float:
        asked = [(i, qa) for i, scene in enumerate(scenes) for qa in _some_questions(scene)]
        answers = self.answerer.answer_states(
            states[[i for i, _ in asked]], [qa.question for _, qa in asked]
        )
        return float(np.mean([a == qa.answer for a, (_, qa) in zip(answers, asked, strict=True)]))


def _margin(logits: States) -> float:
    """What the match probability grows with, and does not round to 1."""
    return float(logits[1] - logits[0])


def _recalls(ranking: Ranking) -> dict[str, float]:
    own = np.arange(len(ranking.found))[:, None]
    return {
        "cosine R@1": float((ranking.cosine[:, :1] == own).any(1).mean()),
        "cosine R@10": float((ranking.cosine[:, :10] == own).any(1).mean()),
        "cosine R@64": float((ranking.cosine == own).any(1).mean()),
        "R@1": float((ranking.found[:, :1] == own).any(1).mean()),
        "R@10": float((ranking.found[:, :10] == own).any(1).mean()),
    }


def _absence_auroc(ranking: Ranking) -> float:
    """Best match with the scene in the collection against best match once it is taken out.

    Its twin, where it has one, stays in.
    """
    own = ranking.found == np.arange(len(ranking.found))[:, None]
    return auroc(ranking.match.max(1), np.where(own, -1.0, ranking.match).max(1))


def _shown_pairs(ranking: Ranking, queries: Sequence[str], scenes: Sequence[Scene]) -> Floats:
    """The first SHOWN hits of every query: match probability, and whether it is true."""
    return np.array(
        [
            (ranking.match[i, rank], grammar.is_true(query, scenes[ranking.found[i, rank]]))
            for i, query in enumerate(queries)
            for rank in range(min(SHOWN, ranking.found.shape[1]))
        ],
        dtype=np.float64,
    )


def _some_questions(scene: Scene) -> list[grammar.QuestionAnswer]:
    rng = random.Random(scene.seed)
    known = grammar.questions(scene, rng)
    return rng.sample(known, min(QUESTIONS_A_SCENE, len(known)))


def _holds(caption: str, scene: Scene) -> bool:
    try:
        return grammar.is_true(caption, scene)
    except WorldError:
        return False


def _part(checkpoint: str, name: str) -> str:
    return checkpoint if checkpoint == "builtin" else str(Path(checkpoint) / name)


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures of both test sets as a Markdown table, with what is wanted beside them."""
    lines = [
        "| | new scenes | wanted | new combinations | wanted |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in figures[SPLITS[0]]:
        sign = "≤" if name.startswith("calibration") else "≥"
        wanted = [f"{sign} {w}" if w else "" for w in REACH.get(name, (None, None))]
        told = [f"{figures[split][name]:.3f}" for split in SPLITS]
        lines.append(f"| {name} | {told[0]} | {wanted[0]} | {told[1]} | {wanted[1]} |")
    return "\n".join(lines)


def _draw_reliability(pairs: dict[str, Floats], folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1)
    for split, told in pairs.items():
        number = np.minimum((told[:, 0] * 10).astype(int), 9)
        bins = np.unique(number)
        points = np.array([told[number == b].mean(0) for b in bins])
        axes.plot(*points.T, marker="o", label=split.replace("_", " "))
        for b, (x, y) in zip(bins, points, strict=True):
            axes.annotate(
                f"{(number == b).sum()}",
                (x, y),
                fontsize=7,
                xytext=(4, -8),
                textcoords="offset points",
            )
    axes.set(
        title="first ten hits; numbers count pairs",
        xlabel="match probability",
        ylabel="share that is true",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axes.legend()
    figure.savefig(folder / "quality-reliability.png", dpi=110, bbox_inches="tight")


def _draw_recalls(figures: dict[str, dict[str, float]], folder: Path) -> None:
    names = ("cosine R@1", "R@1", "cosine R@10", "R@10")
    figure, axes = plt.subplots(figsize=(6, 3.2))
    for i, split in enumerate(SPLITS):
        heights = [figures[split][name] for name in names]
        bars = axes.bar(np.arange(4) + 0.4 * i, heights, 0.38, label=split.replace("_", " "))
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.set_xticks(np.arange(4) + 0.2, names)
    axes.set(ylim=(0, 1.1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    figure.savefig(folder / "quality-recall.png", dpi=110, bbox_inches="tight")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Quality of the built-in checkpoint.")
    parser.add_argument("--scenes", type=int, default=1000, help="scenes of each test set")
    parser.add_argument("--checkpoint", default="builtin", help="builtin, or itm/ caption/ vqa/")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    started = time.monotonic()
    bench = Bench(arguments.checkpoint)
    figures, pairs = {}, {}
    for split in SPLITS:
        scenes = related_scenes(split, arguments.scenes, FIRST_SEED)
        figures[split], pairs[split] = bench.measure(scenes)
    told = table(figures)
    gain = figures["new_scenes"]["R@1"] - figures["new_scenes"]["cosine R@1"]
    minutes = (time.monotonic() - started) / 60
    _write(arguments.output, told, figures, arguments.scenes)
    _draw_reliability(pairs, arguments.output)
    _draw_recalls(figures, arguments.output)
    print(told)
    print(f"\n{minutes:.1f} min; the rerank adds {100 * gain:.1f} points of R@1 on new scenes")


def _write(folder: Path, told: str, figures: dict[str, dict[str, float]], scenes: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    result = {"scenes": scenes, "candidates": CANDIDATES, "figures": figures}
    (folder / "quality.json").write_text(json.dumps(result, indent=2) + "\n")
    title = f"# Quality of the built-in checkpoint, {scenes} scenes of each test set"
    (folder / "quality.md").write_text(f"{title}\n\n{told}\n")


if __name__ == "__main__":
    main()
