"""How work on many texts and many images is cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["Piece", "alike_in_length", "batches"]

Piece = tuple[int, slice]
"""Some of the images of one text: the text's number, and which of its images."""

PADDING = 0.25
"""The share of a short text that padding may add to it at most."""


def batches(counts: Sequence[int], most: int) -> Iterator[list[Piece]]:
    """Cut the images of several texts, `counts` of them each, into batches of `most` in order."""
    pieces: list[Piece] = []
    room = most
    for number, count in enumerate(counts):
        start = 0
        while start < count:
            stop = min(count, start + room)
            pieces.append((number, slice(start, stop)))
            room -= stop - start
            start = stop
            if room == 0:
                yield pieces
                pieces, room = [], most
    if pieces:
        yield pieces


def alike_in_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Put texts, by number, into groups in which padding costs little; shortest group first."""
    group: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        if group and lengths[number] > lengths[group[0]] * (1 + PADDING):
            yield group
            group = []
        group.append(number)
    if group:
        yield group
