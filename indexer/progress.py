"""Progress on stderr: a bar in a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from indexer.records import IndexProgress, Progress

__all__ = ["building", "drawing", "indexing", "working"]

LINE_SECONDS = 5.0

Count = Callable[[int, int], None]
"""Told how many of how many are done."""


@contextmanager
def indexing() -> Iterator[Progress]:
    """Show how far an index run is, from the first report to the end of the block."""
    with _shown("indexing") as show:

        def report(progress: IndexProgress) -> None:
            show(progress.done, progress.total, _details(progress))

        yield report


@contextmanager
def drawing() -> Iterator[Count]:
    """Show how many pictures of how many are drawn, to the end of the block."""
    with _shown("drawing") as show:
        yield lambda done, total: show(done, total, "")


@contextmanager
def working(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how far a piece of work is: what is at hand, and how many of how many are done."""
    with _shown(title) as show:
        yield lambda what, done, total: show(done, total, what)


@contextmanager
def building() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far the build of an index is: a stage, and how many of how many are done."""
    with _shown("building the index") as show:
        yield lambda stage, done, total: show(done, total, stage)


_Show = Callable[[int, int, str], None]


@contextmanager
def _shown(title: str) -> Iterator[_Show]:
    if sys.stderr.isatty():
        with _bar(title) as show:
            yield show
    else:
        yield _lines(title)


@contextmanager
def _bar(title: str) -> Iterator[_Show]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[details]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, details="", visible=False)

        def show(done: int, total: int, details: str) -> None:
            bar.update(task, completed=done, total=total, details=details, visible=True)

        yield show


def _lines(title: str) -> _Show:
    last = time.monotonic()

    def show(done: int, total: int, details: str) -> None:
        nonlocal last
        if time.monotonic() - last < LINE_SECONDS:
            return
        last = time.monotonic()
        sys.stderr.write(f"{title}: {done:,} of {total:,}{', ' if details else ''}{details}\n")
        sys.stderr.flush()

    return show


def _details(progress: IndexProgress) -> str:
    parts = [f"{progress.images_per_second:.1f} images/s"]
    if progress.seconds_left is not None:
        parts.append(f"{_duration(progress.seconds_left)} left")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.done:
        parts.append(f"limited by {progress.limited_by}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
