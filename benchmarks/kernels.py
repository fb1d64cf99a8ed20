"""Measures what the match and the vision tower are made of, and what was tried to better it.

    python -m benchmarks.kernels [--rounds 5]

Base size, random weights, one thread. Kernels are told in GFLOP/s, the share of the work they do;
whole passes in milliseconds. All ways of a group take turns; medians. Prints a table and writes it
to benchmarks/results/kernels.md.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import linear, scaled_dot_product_attention

from blipsearch.blip import products
from blipsearch.blip.matcher import Matcher, Seen, _attend_int8
from blipsearch.blip.packing import pack_states, unpack_states
from blipsearch.blip.products import multiply, quantized, round_rows
from blipsearch.blip.vision import encode_vision
from blipsearch.testing import make_base_network

RESULT = Path(__file__).parent / "results" / "kernels.md"
IMAGES, LENGTH, HEADS, TOKENS, WIDTH, WIDE = 16, 10, 12, 577, 768, 3072
PADDED = 584
"""The tokens padded to a multiple of eight."""

Way = Callable[[], object]
Group = dict[str, Way]


def dense() -> tuple[Group, float]:
    """The widest product of the text's side, for a batch of candidates."""
    layer = torch.nn.Linear(WIDTH, WIDE)
    hidden = torch.randn(IMAGES * LENGTH, WIDTH)
    weight, bias, rounded = layer.weight, layer.bias, quantized(layer)
    halved = weight.bfloat16(), bias.bfloat16()
    ways: Group = {
        "MKL, as torch.nn.functional.linear": lambda: linear(hidden, weight, bias),
        "oneDNN (ours)": lambda: multiply(hidden, weight, bias),
        "int8, rounding included (option)": lambda: rounded(hidden),
        "bfloat16, converting included": lambda: linear(hidden.bfloat16(), *halved).float(),
    }
    return ways, 2.0 * len(hidden) * WIDTH * WIDE


def attention() -> tuple[Group, float]:
    """Absorbed cross-attention of a batch of candidates: scores, softmax, means."""
    asked = torch.randn(IMAGES, LENGTH * HEADS, WIDTH) / WIDTH**0.5
    states = torch.randn(IMAGES, TOKENS, WIDTH)
    rounded, scales = round_rows(states.flatten(0, 1))
    padded = torch.nn.functional.pad(states, (0, 0, 0, PADDED - TOKENS))

    def one_by_one(product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        for image in range(IMAGES):
            shares = product(asked[image], states[image]).softmax(-1)
            product(shares, states[image].T)

    def transposed() -> None:
        for image in range(IMAGES):
            shares = multiply(states[image], asked[image]).T.softmax(-1)
            multiply(shares, states[image].T)

    def at_once(states: torch.Tensor) -> None:
        scores = torch.bmm(asked, states.transpose(1, 2))
        scores[:, :, TOKENS:] = -torch.inf
        torch.bmm(scores.softmax(-1), states)

    ways: Group = {
        "image by image, oneDNN (ours)": lambda: one_by_one(multiply),
        "image by image, int8, rounding included (option)": lambda: _attend_int8(
            asked, rounded.view_as(states), scales.view(IMAGES, TOKENS), None
        ),
        "image by image, MKL": lambda: one_by_one(linear),
        "image by image, oneDNN, scores transposed": transposed,
        "all images at once": lambda: at_once(states),
        "all images at once, tokens padded to 584": lambda: at_once(padded),
        "fused softmax (scaled_dot_product_attention)": lambda: scaled_dot_product_attention(
            asked[:, None], states[:, None], states[:, None], scale=1.0
        ),
    }
    return ways, 4.0 * IMAGES * LENGTH * HEADS * TOKENS * WIDTH


def match(network: Any) -> Group:  # noqa: ANN401  # transformers' own
    """The match of a batch of candidates, whole."""
    states = Seen(torch.randn(IMAGES, TOKENS, WIDTH))
    stored = pack_states(states.values, "int8")
    rounded = unpack_states(stored, torch.device("cpu"), torch.float32, int8=True)
    ids = torch.tensor([[30523, *range(2000, 2000 + LENGTH - 2), 102]])
    exact, int8 = Matcher(network), Matcher(network, int8=True)
    compiled = torch.compile(exact.match)
    reading = exact.read(ids)
    return {
        "ours": lambda: exact.match(reading, states),
        "torch.compile, torch's own products": _with_torchs_products(
            lambda: compiled(reading, states)
        ),
        "int8 match (option)": lambda: int8.match(int8.read(ids), rounded),
    }


def tower(network: Any) -> Group:  # noqa: ANN401  # transformers' own
    """The vision tower on four pictures."""
    vision = network.vision_model
    pixels = torch.randn(4, 3, 384, 384)
    rounded, half = copy.deepcopy(vision), copy.deepcopy(vision).bfloat16()
    for layer in rounded.encoder.layers:
        for part, name in (
            *((layer.self_attn, name) for name in ("qkv", "projection")),
            *((layer.mlp, name) for name in ("fc1", "fc2")),
        ):
            setattr(part, name, _Int8(getattr(part, name)))
    compiled = torch.compile(encode_vision)
    return {
        "transformers (eager), one by one": lambda: [vision(one[None]) for one in pixels],
        "transformers (eager), four": lambda: vision(pixels),
        "ours, one by one": lambda: [encode_vision(vision, one[None]) for one in pixels],
        "ours (SDPA, oneDNN), four": lambda: encode_vision(vision, pixels),
        "torch.compile, torch's own products, four": _with_torchs_products(
            lambda: compiled(vision, pixels)
        ),
        "transformers with int8 layers, four": lambda: rounded(pixels),
        "ours in bfloat16, four": lambda: encode_vision(half, pixels.bfloat16()),
    }


def _with_torchs_products(way: Way) -> Way:
    """The compiler does not take oneDNN's operator as we call it; it chooses kernels itself."""

    def run() -> object:
        ours, products._ONEDNN = products._ONEDNN, None  # noqa: SLF001
        try:
            return way()
        finally:
            products._ONEDNN = ours  # noqa: SLF001

    return run


class _Int8(torch.nn.Module):
    """A linear layer whose product is rounded."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self._product = quantized(layer)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Multiply."""
        return self._product(hidden)


@torch.inference_mode()
def medians(ways: Group, rounds: int) -> dict[str, float]:
    """The median seconds of each way; they take turns, after a first turn that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number:
                taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Kernels of the match and the vision tower.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    network = make_base_network()
    lines = ["# Kernels at base size, one thread", ""]
    for title, (ways, flop) in {
        "a product of the text's side": dense(),
        "absorbed cross-attention": attention(),
    }.items():
        lines += [f"| {title} | GFLOP/s |", "|---|---:|"]
        for name, seconds in medians(ways, 4 * rounds).items():
            lines.append(f"| {name} | {flop / seconds / 1e9:.0f} |")
        lines.append("")
    for title, ways, count in (
        ("the match, 16 candidates", match(network), IMAGES),
        ("the vision tower", tower(network), 4),
    ):
        lines += [f"| {title} | ms each |", "|---|---:|"]
        for name, seconds in medians(ways, rounds).items():
            lines.append(f"| {name} | {1e3 * seconds / count:.1f} |")
        lines.append("")
    told = "\n".join(lines)
    RESULT.write_text(told)
    print(told)


if __name__ == "__main__":
    main()
