"""Measures the store of image states: what keeping and reading them costs beside the match.

    python -m benchmarks.states [--candidates 256] [--rounds 5]

Base-size records of every kind, spread over several files, read 256 at a time in random order from
a warm cache: milliseconds an image to keep and to read, beside a plain copy of the same bytes.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from blipsearch.blip.packing import pack_states
from blipsearch.records import StateKey, StatesKind
from blipsearch.states import StateStore

KINDS: tuple[StatesKind, ...] = ("float16", "int8", "merged")
TOKENS, WIDTH = 577, 768


def _seconds(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def measure(kind: StatesKind, candidates: int, rounds: int, folder: Path) -> str:
    """One line of the table."""
    states = pack_states(torch.randn(32, TOKENS, WIDTH), kind)
    count = 2 * candidates // 32 * 32
    keys = [StateKey(n + 1, hashlib.sha256(str(n).encode()).hexdigest()) for n in range(count)]
    rng = np.random.default_rng(0)
    with StateStore(folder, "a" * 64, kind, 10**12) as store:
        put = [
            _seconds(lambda part=keys[at : at + 32]: store.put(part, states))  # type: ignore[misc]
            for at in range(0, count, 32)
        ]
        get, copied = [], []
        for _ in range(rounds):
            chosen = [keys[i] for i in rng.permutation(count)[:candidates]]
            # As the rerank does: a batch at a time, each let go before the next.
            get.append(
                _seconds(
                    lambda some=chosen: [  # type: ignore[misc]
                        store.get(some[at : at + 16]) for at in range(0, candidates, 16)
                    ]
                )
            )
            copied.append(
                _seconds(lambda: [states.values[:16].copy() for _ in range(candidates // 16)])
            )
    parts = (states.values, states.scales, states.sizes)
    size = sum(part[0].nbytes for part in parts if part is not None)
    return (
        f"| {kind} | {size:,} | {1e3 * statistics.median(put) / 32:.2f} | "
        f"{1e3 * statistics.median(get) / candidates:.2f} | "
        f"{1e3 * statistics.median(copied) / candidates:.2f} |"
    )


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description="What storing image states costs.")
    parser.add_argument("--candidates", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print("| kind | bytes a record | ms to keep | ms to read | ms to copy the values |")
    print("|---|---:|---:|---:|---:|")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            print(measure(kind, arguments.candidates, arguments.rounds, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
