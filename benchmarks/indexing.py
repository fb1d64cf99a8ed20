"""Measures whole index runs against what limits them: the bare vision tower, or the decoders.

    python -m benchmarks.indexing --photos DIR [--count 500] [--only base|builtin] [--work DIR]

The photos are made from those in DIR: 0.3 to 12 megapixels, JPEG for the most part. A checkpoint
of base size with random weights runs as fast as a trained one; beside the run the bare vision tower
works on ready tensors. With the built-in checkpoint the decoders limit; beside the run they decode
the same files with nothing behind them. Run and limit take turns, so that a machine that slows
down slows both. Memory is that of all processes, beyond what there was with the checkpoint loaded.
With 500 photos ten minutes on two cores. The ratios come last.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.indexing_memory import MemoryCurve
from benchmarks.indexing_photos import megapixels_of, write_photos
from benchmarks.workplace import workplace
from blipsearch.blip import BlipRetriever
from blipsearch.blip.device import cores_shared, side_by_side
from blipsearch.blip.pixels import Squares
from blipsearch.blip.vision import encode_in_parts
from blipsearch.library import Library
from blipsearch.places import Place
from blipsearch.records import ImageFile
from blipsearch.testing import write_base_checkpoint
from indexer.decode import Refused, rules_for
from indexer.decoders.looking import look
from indexer.decoders.pool import Decoders, Provision
from indexer.decoders.worker import Orders
from indexer.indexing import index_collection
from indexer.plan import Candidate
from indexer.records import IndexOptions
from indexer.shares import share_out

RESULTS = Path(__file__).parent / "results"
WANTED = {"base": 0.95, "builtin": 0.9}
MIB = 1 << 20
BATCH = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """One checkpoint's run: images a second of the whole, and of what limits it by itself."""

    checkpoint: str
    device: str
    photos: int
    megapixels: float
    whole: float
    alone: float
    limit: str
    limited_by: str | None
    peak_bytes: int

    @property
    def ratio(self) -> float:
        """How much of its limit the whole run reaches."""
        return self.whole / self.alone


@dataclass(frozen=True, slots=True)
class Turns:
    """Images a second of whole runs and of the limit alone, and the runs' memory at its highest."""

    whole: float
    alone: float
    limited_by: str | None
    peak_bytes: int


Limit = Callable[[Sequence[Path]], tuple[int, float]]
"""Lets what limits work alone, with photos of its own or those; says how many, and the seconds."""


def main() -> None:
    """Make the photos, run, print, write."""
    arguments = _arguments()
    with workplace(arguments.work) as work:
        folder = work / f"photos-{arguments.count}"
        write_photos(folder, arguments.photos, arguments.count)
        found = []
        if arguments.only != "builtin":
            found.append(_base(work, folder, arguments))
        if arguments.only != "base":
            found.append(_builtin(work, folder, arguments))
    RESULTS.joinpath("indexing.json").write_text(
        json.dumps([asdict(one) | {"ratio": one.ratio} for one in found], indent=2) + "\n"
    )
    report = _report(found)
    RESULTS.joinpath("indexing.md").write_text(report)
    print(report)
    for one in found:
        print(
            f"{one.checkpoint}: {one.ratio:.3f} of {one.limit} (wanted {WANTED[one.checkpoint]}), "
            f"{one.peak_bytes / MIB:.0f} MiB beyond the weights (wanted at most "
            f"{arguments.memory})"
        )


def _base(work: Path, folder: Path, arguments: argparse.Namespace) -> Measured:
    checkpoint = work / "base"
    if not checkpoint.exists():
        write_base_checkpoint(checkpoint)
    retriever = _loaded(str(checkpoint), arguments)
    batches = arguments.tower_batches
    threads = 1 if arguments.together else side_by_side(retriever.device)

    def tower(_part: Sequence[Path]) -> tuple[int, float]:
        return batches * _batch(retriever), _tower_seconds(retriever, batches, threads)

    return _measured("base", retriever, folder, _in_turns(retriever, work, tower, arguments))


def _builtin(work: Path, folder: Path, arguments: argparse.Namespace) -> Measured:
    retriever = _loaded("builtin", arguments)

    def decoders(part: Sequence[Path]) -> tuple[int, float]:
        return len(part), _decoding_seconds(retriever, part, arguments)

    # All at once: a run's beginning and end take as long as a dozen pictures.
    at_once = argparse.Namespace(**vars(arguments) | {"turns": 1})
    return _measured("builtin", retriever, folder, _in_turns(retriever, work, decoders, at_once))


def _loaded(checkpoint: str, arguments: argparse.Namespace) -> BlipRetriever:
    retriever = BlipRetriever.from_pretrained(
        checkpoint, device=arguments.device, dtype=arguments.dtype
    )
    retriever.encode_squares(_squares(retriever, 1), "none")
    return retriever


