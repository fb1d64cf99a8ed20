"""Searching a base on the GPU where faiss sees one; the only module that knows of GPUs here."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from blipsearch.records import Embeddings
from blipsearch.vectors.engine import faiss
from blipsearch.vectors.values import Ids

__all__ = ["GpuCopy", "on_gpu"]

_AT_MOST = 2048
"""The most neighbours that faiss's GPU indexes give."""

logger = logging.getLogger("blipsearch.collection")


class GpuCopy:
    """A copy of an immutable index in the GPU's memory. Safe to share between threads."""

    def __init__(self, resources: Any, index: Any, original: Any) -> None:  # noqa: ANN401  # no types
        self._resources = resources  # must outlive the index
        self._index = index
        self._original = original
        self._lock = threading.Lock()  # a GPU index serves one caller at a time

    def search(
        self, queries: Embeddings, count: int, probes: int
    ) -> tuple[npt.NDArray[np.float32], Ids]:
        """Find `count` neighbours in the `probes` nearest lists, -1 where there are fewer.

        More than the GPU gives are searched for on the CPU.
        """
        parameters = faiss.SearchParametersIVF(nprobe=probes)  # type: ignore[call-arg]
        found: tuple[npt.NDArray[np.float32], Ids]
        if count > _AT_MOST or probes > _AT_MOST:
            found = self._original.search(queries, count, params=parameters)
        else:
            with self._lock:
                found = self._index.search(queries, count, params=parameters)
        return found


def on_gpu(index: Any) -> GpuCopy | None:  # noqa: ANN401  # faiss ships no types
    """Copy an index to the first GPU; None without one, or where it has no such kind or no room.

    faiss-cpu lacks what this needs, and faiss-gpu counts no GPU on a machine without one: asking
    for their number is what both can answer.
    """
    count = getattr(faiss, "get_num_gpus", None)
    if count is None or not count():
        return None
    try:
        resources = faiss.StandardGpuResources()
        return GpuCopy(resources, faiss.index_cpu_to_gpu(resources, 0, index), index)
    except RuntimeError as error:
        logger.warning("the index stays on the CPU, the GPU does not take it: %s", error)
        return None
