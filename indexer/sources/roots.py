"""Roots: which of several folders or URLs a path belongs to."""

from __future__ import annotations

import os
from collections.abc import Collection

from blipsearch.places import is_url

__all__ = ["above", "absolute", "below", "deepest_root"]


def absolute(path: str | os.PathLike[str]) -> str:
    """A path made absolute as it is written, links and all, in the one way that a root has."""
    written = os.path.abspath(path)  # noqa: PTH100  # resolving would follow links
    # Two slashes at the beginning stay by the book, but mean the same.
    return written[1:] if written.startswith("//") else written


def above(path: str) -> str:
    """The folder that a path is in; the path itself where there is none."""
    if not is_url(path):
        return os.path.dirname(path)  # noqa: PTH120  # called for every folder
    scheme, _, rest = path.partition("://")
    return f"{scheme}://{rest.rpartition('/')[0]}" if "/" in rest else path


def deepest_root(path: str, roots: Collection[str]) -> str | None:
    """Name the deepest root that is this path or lies above it."""
    while path not in roots:
        higher = above(path)
        if higher == path:
            return None
        path = higher
    return path


def below(root: str, path: str) -> str:
    """A path as it is within a root that lies above it, or that it is."""
    return path[len(root) :].lstrip("/") if path != root else ""
