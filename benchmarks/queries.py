"""Measures what the parts of a query bring: "not" terms, and captions beside embeddings.

    python -m benchmarks.queries [--scenes 2000] [--queries 200] [--captioned 300]

The built-in checkpoint on scenes it was not trained on. Prints two tables and writes them to
benchmarks/results/ with a figure. The constants were chosen with `--first-seed 2000000`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import matplotlib as mpl

from benchmarks.queries_hybrid import WAYS, measure_hybrid
from benchmarks.queries_not import AWAY, RANKED_BY, measure_not, not_queries
from blipsearch.blip import BlipRetriever
from blipsearch.blip.pretraining.evaluation import related_scenes
from blipsearch.picturebook.render import render
from blipsearch.picturebook.scene import draw_scene
from blipsearch.retrieval import AWAY as USED

mpl.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parent / "results"
FIRST_SEED = 1_000_000
PICTURE_SIZE = 256

NotFigures = dict[tuple[float, str], float]
HybridFigures = dict[str, dict[str, tuple[float, float]]]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="What the parts of a query bring.")
    parser.add_argument("--scenes", type=int, default=2000, help='scenes for "not"')
    parser.add_argument("--queries", type=int, default=200, help='queries with "not"')
    parser.add_argument("--captioned", type=int, default=300, help="scenes with captions")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    started = time.monotonic()
    retriever = BlipRetriever.from_pretrained("builtin")
    seed = arguments.first_seed
    scenes = [draw_scene(seed + i, split="new_scenes") for i in range(arguments.scenes)]
    encoded = retriever.encode_images([render(scene, PICTURE_SIZE) for scene in scenes])
    queries = not_queries(scenes, arguments.queries, seed=1)
    told = measure_not(retriever, encoded.features, encoded.states, queries)
    with tempfile.TemporaryDirectory() as folder:
        captioned = related_scenes("new_scenes", arguments.captioned, seed)
        hybrid = measure_hybrid(retriever, captioned, Path(folder))
    text = "\n".join(
        [
            '# What the parts of a query bring\n\n## "a boat - at night"\n',
            f"R-precision of {len(queries)} queries over {len(scenes)} scenes.\n",
            _not_table(told),
            "\n## Captions beside embeddings\n",
            f"R@1 / R@10 of the full captions of {len(captioned)} scenes, half of them twins.\n",
            _hybrid_table(hybrid),
        ]
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "queries.md").write_text(f"{text}\n")
    (arguments.output / "queries.json").write_text(json.dumps(_as_json(told, hybrid), indent=2))
    _draw(told, arguments.output / "queries-not.png")
    print(text)
    alone = max(share for (_, by), share in told.items() if by == RANKED_BY[0])
    print(
        f"\n{(time.monotonic() - started) / 60:.1f} min; not: {told[USED, RANKED_BY[2]]:.3f} "
        f"against {alone:.3f} by the best vector arithmetic alone"
    )


def _not_table(told: NotFigures) -> str:
    head = " | ".join(f"away {away:g}" for away in AWAY)
    lines = [f"| ranked by | {head} |", "|---|" + "---:|" * len(AWAY)]
    for by in RANKED_BY:
        shares = " | ".join(f"{told[away, by]:.3f}" for away in AWAY)
        lines.append(f"| {by} | {shares} |")
    return "\n".join(lines)


def _hybrid_table(hybrid: HybridFigures) -> str:
    names = list(hybrid)
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for way in WAYS:
        for how in ("no rerank", "reranked"):
            row = [hybrid[name][f"{way}, {how}"] for name in names]
            shares = " | ".join(f"{first:.3f} / {tenth:.3f}" for first, tenth in row)
            lines.append(f"| hybrid {way}, {how} | {shares} |")
    return "\n".join(lines)


def _as_json(told: NotFigures, hybrid: HybridFigures) -> dict[str, object]:
    return {
        "not": {f"{by}, away {away:g}": share for (away, by), share in told.items()},
        "hybrid": hybrid,
    }


def _draw(told: NotFigures, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for by in RANKED_BY:
        axes.plot(AWAY, [told[away, by] for away in AWAY], marker="o", label=f"ranked by {by}")
    axes.axvline(USED, color="#bbbbbb", linewidth=1)
    axes.set(
        title='"a boat - at night": what finds boats that are not at night',
        xlabel="how far the unwanted sentence moves the query (grey: what is used)",
        ylabel="R-precision",
        ylim=(0, 1),
    )
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
