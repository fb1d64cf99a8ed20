"""States of images kept on disk for reranking: a cache with a budget, all of it derived."""

from blipsearch.states.store import StateStore

__all__ = ["StateStore"]
