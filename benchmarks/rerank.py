"""Measures what a candidate costs at the rerank, side by side with transformers.

    python -m benchmarks.rerank [--candidates 64] [--rounds 3] [--device cpu] [--dtype float32]

All ways take turns in one process, on a network of BLIP's base size with random weights, with a
query of ten tokens; a way's figure is the median of its rounds. (a) is the call that transformers'
documentation shows, (b) its text_encoder on stored image states in the batch that suits it best,
(c) ours. Then every variant's recall@1 on the built-in checkpoint's test scenes, the curve of
recall over candidates, and both written to benchmarks/results/.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import rerank_quality as quality
from benchmarks.rerank_variants import VARIANTS, prepare
from blipsearch.blip import BlipRetriever
from blipsearch.blip.matcher import absorbing_is_cheaper
from blipsearch.blip.products import multiply
from blipsearch.testing import write_base_checkpoint

RESULTS = Path(__file__).parent / "results"
QUERY = "a red boat on the beach near table"
RIVAL_BATCHES = (1, 4, 8, 16)
REACH = "wanted: a/c at least 30, b/c at least 4, share at least 0.8; compressed: a/c at least 60"

Floats = npt.NDArray[np.float32]
Way = Callable[[], torch.Tensor | Floats]


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds a candidate, bytes stored of an image, and how far the logits are from (b)'s."""

    milliseconds: float
    stored: int
    error: float


class Bench:
    """The network, the query and the states that all ways share."""

    def __init__(self, folder: Path, candidates: int, device: str, dtype: str) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.loaded: dict[tuple[str, str], BlipRetriever] = {}
        self.retriever = self.load("auto", "")
        self.network = self.retriever._network  # noqa: SLF001  # the rivals need transformers' own
        vocabulary = self.retriever._vocabulary  # noqa: SLF001
        ids = vocabulary.caption_ids(QUERY, vocabulary.enc)
        self.ids = torch.tensor([ids], device=device)
        self.mask = torch.ones_like(self.ids)
        rng = np.random.default_rng(0)
        shape = (candidates, self.retriever.tokens, self.retriever.width)
        # As large as the tower's layer norm leaves them.
        self.states: Floats = rng.standard_normal(shape, dtype=np.float32)
        torch_dtype = getattr(torch, dtype)
        self.on_device = torch.from_numpy(self.states).to(device, torch_dtype)
        self.pixels = torch.randn(1, 3, 384, 384, device=device).to(torch_dtype)

    def load(self, match_dtype: str, dtype: str) -> BlipRetriever:
        """The checkpoint in that arithmetic; loaded once."""
        key = match_dtype, dtype or self.dtype
        if key not in self.loaded:
            self.loaded[key] = BlipRetriever.from_pretrained(
                self.folder, device=self.device, dtype=key[1], match_dtype=match_dtype
            )
        return self.loaded[key]

    @torch.inference_mode()
    def documented(self) -> torch.Tensor:
        """(a): `model(**inputs)`, one pair after another, the pixels ready."""
        logits = [
            self.network(
                input_ids=self.ids, pixel_values=self.pixels, attention_mask=self.mask
            ).itm_score
            for _ in range(len(self.states))
        ]
        return torch.cat(logits)

    @torch.inference_mode()
    def text_encoder(self, batch: int, count: int | None = None) -> torch.Tensor:
        """(b): transformers' text encoder on stored states, `batch` images at a time."""
        logits = [
            self.network.itm_head(
                self.network.text_encoder(
                    input_ids=self.ids, attention_mask=self.mask, encoder_hidden_states=states
                ).last_hidden_state[:, 0]
            )
            for states in torch.split(self.on_device[:count], batch)
        ]
        return torch.cat(logits)

    def best_batch(self) -> int:
        """The batch that suits (b) best, of a few tried on some of the candidates."""
        self.text_encoder(8, 16)
        return min(RIVAL_BATCHES, key=lambda n: self.seconds(lambda: self.text_encoder(n, 16)))

    def seconds(self, way: Way) -> float:
        """How long a way takes, the device's work included."""
        began = time.perf_counter()
        way()
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - began


def peak(device: str, dtype: str) -> float:
    """What this machine multiplies at best, in FLOP a second: the best of a few square products."""
    best = 0.0
    for size in (768, 1024, 2048):
        left = torch.randn(size, size, device=device).to(getattr(torch, dtype))
        for product in (torch.mm, torch.nn.functional.linear, multiply):
            product(left, left)
            if device != "cpu":
                torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(3):
                product(left, left)
            if device != "cpu":
                torch.cuda.synchronize()
            best = max(best, 3 * 2.0 * size**3 / (time.perf_counter() - began))
    return best


