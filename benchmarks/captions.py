"""Measures captions made while indexing: how many are drawn again, what it brings, what it costs.

    python -m benchmarks.captions [--scenes 300] [--checkpoint builtin]

Picture-book scenes are indexed and captioned at several thresholds and numbers of draws. A caption
is true when the world's own grammar says that it holds for its scene.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from blipsearch.blip import BlipCaptioner, BlipRetriever
from blipsearch.collection import Collection
from blipsearch.errors import WorldError
from blipsearch.library import Library
from blipsearch.picturebook import Scene, gallery, is_true, render
from indexer.captions import CaptionOptions, caption_collection
from indexer.indexing import index_collection

SEED = 5
PICTURE_SIZE = 384
WAYS = ((0.0, 0), (0.5, 1), (0.5, 3), (0.5, 10), (0.9, 3), (1.0, 3))
"""Thresholds and draws; the first is beam search alone."""


@dataclass(frozen=True)
class Networks:
    """What writes and what judges."""

    captioner: BlipCaptioner
    retriever: BlipRetriever


def truth(collection: Collection, scenes: list[Scene]) -> float:
    """The share of the captions that are true of their scenes."""
    best = collection.best_captions(range(1, len(scenes) + 1))
    entries = collection.images(list(best))
    told = [_is_true(best[entry.id], scenes[int(Path(entry.path).stem)]) for entry in entries]
    return sum(told) / len(told)


def _is_true(caption: str, scene: Scene) -> bool:
    try:
        return is_true(caption, scene)
    except WorldError:  # no sentence of the world
        return False


def measure(
    collection: Collection, networks: Networks, scenes: list[Scene], options: CaptionOptions
) -> str:
    """One line of the table."""
    began = time.process_time()
    summary = caption_collection(collection, networks.captioner, networks.retriever, options)
    busy = time.process_time() - began
    return (
        f"| {options.threshold} | {options.draws} | {summary.redrawn} of {summary.captioned} | "
        f"{summary.below} | {summary.first_match or 0:.4f} | {summary.match or 0:.4f} | "
        f"{truth(collection, scenes):.3f} | {summary.captioned / summary.seconds:.1f} | "
        f"{summary.captioned / busy:.1f} |"
    )


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description="Captions made while indexing.")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--checkpoint", default="builtin")
    arguments = parser.parse_args()
    networks = Networks(
        BlipCaptioner.from_pretrained(arguments.checkpoint),
        BlipRetriever.from_pretrained(arguments.checkpoint),
    )
    scenes = list(gallery(arguments.scenes, SEED))
    print(f"{len(scenes)} scenes, {arguments.checkpoint}\n")
    print(
        "| threshold | draws | drawn again | still below | match, first | match, kept | true | "
        "images/s | images a CPU second |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        for number, scene in enumerate(scenes):
            render(scene, PICTURE_SIZE).save(pictures / f"{number:04}.png")
        for number, (threshold, draws) in enumerate(WAYS):
            with (
                Library.open(Path(folder) / str(number), create=True) as library,
                library.create_collection("scenes", networks.retriever.identity) as collection,
            ):
                index_collection(collection, networks.retriever, [pictures])
                options = CaptionOptions(threshold=threshold, draws=draws)
                print(measure(collection, networks, scenes, options), flush=True)


if __name__ == "__main__":
    main()
