"""Decode: from a file to the pixels the network reads, in many threads and little memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.errors import ImageError, ImageTooLargeError
from blipsearch.images import (
    UndecodedImage,
    cannot_be_read,
    perceptual_hash,
    read_header,
    sha256_of,
)
from blipsearch.records import Exif
from indexer.plan import Candidate
from indexer.records import IndexOptions

__all__ = ["Decoder", "MemoryGate", "Outcome", "Prepared", "Refused", "SameContent", "Vanished"]

Pixels = npt.NDArray[np.float32]
Prepare = Callable[[Image.Image], Pixels]

PREPARE_BYTES_PER_PIXEL = 12
"""What resizing and normalising a shrunk picture takes, a pixel of it."""
SHRUNK_SIDE = 4
"""How many times the network's size a shrunk picture is on a side, about and at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture ready for the network: `pixels` are (3, size, size) float32."""

    candidate: Candidate
    sha256: str
    perceptual_hash: int
    width: int
    height: int
    format: str
    exif: Exif
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class SameContent:
    """A file whose size or mtime is new but whose bytes are those that were embedded."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be indexed. `lasting` reasons lie in its content, others may pass."""

    candidate: Candidate
    reason: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file that is not there any more."""

    candidate: Candidate


Outcome = Prepared | SameContent | Refused | Vanished


class MemoryGate:
    """Lets threads hold memory up to a capacity in bytes; a larger need waits to be alone."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._freed = threading.Condition()

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Wait until the amount fits, and hold it for the length of the block."""
        amount = min(amount, self._capacity)
        with self._freed:
            self._freed.wait_for(lambda: self._held + amount <= self._capacity)
            self._held += amount
        try:
            yield
        finally:
            with self._freed:
                self._held -= amount
                self._freed.notify_all()


class Decoder:
    """Reads, checks, decodes and prepares one file at a time; safe to call from many threads.

    `prepare` turns an RGB picture into (3, network_size, network_size) float32.
    """

    def __init__(self, prepare: Prepare, network_size: int, options: IndexOptions) -> None:
        self._prepare = prepare
        self._network_size = network_size
        self._options = options
        self._gate = MemoryGate(options.decode_bytes)

    def __call__(self, candidate: Candidate) -> Outcome:
        """Say what became of a candidate; never raises over what its file holds."""
        try:
            with open(candidate.absolute_path, "rb") as file:  # noqa: PTH123  # a plain str
                return self._look_into(candidate, file)
        except FileNotFoundError:
            return Vanished(candidate)
        except OSError as error:
            return Refused(candidate, cannot_be_read(error), lasting=False)
        except ImageError as error:
            return Refused(candidate, str(error), lasting=True)

    def _look_into(self, candidate: Candidate, file: BinaryIO) -> Outcome:
        sha256 = ""
        if candidate.known is not None and candidate.known.sha256:
            sha256 = sha256_of(file)
            if sha256 == candidate.known.sha256:
                return SameContent(candidate)
        header = read_header(
            file, max_pixels=self._options.max_pixels, network_size=self._network_size
        )
        sha256 = sha256 or sha256_of(file)
        with self._gate.hold(self._needed_bytes(header)):
            opened = header.decode()
            return Prepared(
                candidate,
                sha256,
                perceptual_hash(opened.image),
                opened.width,
                opened.height,
                opened.format,
                opened.exif,
                self._prepare(opened.image),
            )

    def _needed_bytes(self, header: UndecodedImage) -> int:
        limit = self._options.largest_decode_bytes
        if header.peak_bytes > limit:
            width, height = header.pending.size
            raise ImageTooLargeError(
                f"decoding {width} x {height} pixels of {header.format} would take "
                f"{header.peak_bytes / (1 << 30):.1f} GiB of memory, over the limit of "
                f"{limit / (1 << 30):.1f}; make it smaller or convert it to JPEG"
            )
        shrunk = (SHRUNK_SIDE * self._network_size) ** 2
        return header.peak_bytes + shrunk * PREPARE_BYTES_PER_PIXEL
