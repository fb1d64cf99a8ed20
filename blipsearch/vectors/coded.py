"""CodedBase: a trained index of short codes that never changes; what died in it is skipped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings
from blipsearch.vectors.engine import faiss
from blipsearch.vectors.exact import Found, nothing
from blipsearch.vectors.gpu import on_gpu
from blipsearch.vectors.selection import Selection
from blipsearch.vectors.values import Ids

__all__ = ["TUNED_FOR", "BaseFacts", "CodedBase"]

TUNED_FOR = 100
"""The k for which probes and factor are chosen."""

_SHORTLIST_AT_MOST = 2000
"""How many approximate neighbours are compared exactly at most, unless k itself is larger."""
_SHORTLIST_FOR = 32
"""A shortlist is never made for fewer neighbours than these: codes err as much among the first."""
_SCANNED_SHARE = 0.05
"""Up to this share of members every list is scanned; what is not a member costs next to nothing."""
_MEMBERS_AT_LEAST = 0.5
"""Lists near the query may hold this share of the members they would hold by chance, not fewer."""


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What a base says of itself.

    `kind` as in IndexPlan; `description` in faiss's words. It shows the catalog at `change`, for
    the checkpoint with `fingerprint`; `count` ids of `dim` numbers, the smallest being `first`. A
    query visits `probes` of `lists` lists, and for k neighbours `factor` times as many approximate
    ones are compared exactly; so `recall` of the 100 nearest were found in trials, where `wanted`
    was asked for. `mapped`: its lists stay on disk. `built` is when, in nanoseconds.
    """

    token: str
    kind: str
    description: str
    dim: int
    count: int
    first: int
    lists: int
    probes: int
    factor: float
    recall: float
    wanted: float
    change: int
    built: int
    fingerprint: str
    mapped: bool

    @property
    def age(self) -> tuple[int, int]:
        """What orders bases of one collection: a newer one has a larger age."""
        return self.change, self.built


class CodedBase:
    """Codes in lists around centroids, an image's slot being its id less the first.

    Never written to and safe to share between threads. `building` makes it, `basefiles` reads it.
    """

    def __init__(self, facts: BaseFacts, index: Any, members: Selection) -> None:  # noqa: ANN401  # no types
        self.facts = facts
        self.members = members
        self._index = index
        self._gpu = on_gpu(index)

    def __len__(self) -> int:
        return self.members.count

    @property
    def nbytes(self) -> int:
        """What it takes in memory: codes, their slots, centroids, the lists' heads, members."""
        heads = self.facts.lists * (4 * self.facts.dim + 16) + self.members.bits.nbytes
        if self.facts.mapped:
            return heads
        return heads + len(self) * (int(self._index.code_size) + 8)

    def slots_of(self, ids: Ids) -> Ids:
        """Find the slots of those of these ids (n,) that are here."""
        slots = ids - self.facts.first
        slots = slots[(slots >= 0) & (slots < self.members.span)]
        return slots[self.members.has(slots)]

    def selection_of(self, ids: Ids) -> Selection:
        """Select those of these ids (n,) that are here; one may be named twice."""
        slots = ids - self.facts.first
        slots = slots[(slots >= 0) & (slots < self.members.span)]
        return Selection.of(slots, self.members.span).both(self.members)

    def ids_of(self, slots: Ids) -> Ids:
        """Turn slots into ids; -1 stays -1."""
        return np.where(slots < 0, -1, slots + self.facts.first)

    def shortlist(self, k: int) -> int:
        """How many approximate neighbours hold the k nearest with the recall of the trials."""
        wanted = math.ceil(self.facts.factor * max(k, _SHORTLIST_FOR))
        return max(k, min(wanted, _SHORTLIST_AT_MOST))

    def probes(self, k: int, chosen: Selection) -> int:
        """How many lists a search for k visits at first: more for a large k and for few chosen."""
        share = chosen.count / max(len(self), 1)
        if share <= _SCANNED_SHARE:
            return self.facts.lists
        more = math.sqrt(max(k, TUNED_FOR) / TUNED_FOR)
        return min(self.facts.lists, math.ceil(self.facts.probes * more / share))

    def search(self, queries: Embeddings, count: int, probes: int, chosen: Selection) -> Found:
        """Find `count` approximate neighbours of each query in its nearest `probes` lists.

        `chosen` is what may be found, all members or some. Where too few or suspiciously few are
        in those lists, all lists are visited: min(count, chosen.count) always come back. Cosines
        are those of the codes.
        """
        count = min(count, chosen.count)
        if not count or not len(queries):
            return nothing(len(queries))
        queries = np.ascontiguousarray(queries)
        if probes >= self.facts.lists:
            cosines, slots = self._visit(queries, count, self.facts.lists, chosen)
        else:
            cosines, slots = self._visit(queries, count, probes, chosen)
            short = slots[:, -1] < 0
            if chosen.count < len(self):
                short |= self._emptied(queries, probes, chosen)
            rows = np.flatnonzero(short)
            if len(rows):
                found = self._visit(queries[rows], count, self.facts.lists, chosen)
                cosines[rows], slots[rows] = found
        return cosines, self.ids_of(slots)

    def _visit(self, queries: Embeddings, count: int, probes: int, chosen: Selection) -> Found:
        if chosen.count == len(self):
            if self._gpu is not None:
                return self._gpu.search(queries, count, probes)
            parameters = faiss.SearchParametersIVF(nprobe=probes)  # type: ignore[call-arg]
        else:
            selector = faiss.IDSelectorBitmap(chosen.bits)  # type: ignore[call-arg,arg-type]
            parameters = faiss.SearchParametersIVF(  # type: ignore[call-arg]
                nprobe=probes, sel=selector
            )
        found: Found = self._index.search(queries, count, params=parameters)
        return found

    def _emptied(
        self, queries: Embeddings, probes: int, chosen: Selection
    ) -> npt.NDArray[np.bool_]:
        """Which queries have near lists with far fewer of the chosen than lists hold by chance.

        That is so where a filter leaves out just what lies near the query; what is nearest among
        the rest may then lie in any list.
        """
        _, lists = self._index.quantizer.search(queries, probes)
        share = chosen.count / len(self)
        emptied = np.zeros(len(queries), dtype=np.bool_)
        for row, visited in enumerate(lists):
            slots = np.concatenate([self._slots_in(int(number)) for number in visited])
            here = np.count_nonzero(chosen.has(slots))
            emptied[row] = here < _MEMBERS_AT_LEAST * share * len(slots)
        return emptied

    def _slots_in(self, number: int) -> Ids:
        lists = self._index.invlists
        size = int(lists.list_size(number)) if number >= 0 else 0
        if not size:
            return np.empty(0, dtype=np.int64)
        slots: Ids = faiss.rev_swig_ptr(lists.get_ids(number), size)
        return slots
