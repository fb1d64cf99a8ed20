"""How many cores a search of vectors takes."""

from __future__ import annotations

import faiss

__all__ = ["search_with_one_core"]


def search_with_one_core() -> None:
    """Have the searches of the calling thread, and of it alone, use one core.

    For a thread among many that search: OpenMP would give each of them helpers of its own, as many
    as there are cores, which wait for each other on cores that are busy.
    """
    faiss.omp_set_num_threads(1)
