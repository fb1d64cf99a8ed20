"""Indexes a great many tiny images: memory over time, images/s, and a run that changes nothing.

    python -m benchmarks.many [--count 100000] [--work DIR]

The pictures are real JPEG files of 64 x 48 pixels, no two alike, a thousand to a folder; the
checkpoint is the built-in one. Memory is that of all processes, beyond what there was with the
checkpoint loaded. 100,000 take half an hour on two cores. Results go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.indexing_memory import MemoryCurve
from benchmarks.workplace import workplace
from blipsearch.blip import BlipRetriever
from blipsearch.library import Library
from indexer.indexing import index_collection
from indexer.records import IndexOptions

RESULTS = Path(__file__).parent / "results"
A_FOLDER = 1000
MIB = 1 << 20
POINTS = 200
"""Points of the curve that are kept."""
FLAT_MOST = 1.25
"""Memory is flat where the last quarter of a run takes no more than so much of its second."""
WANTED_SECONDS = 60


def main() -> None:
    """Make the pictures, index them twice, print, write."""
    arguments = _arguments()
    with workplace(arguments.work) as work:
        folder = work / f"tiny-{arguments.count}"
        write_tiny_images(folder, arguments.count)
        retriever = BlipRetriever.from_pretrained("builtin", device=arguments.device)
        options = IndexOptions(memory=arguments.memory * MIB)
        curve = MemoryCurve(every=1.0)
        with (
            Library.open(work / "library", create=True) as library,
            library.create_collection(f"tiny-{time.time_ns()}", retriever.identity) as collection,
        ):
            with curve.watching():
                first = index_collection(collection, retriever, [folder], options)
            began = time.monotonic()
            second = index_collection(collection, retriever, [folder], options)
            nothing = time.monotonic() - began
    assert (first.added, second.unchanged) == (arguments.count, arguments.count)
    points = curve.points[:: max(1, len(curve.points) // POINTS)]
    found = {
        "images": first.added,
        "seconds": first.seconds,
        "images_per_second": first.images_per_second,
        "limited_by": first.limited_by,
        "peak_bytes": curve.peak,
        "growth": _growth([amount for _, amount in curve.points]),
        "no_change_seconds": nothing,
        "curve": [(round(seconds, 1), amount) for seconds, amount in points],
    }
    RESULTS.joinpath("many.json").write_text(json.dumps(found) + "\n")
    if arguments.figure:
        _draw(points, RESULTS / "many.png")
    print(
        f"{first.added:,} images in {first.seconds:.0f} s: {first.images_per_second:.0f} images/s, "
        f"limited by {first.limited_by}\n"
        f"memory beyond the start: {curve.peak / MIB:.0f} MiB at the highest; the last quarter "
        f"takes {found['growth']:.2f} of the second (wanted at most {FLAT_MOST})\n"
        f"a run that changes nothing: {nothing:.1f} s (wanted at most {WANTED_SECONDS})"
    )


def write_tiny_images(folder: Path, count: int) -> None:
    """Write so many JPEG files of 64 x 48 pixels, no two alike, unless they are there already."""
    for start in range(0, count, A_FOLDER):
        below = folder / f"{start // A_FOLDER:04}"
        if below.exists():
            continue
        unfinished = below.with_name(below.name + ".part")
        unfinished.mkdir(parents=True, exist_ok=True)
        for number in range(start, min(start + A_FOLDER, count)):
            (unfinished / f"{number:06}.jpg").write_bytes(_tiny_image(number))
        unfinished.rename(below)


def _tiny_image(number: int) -> bytes:
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC).save(written, "JPEG")
    return written.getvalue()


def _growth(amounts: list[int]) -> float:
    """What the last quarter of the run takes on average, of what the second one takes."""
    quarter = max(1, len(amounts) // 4)
    last, second = amounts[-quarter:], amounts[quarter : 2 * quarter]
    return float(np.mean(last) / np.mean(second)) if second else 1.0


def _draw(points: list[tuple[float, int]], path: Path) -> None:
    # A benchmark without a figure needs none of it.
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot([seconds for seconds, _ in points], [amount / MIB for _, amount in points])
    axes.set(xlabel="seconds", ylabel="MiB beyond the start", ylim=(0, None))
    figure.savefig(path, dpi=120)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--figure", action="store_true", help="draw the curve, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
