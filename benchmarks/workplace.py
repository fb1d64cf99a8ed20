"""Where a benchmark puts what it makes: a folder kept for the next time, or one that goes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["workplace"]


@contextmanager
def workplace(given: Path | None) -> Iterator[Path]:
    """The folder that was given, made where it is not there; else one that is gone afterwards."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
