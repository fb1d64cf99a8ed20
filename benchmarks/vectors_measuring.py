"""Searching all contenders in turn, for `vectors.py`: what each finds and how long it takes."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.vectors_contenders import Contender, Search
from blipsearch.records import Embeddings
from blipsearch.vectors import Ids

__all__ = ["Point", "Queries", "measure", "table", "verdict"]

REACH = (
    "wanted: recall@100 at least 0.99 at no more than 1/5 of exact search's time; recall@100 at "
    "least 0.95 within 80 bytes a vector"
)


@dataclass(frozen=True, slots=True)
class Queries:
    """Held-out queries (q, dim) of each sort and their true neighbours (q, K)."""

    images: Embeddings
    texts: Embeddings
    images_true: Ids
    texts_true: Ids


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one index."""

    title: str
    setting: str
    bytes_per_vector: float
    build_seconds: float
    images: float
    texts: float
    p50: float
    p99: float
    qps: float


def measure(
    contenders: list[Contender], queries: Queries, rounds: int
) -> tuple[list[Point], list[Point]]:
    """Every setting once, for the curves; then what each is run with, `rounds` times in turn."""
    curve = [
        _point(one, setting, queries, *_once(search, queries))
        for one in contenders
        for setting, search in one.settings.items()
    ]
    chosen = {one.title: _chosen(one, curve) for one in contenders}
    taken: dict[str, list[float]] = {one.title: [] for one in contenders}
    found: dict[str, tuple[Ids, Ids]] = {}
    for number in range(rounds):
        for one in contenders:
            search = one.settings[chosen[one.title]]
            images, texts, seconds = _once(search, queries)
            found[one.title] = images, texts
            taken[one.title] += seconds
            print(f"round {number + 1}: {one.title}: {1e3 * np.median(seconds):.2f} ms", flush=True)
    rows = []
    for one in contenders:
        search = one.settings[chosen[one.title]]
        speed = _throughput(search, queries)
        images, texts = found[one.title]
        point = _point(one, chosen[one.title], queries, images, texts, taken[one.title], speed)
        rows.append(point)
    return curve, rows


def _once(search: Search, queries: Queries) -> tuple[Ids, Ids, list[float]]:
    """Search for each query by itself; what was found and what each took."""
    for query in queries.images[:3]:
        search(query[np.newaxis])
    seconds: list[float] = []

    def timed(query: Embeddings) -> Ids:
        began = time.perf_counter()
        found = search(query)
        seconds.append(time.perf_counter() - began)
        return found

    images = np.concatenate([timed(query[np.newaxis]) for query in queries.images])
    texts = np.concatenate([timed(query[np.newaxis]) for query in queries.texts])
    return images, texts, seconds


def _throughput(search: Search, queries: Queries) -> float:
    """Queries a second of two threads that search at the same time."""
    every = [query[np.newaxis] for query in np.concatenate([queries.images, queries.texts])]
    with ThreadPoolExecutor(2) as pool:
        began = time.perf_counter()
        list(pool.map(search, every))
        return len(every) / (time.perf_counter() - began)


def _point(  # noqa: PLR0913, PLR0917  # one row of the table
    one: Contender,
    setting: str,
    queries: Queries,
    images: Ids,
    texts: Ids,
    seconds: list[float],
    qps: float = 0.0,
) -> Point:
    return Point(
        one.title,
        setting,
        one.bytes_per_vector,
        one.build_seconds,
        recall(queries.images_true, images),
        recall(queries.texts_true, texts),
        1e3 * statistics.median(seconds),
        1e3 * float(np.percentile(seconds, 99)),
        qps,
    )


def recall(true: Ids, found: Ids) -> float:
    """The share of the true neighbours (q, K) that were found."""
    shares = [np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]
    return float(np.mean(shares))


def _chosen(one: Contender, curve: list[Point]) -> str:
    """Its own setting, else the quickest that reaches 0.99 with either sort, else the best."""
    if one.own is not None:
        return one.own
    own = [point for point in curve if point.title == one.title]
    good = [point for point in own if min(point.images, point.texts) >= 0.99]
    if good:
        return min(good, key=lambda point: point.p50).setting
    return max(own, key=lambda point: min(point.images, point.texts)).setting


def table(rows: list[Point]) -> str:
    """Lay the rows out."""
    lines = [
        "| index | setting | recall@100 images | texts | p50 ms | p99 ms | QPS | bytes | build s |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.title} | {one.setting or '-'} | {one.images:.4f} | {one.texts:.4f} | "
        f"{one.p50:.2f} | {one.p99:.2f} | {one.qps:.0f} | {one.bytes_per_vector:.1f} | "
        f"{one.build_seconds:.0f} |"
        for one in rows
    ]
    return "\n".join(lines)


def verdict(rows: list[Point]) -> str:
    """The ratios, a line each."""
    slow = rows[0]
    close, small = (
        next(one for one in rows if one.title.startswith(start))
        for start in ("ours at 0.99", "ours in 80 bytes")
    )
    said = [
        f"{one.title}: recall@100 {one.images:.4f} (images), {one.texts:.4f} (texts) at "
        f"{one.bytes_per_vector:.1f} bytes a vector; exact takes {slow.p50 / one.p50:.1f} times "
        f"as long ({slow.p50:.1f} ms, {one.p50:.2f} ms)"
        for one in (close, small)
    ]
    return "\n".join([*said, REACH])
