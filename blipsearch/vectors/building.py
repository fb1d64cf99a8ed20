"""Training and filling a coded base from a stream of embeddings, and trying it out."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blipsearch.errors import SnapshotError
from blipsearch.records import Embeddings
from blipsearch.vectors.basefiles import open_base, write_base
from blipsearch.vectors.coded import BaseFacts, CodedBase
from blipsearch.vectors.engine import faiss
from blipsearch.vectors.planning import IndexPlan
from blipsearch.vectors.selection import Selection
from blipsearch.vectors.trials import TrialResult, Trials
from blipsearch.vectors.values import ExactVectors, Ids

__all__ = ["BuildProgress", "BuildSource", "build_base"]

BuildProgress = Callable[[str, int, int], None]
"""Told a stage (`training`, `coding`, `trying`) and how many of how many vectors it has done."""

_CHUNK = 8192
_TRAINED_ON_PER_LIST = 40
_ROUNDS = 10
"""Rounds of k-means: what more of them change in recall was less than 0.001."""


@dataclass(frozen=True, slots=True)
class BuildSource:
    """What a base is built of: n ids, ascending, and the reader of their vectors.

    They show the catalog at `change` or, where it changes meanwhile, later; for the checkpoint with
    `fingerprint`.
    """

    ids: Ids
    read: ExactVectors
    change: int
    fingerprint: str


def build_base(
    source: BuildSource,
    plan: IndexPlan,
    recall: float,
    directory: Path,
    on_progress: BuildProgress | None = None,
    stop: threading.Event | None = None,
) -> CodedBase | None:
    """Build what a plan says, write it to a directory and open it from there; None once stopped.

    Vectors are read twice, a sample for training and then all, a chunk in memory at a time. Probes
    and shortlist are chosen so that trials reach `recall`. Raises SnapshotError where the directory
    cannot be written or nothing is there to be coded.
    """
    tell = on_progress or _silent
    stop = stop or threading.Event()
    rng = np.random.default_rng(source.change)
    sample = np.sort(rng.permutation(source.ids)[: plan.lists * _TRAINED_ON_PER_LIST])
    vectors = _read(source, sample, lambda done: tell("training", done, 2 * len(sample)), stop)
    if stop.is_set() or not len(vectors):
        _check_something(len(vectors), stop)
        return None
    index = _trained(plan, vectors)
    tell("training", 2 * len(sample), 2 * len(sample))
    trials = Trials.of(vectors, rng)
    members = _fill(index, source, trials, tell, stop)
    if stop.is_set() or not members.count:
        _check_something(members.count, stop)
        return None
    tell("trying", 0, 1)
    result = trials.settle(index, recall)
    tell("trying", 1, 1)
    facts = _facts(source, plan, recall, result, members)
    write_base(directory, facts, index, members)
    return open_base(directory, facts.token)


def _facts(
    source: BuildSource, plan: IndexPlan, wanted: float, result: TrialResult, members: Selection
) -> BaseFacts:
    return BaseFacts(
        token=secrets.token_hex(16),
        kind=plan.kind,
        description=plan.description,
        dim=result.dim,
        count=members.count,
        first=int(source.ids[0]),
        lists=plan.lists,
        probes=result.probes,
        factor=result.factor,
        recall=result.recall,
        wanted=wanted,
        change=source.change,
        built=time.time_ns(),
        fingerprint=source.fingerprint,
        mapped=plan.mapped,
    )


def _trained(plan: IndexPlan, vectors: Embeddings) -> Any:  # noqa: ANN401  # faiss ships no types
    index: Any = faiss.index_factory(vectors.shape[1], plan.description, faiss.METRIC_INNER_PRODUCT)
    clusterings = [index.cp]
    if hasattr(index, "pq"):
        clusterings.append(index.pq.cp)
        index.pq.cp.max_points_per_centroid = 128
    for clustering in clusterings:
        clustering.niter = _ROUNDS
        clustering.min_points_per_centroid = 1  # fewer are fine, and not worth a warning
    index.cp.max_points_per_centroid = _TRAINED_ON_PER_LIST
    index.train(vectors)
    return index


def _fill(
    index: Any,  # noqa: ANN401  # faiss ships no types
    source: BuildSource,
    trials: Trials,
    tell: BuildProgress,
    stop: threading.Event,
) -> Selection:
    """Code all vectors, a slot being an id less the first; returns which slots there are."""
    first, last = int(source.ids[0]), int(source.ids[-1])
    added = []
    for start in range(0, len(source.ids), _CHUNK):
        if stop.is_set():
            break
        ids, vectors = source.read(source.ids[start : start + _CHUNK])
        slots = ids - first
        if len(ids):
            index.add_with_ids(vectors, slots)
            trials.see(slots, vectors)
        added.append(slots)
        tell("coding", min(start + _CHUNK, len(source.ids)), len(source.ids))
    return Selection.of(np.concatenate(added or [np.empty(0, np.int64)]), last - first + 1)


def _read(
    source: BuildSource, ids: Ids, tell: Callable[[int], None], stop: threading.Event
) -> Embeddings:
    """Read the vectors of these ids, (m, dim); fewer once stopped."""
    parts = []
    for start in range(0, len(ids), _CHUNK):
        if stop.is_set():
            break
        parts.append(source.read(ids[start : start + _CHUNK])[1])
        tell(start)
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def _check_something(count: int, stop: threading.Event) -> None:
    if not count and not stop.is_set():
        raise SnapshotError("all images went while the index was built; build it again")


def _silent(stage: str, done: int, total: int) -> None:
    del stage, done, total
