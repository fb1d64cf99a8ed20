"""Measures searches among a million vectors: recall, time and memory, ours beside others.

    python -m benchmarks.vectors [--count 1000000] [--work DIR] [--graphs bf16 i8]

The vectors are made up, see vectors_mixture.py: clusters of Zipf-like sizes on a cone, as image
embeddings lie; queries are held out, half like the images and half apart from them as sentences
are. They are written to a real catalog, and our searches read from it. All indexes are searched in
one process, taking turns, with single queries; the same threads are there for each. Twenty minutes
on two cores. Results go to benchmarks/results/; the ratios come last.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import faiss
import numpy as np

from benchmarks.vectors_contenders import Contender, autofaiss, exact, graph, mapped, ours
from benchmarks.vectors_figure import draw
from benchmarks.vectors_filters import filter_table, measure_filters
from benchmarks.vectors_library import COLLECTION, write_library
from benchmarks.vectors_measuring import Queries, measure, table, verdict
from benchmarks.vectors_mixture import Mixture, spectrum
from blipsearch.library import Library
from blipsearch.records import Embeddings
from blipsearch.vectors import IndexNeeds, VectorIndex

RESULTS = Path(__file__).parent / "results"
SPREAD = """\
{count:,} vectors of 256 numbers in 3,000 clusters of Zipf-like sizes around a common direction, a
cluster's members differing in 40 directions of decaying variance and in noise; {queries} queries,
held out, half like the images, half with another common direction and more noise, as sentences lie.
The built-in checkpoint's own embeddings of 800 pictures have a median cosine of 0.30 and a mean of
length 0.54, and use 22 of 128 dimensions (participation ratio); 800 of these vectors {cosine:.2f},
{mean:.2f} and {used:.0f} of 256: spread wider, which makes them harder to find."""

COLUMNS = """\
QPS is queries a second of two threads; bytes are what a vector takes in memory, everything counted.
Within filters, 20 queries each:"""

_T = TypeVar("_T")


def main() -> None:
    """Make, build, measure, print, write."""
    arguments = _arguments()
    faiss.omp_set_num_threads(arguments.threads)
    with _work(arguments.work) as work:
        mixture = Mixture()
        vectors = mixture.vectors(arguments.count, 0)
        half = arguments.queries // 2
        images, texts = mixture.vectors(half, 1), mixture.texts(half, 2)
        flat = exact(vectors)
        true = [np.concatenate([flat.settings[""](q[None]) for q in x]) for x in (images, texts)]
        queries = Queries(images, texts, *true)
        others = list(_rivals(arguments, vectors))
        library = work / "library"
        shutil.rmtree(library, ignore_errors=True)
        _timed("the catalog", lambda: write_library(library, vectors))
        with Library.open(library) as opened, opened.collection(COLLECTION) as collection:
            read = collection._live.embeddings  # noqa: SLF001  # for indexes beside its own
            directory = library / "collections" / "1"
            small, compact = _timed(
                "ours in 80 bytes",
                lambda: ours(
                    "ours in 80 bytes", collection, IndexNeeds(80 * arguments.count, 0.95)
                ),
            )
            close, coded = _timed(
                "ours at 0.99",
                lambda: ours("ours at 0.99", collection, IndexNeeds(400 * arguments.count)),
            )
            disk = mapped(coded, directory, read, close.build_seconds)
            curve, rows = measure([flat, close, small, disk, *others], queries, arguments.rounds)
            print(f"{table(rows)}\n", flush=True)
            indexes = {
                coded.facts.description: VectorIndex.over(coded),
                compact.facts.description: VectorIndex.over(compact),
            }
            some = np.concatenate([images[:10], texts[:10]])
            clusters = mixture.clusters_of(arguments.count, 0)
            filtered = filter_table(list(measure_filters(indexes, read, vectors, clusters, some)))
            print(f"{filtered}\n", flush=True)
        spread = _spread(vectors, arguments.queries)
        told = verdict(rows)
        RESULTS.mkdir(parents=True, exist_ok=True)
        title = f"Searches among {arguments.count:,} vectors, {arguments.threads} threads"
        parts = [f"# {title}", spread, table(rows), COLUMNS, filtered, told]
        (RESULTS / "vectors.md").write_text("\n\n".join(parts) + "\n")
        document = {
            "rows": [asdict(point) for point in rows],
            "curve": [asdict(point) for point in curve],
        }
        (RESULTS / "vectors.json").write_text(json.dumps(document, indent=2) + "\n")
        draw(curve, rows, RESULTS / "vectors.png")
    print(told)


def _rivals(arguments: argparse.Namespace, vectors: Embeddings) -> Iterator[Contender]:
    if arguments.autofaiss:
        yield _timed("autofaiss's choice", lambda: autofaiss(vectors))
    for dtype in arguments.graphs:
        one = graph(vectors, dtype)
        print(f"{one.title}: {one.build_seconds:.0f} s", flush=True)
        yield one


def _spread(vectors: Embeddings, queries: int) -> str:
    some = vectors[:800]
    used, _ = spectrum(some)
    cosines = (some @ some.T)[np.triu_indices(len(some), 1)]
    mean = float(np.linalg.norm(some.mean(axis=0)))
    return SPREAD.format(
        count=len(vectors), queries=queries, cosine=float(np.median(cosines)), mean=mean, used=used
    )


def _timed(name: str, make: Callable[[], _T]) -> _T:
    began = time.perf_counter()
    made = make()
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    return made


@contextmanager
def _work(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="blipsearch-vectors-") as folder:
        yield Path(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Searches among a million vectors.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200, help="half images, half sentences")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, help="a directory with 4 GB of room (temporary)")
    parser.add_argument("--autofaiss", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--graphs", nargs="*", default=["bf16"], help="usearch's dtypes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
