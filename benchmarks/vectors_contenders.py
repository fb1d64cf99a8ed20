"""The indexes that take part in benchmarks/vectors.py: ours and those measured beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from usearch.index import Index as GraphIndex

from blipsearch.collection import Collection
from blipsearch.records import Embeddings
from blipsearch.vectors import CodedBase, ExactVectors, Ids, IndexNeeds, VectorIndex, base_paths

__all__ = ["Contender", "K", "autofaiss", "exact", "graph", "mapped", "ours"]

K = 100
AUTOFAISS_KEY = "OPQ64_320,IVF16384_HNSW32,PQ64x8"
PROBES = (4, 8, 16, 32, 64, 128, 256, 512)
EXPANSIONS = (100, 150, 250, 400, 700)

Search = Callable[[Embeddings], Ids]
"""One query (1, dim) in, the ids of its K nearest out, (1, K), from 1 on."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One index, with the settings that it can be searched with, from quick to thorough.

    `own` names the setting it chose by itself; None where it chooses none, and then the first
    that reaches the recall wanted counts.
    """

    title: str
    bytes_per_vector: float
    build_seconds: float
    settings: dict[str, Search]
    own: str | None


def exact(vectors: Embeddings) -> Contender:
    """Compare every query with every vector."""
    began = time.perf_counter()
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    size = 4.0 * vectors.shape[1]
    search = _faiss_search(index)
    return Contender("exact (faiss Flat)", size, time.perf_counter() - began, {"": search}, "")


def ours(title: str, collection: Collection, needs: IndexNeeds) -> tuple[Contender, CodedBase]:
    """Build what blipsearch plans, in the collection; every search reads from its catalog."""
    began = time.perf_counter()
    collection.build_index(needs)
    seconds = time.perf_counter() - began
    live = collection._live  # noqa: SLF001  # the base is tried with other probes too
    base, info = live.index.base, collection.index_info
    assert base is not None
    settings = dict(_probed(base, live.embeddings))
    chosen = f"{info.probes} probes"
    settings[chosen] = _index_search(live.index, live.embeddings)
    named = f"{title} ({info.description})"
    return Contender(named, info.bytes / info.vectors, seconds, settings, chosen), base


def mapped(base: CodedBase, directory: Path, read: ExactVectors, seconds: float) -> Contender:
    """The same lists left on disk."""
    _, lists = base_paths(directory, base.facts.token)
    facts = replace(base.facts, mapped=True, kind="mapped")
    there = CodedBase(facts, faiss.read_index(str(lists), faiss.IO_FLAG_MMAP), base.members)
    each = VectorIndex.over(there).info.bytes / len(there)
    title = f"ours, memory-mapped ({facts.description})"
    settings = dict(_probed(there, read))
    chosen = f"{facts.probes} probes"
    settings[chosen] = _index_search(VectorIndex.over(there), read)
    return Contender(title, each, seconds, settings, chosen)


def graph(vectors: Embeddings, dtype: str) -> Contender:
    """Usearch's HNSW with its default connectivity, over vectors of this dtype."""
    began = time.perf_counter()
    index = GraphIndex(ndim=vectors.shape[1], metric="ip", dtype=dtype)
    index.add(np.arange(1, len(vectors) + 1), vectors)
    seconds = time.perf_counter() - began
    settings = {f"expansion {n}": _graph_search(index, n) for n in EXPANSIONS}
    each = index.memory_usage / len(vectors)
    return Contender(f"usearch HNSW, {dtype}", each, seconds, settings, None)


def autofaiss(vectors: Embeddings) -> Contender:
    """The index that autofaiss 2.18 chooses for a million vectors in our compact kind's bytes.

    Its key is what `get_optimal_index_keys_v2(1_000_000, 256, "77MB")` says first. It is built here
    with as much training as ours (ten rounds on 40 vectors a list): autofaiss's own build trains on
    all vectors, with more rounds; it was stopped after 25 minutes on two busy cores.
    """
    began = time.perf_counter()
    index: Any = faiss.index_factory(vectors.shape[1], AUTOFAISS_KEY, faiss.METRIC_INNER_PRODUCT)
    lists = faiss.extract_index_ivf(index)
    lists.cp.niter = 10
    lists.cp.max_points_per_centroid = 40
    sample = np.random.default_rng(0).permutation(len(vectors))[: 40 * lists.nlist]
    index.train(vectors[sample])
    index.add(vectors)
    seconds = time.perf_counter() - began
    size = faiss.serialize_index(index).nbytes / len(vectors)
    space, plain = faiss.ParameterSpace(), _faiss_search(index)
    settings: dict[str, Search] = {}
    for probes in (*PROBES, 1024, 2048):
        setting = f"nprobe={probes},quantizer_efSearch={2 * probes},ht=2048"
        settings[f"{probes} probes"] = _tuned(space, index, setting, plain)
    return Contender(f"autofaiss's choice ({AUTOFAISS_KEY})", size, seconds, settings, None)


def _tuned(space: Any, index: Any, setting: str, search: Search) -> Search:  # noqa: ANN401
    def one(query: Embeddings) -> Ids:
        space.set_index_parameters(index, setting)
        return search(query)

    return one


def _probed(base: CodedBase, read: ExactVectors) -> Iterator[tuple[str, Search]]:
    for probes in PROBES:
        facts = replace(base.facts, probes=probes)
        tried = CodedBase(facts, base._index, base.members)  # noqa: SLF001
        yield f"{probes} probes", _index_search(VectorIndex.over(tried), read)


def _index_search(index: VectorIndex, read: ExactVectors) -> Search:
    return lambda query: index.search(query, K, None, read).ids


def _faiss_search(index: Any) -> Search:  # noqa: ANN401  # faiss ships no types
    def search(query: Embeddings) -> Ids:
        found: npt.NDArray[np.int64] = index.search(query, K)[1]
        return found + 1

    return search


def _graph_search(index: GraphIndex, expansion: int) -> Search:
    def search(query: Embeddings) -> Ids:
        index.expansion_search = expansion  # type: ignore[misc]  # it has a setter
        keys = index.search(query[0], K).keys
        return np.asarray(keys, dtype=np.int64)[np.newaxis]

    return search