def _measured(name: str, retriever: BlipRetriever, folder: Path, turns: Turns) -> Measured:
    files = sorted(folder.iterdir())
    return Measured(
        name,
        f"{retriever.device}, {retriever.dtype}, {torch.get_num_threads()} threads",
        len(files),
        megapixels_of(files) / len(files),
        turns.whole,
        turns.alone,
        "the bare vision tower" if name == "base" else "the decoders alone",
        turns.limited_by,
        turns.peak_bytes,
    )


def _in_turns(
    retriever: BlipRetriever, work: Path, limit: Limit, arguments: argparse.Namespace
) -> Turns:
    """Index the photos into a new library, part by part; before and after each, the limit alone."""
    place = work / "library"
    shutil.rmtree(place, ignore_errors=True)
    files = sorted((work / f"photos-{arguments.count}").iterdir())
    parts = [files[start :: arguments.turns] for start in range(arguments.turns)]
    options = IndexOptions(batch_size=arguments.wanted_batch, memory=arguments.memory * MIB)
    # A look takes 12 ms with a network of base size: four a second would be 2 % of two cores.
    curve = MemoryCurve(every=1.0)
    alone = [limit(parts[0])]
    seconds, limited_by = 0.0, []
    with (
        Library.open(place, create=True) as library,
        library.create_collection("photos", retriever.identity) as collection,
    ):
        for part in parts:
            with curve.watching():
                began = time.monotonic()
                summary = index_collection(collection, retriever, part, options)
                seconds += time.monotonic() - began
            assert (summary.added, summary.failed) == (len(part), ()), summary
            limited_by.append(summary.limited_by)
            alone.append(limit(part))
    counts, times = zip(*alone, strict=True)
    return Turns(
        len(files) / seconds,
        sum(counts) / sum(times),
        max(set(limited_by), key=limited_by.count),
        curve.peak,
    )


def _tower_seconds(retriever: BlipRetriever, batches: int, threads: int) -> float:
    """How long the bare vision tower takes for so many batches of tensors on its device.

    Each thread works on batches of its own, with its part of the cores: on a CPU a thread a core,
    as in a run, is faster than one with all cores.
    """
    tower = retriever._network.vision_model  # noqa: SLF001  # the bare tower is the point
    squares = _squares(retriever, _batch(retriever))
    pixels = retriever._normalise_on_device(squares)  # noqa: SLF001

    @torch.inference_mode()
    def work(some: int) -> None:
        for _ in range(some):
            encode_in_parts(tower, pixels)

    with cores_shared(threads), ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [1] * threads))
        _finish(retriever)
        began = time.monotonic()
        list(pool.map(work, [batches // threads] * threads))
        _finish(retriever)
        return time.monotonic() - began


def _decoding_seconds(
    retriever: BlipRetriever, files: Sequence[Path], arguments: argparse.Namespace
) -> float:
    """How long the decoders take for these photos, with nothing to do behind them."""
    shares = share_out(arguments.memory * MIB, 0)
    rules = rules_for(retriever, 200_000_000, shares.decoding)
    provision = Provision(shares.processes, shares.decoding, shares.waiting, shares.fetching)
    candidates = [
        Candidate(
            ImageFile(1, path.name, path.stat().st_size, 0),
            Place("folder", str(path.parent), path.name),
            None,
        )
        for path in files
    ]
    began = time.monotonic()
    with Decoders(candidates, Orders(look, rules, 60.0), provision) as decoders:
        while (outcome := decoders.next()) is not None:
            assert not isinstance(outcome, Refused), outcome
    return time.monotonic() - began


def _squares(retriever: BlipRetriever, count: int) -> Squares:
    side = retriever.image_size
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def _batch(retriever: BlipRetriever) -> int:
    return BATCH if retriever.device == "cpu" else 128


def _finish(retriever: BlipRetriever) -> None:
    if retriever.device.startswith("cuda"):
        torch.cuda.synchronize()


def _report(found: list[Measured]) -> str:
    columns = (
        *("checkpoint", "device", "photos", "megapixels each", "images/s, whole run"),
        *("images/s, alone", "share", "limited by", "MiB beyond the weights"),
    )
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    rows += [
        f"| {one.checkpoint} | {one.device} | {one.photos} | {one.megapixels:.1f} | "
        f"{one.whole:.2f} | {one.alone:.2f} ({one.limit}) | {one.ratio:.3f} | {one.limited_by} | "
        f"{one.peak_bytes / MIB:.0f} |"
        for one in found
    ]
    return "\n".join(rows) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--only", choices=("base", "builtin"))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch-size", dest="wanted_batch", type=int)
    parser.add_argument("--tower-batches", type=int, default=8, help="before and after each turn")
    parser.add_argument("--together", action="store_true", help="the tower with all cores at once")
    parser.add_argument("--turns", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
