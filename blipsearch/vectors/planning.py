"""Which index suits so many vectors: chosen from count, memory and the recall wanted, purely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from blipsearch.errors import SettingsError

__all__ = [
    "CODED_AT_LEAST",
    "EXACT_AT_MOST",
    "IndexKind",
    "IndexNeeds",
    "IndexPlan",
    "consider",
    "plan_index",
    "plan_of_kind",
]

IndexKind = Literal["exact", "coded", "compact", "mapped"]
"""Every vector as it is; a byte a number; two bits a number; a byte a number, on disk."""

EXACT_AT_MOST = 100_000
"""Up to here comparing with every vector takes about as long as anything else in a search."""

CODED_AT_LEAST = 1_000
"""With fewer vectors there is nothing to train on."""
_BYTES_A_SLOT = 8
_LARGEST_LISTS = 16384
"""Training for more lists takes hours on a few cores."""


@dataclass(frozen=True, slots=True)
class IndexNeeds:
    """What an index may take and must give.

    `memory` is the bytes that vectors may take; `recall` the share of the 100 nearest that a
    search is to find, above 0 and at most 1. Raises SettingsError for others.
    """

    memory: int
    recall: float = 0.99

    def __post_init__(self) -> None:
        """Refuse what no index can give."""
        if self.memory < 1 or not 0 < self.recall <= 1:
            raise SettingsError(
                f"an index cannot have {self.memory} bytes and a recall of {self.recall}: give "
                "--vector-memory a size as in 2GB and --vector-recall a number up to 1"
            )


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """An index for `count` vectors: its kind, in faiss's words, and what it takes.

    `bytes_per_vector` counts everything in memory: codes, slots, centroids; `total_bytes` is that
    of all. `why` says in a sentence why it was chosen, or why not.
    """

    kind: IndexKind
    description: str
    lists: int
    bytes_per_vector: float
    total_bytes: int
    mapped: bool
    why: str


def plan_index(count: int, dim: int, needs: IndexNeeds) -> IndexPlan:
    """Choose the index for `count` vectors of `dim` numbers."""
    return consider(count, dim, needs)[0]


def consider(count: int, dim: int, needs: IndexNeeds) -> list[IndexPlan]:
    """List the kinds there are, the chosen one first, each with the reason why or why not.

    Exact is chosen where it fits and is fast enough or its recall of 1 is wanted; else what fits
    in memory, the most exact first; where nothing fits, what stays on disk.
    """
    exact = _exact(count, dim)
    coded = [_coded(kind, count, dim) for kind in _kinds(dim)]
    if count < CODED_AT_LEAST:
        why = f"{count:,} vectors are too few to train anything else on"
        return [_because(exact, why)]
    fits = exact.total_bytes <= needs.memory
    if fits and (count <= EXACT_AT_MOST or needs.recall >= 1):
        why = (
            "only comparing with every vector has a recall of 1"
            if count > EXACT_AT_MOST
            else f"up to {EXACT_AT_MOST:,} vectors comparing with every one is fast enough"
        )
        rest = [_because(plan, "it finds not all, and saves little") for plan in coded]
        return [_because(exact, why), *rest]
    chosen = next(
        (one for one in coded if one.mapped or one.total_bytes <= needs.memory), coded[-1]
    )
    rest = [
        _because(plan, _why_not(plan, chosen, needs)) for plan in [exact, *coded] if plan != chosen
    ]
    return [_because(chosen, _why(chosen, needs)), *rest]


def plan_of_kind(kind: IndexKind, count: int, dim: int) -> IndexPlan:
    """Plan an index of this kind, whether it suits or not."""
    return _exact(count, dim) if kind == "exact" else _coded(kind, count, dim)


def _kinds(dim: int) -> tuple[IndexKind, ...]:
    """Kinds by how close their codes are; the compact one codes four numbers at a time."""
    return ("coded", "compact", "mapped") if dim % 4 == 0 else ("coded", "mapped")


def _exact(count: int, dim: int) -> IndexPlan:
    size = 4 * dim + _BYTES_A_SLOT
    return IndexPlan("exact", "exact", 0, float(size), count * size, mapped=False, why="")


def _coded(kind: IndexKind, count: int, dim: int) -> IndexPlan:
    lists = _lists(count)
    code = dim // 4 if kind == "compact" else dim
    heads = lists * (4 * dim + 16) + 2 * -(-count // 8)
    total = heads if kind == "mapped" else heads + count * (code + _BYTES_A_SLOT)
    words = f"IVF{lists},PQ{dim // 4}" if kind == "compact" else f"IVF{lists},SQ8"
    each = total / max(count, 1)
    return IndexPlan(kind, words, lists, each, total, mapped=kind == "mapped", why="")


def _lists(count: int) -> int:
    """About four times the square root, as a power of two: 4096 for a million."""
    lists = 1
    while lists < _LARGEST_LISTS and lists * lists * 2 < 16 * count:
        lists *= 2
    return lists


def _because(plan: IndexPlan, why: str) -> IndexPlan:
    return replace(plan, why=why)


def _why(chosen: IndexPlan, needs: IndexNeeds) -> str:
    if chosen.mapped:
        return f"nothing else fits in {_size(needs.memory)}; its lists are read from disk"
    closest = "the closest codes that fit" if chosen.kind == "coded" else "these codes fit"
    return f"{closest} in {_size(needs.memory)}; comparing with every vector would take longer"


def _why_not(plan: IndexPlan, chosen: IndexPlan, needs: IndexNeeds) -> str:
    if plan.total_bytes > needs.memory:
        return f"it takes {_size(plan.total_bytes)}, more than {_size(needs.memory)}"
    if plan.kind == "exact":
        return f"it compares with every vector, slow beyond {EXACT_AT_MOST:,}"
    if plan.mapped:
        return "it reads from disk, which what fits in memory need not"
    return f"its codes are coarser than those of {chosen.description}"


def _size(size: int) -> str:
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size / step:.3g} {unit}"
    return f"{size} bytes"