def flop_a_candidate(retriever: BlipRetriever, length: int) -> float:
    """Multiplications and additions that a pair needs with absorbed projections.

    The first layer's self-attention and queries are the query's, not the candidate's; the last
    layer's cross-attention and feed-forward are for one token.
    """
    text = retriever._network.config.text_config  # noqa: SLF001
    width, wide, heads = text.hidden_size, text.intermediate_size, text.num_attention_heads
    tokens, layers = retriever.tokens, text.num_hidden_layers
    assert absorbing_is_cheaper(length, tokens, head=width // heads, width=width)
    own = 4 * width * width * length + 2 * length * length * width
    asking = 2 * width * width
    looking = 2 * heads * tokens * width
    closing = 2 * width * width + 2 * width * wide
    first = length * (looking + closing)
    last = 2 * width * width * length + 2 * width * width + asking + looking + closing
    between = (layers - 2) * (own + length * (asking + looking + closing))
    return float(2 * (first + between + last))


def run(bench: Bench, rounds: int) -> tuple[dict[str, Timed], float]:
    """Let all ways take turns; return each one's median and the machine's peak, seen meanwhile."""
    batch = bench.best_batch()
    print(f"(b) runs best in batches of {batch}", flush=True)
    wanted = bench.text_encoder(batch)
    ways: dict[str, Way] = {"a": bench.documented, "b": lambda: bench.text_encoder(batch)}
    stored, errors = {"a": 0, "b": bench.states[0].nbytes}, {"a": 0.0, "b": 0.0}
    for variant in VARIANTS:
        if bench.device != "cpu" and not variant.runs_anywhere:
            continue
        name = variant.name
        ways[name], stored[name] = prepare(variant, bench.load, bench.states, QUERY)
        errors[name] = float(np.abs(ways[name]() - wanted.float().cpu().numpy()).max())
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    peaks = []
    for number in range(rounds):
        peaks.append(peak(bench.device, bench.dtype))
        for name, way in ways.items():
            seconds[name].append(bench.seconds(way))
        told = ", ".join(f"{n} {1e3 * t[-1] / len(wanted):.1f}" for n, t in seconds.items())
        print(f"round {number + 1}: {told}", flush=True)
    timed = {
        name: Timed(1e3 * statistics.median(taken) / len(wanted), stored[name], errors[name])
        for name, taken in seconds.items()
    }
    return timed, statistics.median(peaks)


def table(timed: dict[str, Timed], figures: dict[str, quality.Quality]) -> str:
    """Every variant: bytes an image, milliseconds a candidate, ratio to (a), error, recall@1."""
    a, b = timed["a"].milliseconds, timed["b"].milliseconds
    bytes_b = timed["b"].stored
    columns = ("variant", "bytes an image", "ms a candidate", "a / it", "logits off by")
    lines = [
        f"| {' | '.join(columns)} | R@1, new scenes | R@1, new combinations |",
        "|---|---:|---:|---:|---:|---:|---:|",
        f"| (a) transformers, documented call | 0 | {a:.1f} | 1.0 | | | |",
        f"| (b) transformers on stored states | {bytes_b:,} | {b:.1f} | {a / b:.1f} | | | |",
    ]
    for variant in VARIANTS:
        one, told = timed[variant.name], figures[variant.name]
        off = f"{one.error:.0e}" if variant.keeps_states else ""
        lines.append(
            f"| {variant.title} | {one.stored:,} | {one.milliseconds:.1f} | "
            f"{timed['a'].milliseconds / one.milliseconds:.1f} | {off} | "
            f"{told.new_scenes:.3f} | {told.new_combinations:.3f} |"
        )
    return "\n".join(lines)


def verdict(timed: dict[str, Timed], share: float, fastest: float, name: str) -> str:
    """The ratios, a line."""
    a, b, c = (timed[name].milliseconds for name in ("a", "b", "c"))
    return (
        f"a {a:.1f} ms, b {b:.1f} ms, c {c:.2f} ms a candidate; peak {fastest / 1e9:.0f} GFLOP/s\n"
        f"a/c {a / c:.1f}, b/c {b / c:.2f}, share of peak {share:.2f}; "
        f"compressed ({name}): a/c {a / timed[name].milliseconds:.1f}"
    )


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            write_base_checkpoint(folder), arguments.candidates, arguments.device, arguments.dtype
        )
        timed, fastest = run(bench, arguments.rounds)
    length = bench.ids.shape[1]
    needed = flop_a_candidate(bench.retriever, length)
    share = needed / (timed["c"].milliseconds / 1e3) / fastest
    compressed = "merged, int8 match" if arguments.device == "cpu" else "merged"
    told = verdict(timed, share, fastest, compressed)
    if not arguments.speed_only and arguments.device == "cpu":
        scenes = quality.load_scenes(arguments.scenes)
        figures = {variant.name: quality.measure(variant, scenes) for variant in VARIANTS}
        rows = table(timed, figures)
        print(rows)
        curve = quality.draw_curve(scenes, RESULTS / "rerank-curve.png", timed["c"].milliseconds)
        _write(rows, told, arguments, timed, curve)
    print(f"{told}\n{REACH}")


def _write(
    rows: str,
    told: str,
    arguments: argparse.Namespace,
    timed: dict[str, Timed],
    curve: Sequence[quality.Point],
) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    title = (
        f"# What a candidate costs: base size, {arguments.candidates} candidates, 10-token query, "
        f"{arguments.device}, {arguments.dtype}, {arguments.threads} thread(s)"
    )
    (RESULTS / "rerank.md").write_text(f"{title}\n\n{rows}\n\n{told}\n")
    document = {
        "milliseconds": {name: round(one.milliseconds, 3) for name, one in timed.items()},
        "curve": [point.as_dict() for point in curve],
    }
    (RESULTS / "rerank.json").write_text(json.dumps(document, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a candidate costs at the rerank.")
    parser.add_argument("--candidates", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--scenes", type=int, default=1000, help="test scenes for recall@1")
    parser.add_argument(
        "--speed-only",
        action="store_true",
        help="no recall, nothing written; so it is where the device is no CPU",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
