"""Looking into one file: is it new, is it a picture, and what does the network need of it.

What a decoder process does. Nothing here may import torch, transformers or the catalog, by any
way round: each process would pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from blipsearch.contents import open_content
from blipsearch.errors import BlipSearchError, ImageError, ImageTooLargeError
from blipsearch.images import (
    MEMORY_HINT,
    UndecodedImage,
    cannot_be_read,
    perceptual_hash,
    read_header,
    sha256_of,
)
from blipsearch.places import Place
from blipsearch.records import Exif

__all__ = [
    "Answer",
    "Ask",
    "Bad",
    "Claimed",
    "Gone",
    "Job",
    "Look",
    "Needs",
    "Picture",
    "Rules",
    "Same",
    "Square",
    "look",
    "why_not",
]

Square = npt.NDArray[np.uint8]
"""One picture as wide and high as the network sees, (size, size, 3) uint8 RGB."""

PREPARE_BYTES_PER_PIXEL = 12
"""What turning and resizing a shrunk picture takes, a pixel of it."""
SHRUNK_SIDE = 4
"""How many times the network's size a shrunk picture is on a side, about and at most."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every file of a run.

    Pictures become `size` x `size` pixels by the `resample` filter (one of Pillow's). A picture
    whose decoding takes more than `most_bytes` is refused.
    """

    size: int
    resample: int
    max_pixels: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Job:
    """One file to look into.

    `content` is the whole file where it was fetched already. With a `known_sha256` equal bytes are
    not decoded; with `may_have_moved` the hash is asked about first. Decoding may take `granted`
    bytes of memory.
    """

    place: Place
    content: bytes | None
    known_sha256: str
    may_have_moved: bool
    granted: int


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What is to be known of a picture. Width and height are those of the file's, upright."""

    sha256: str
    perceptual_hash: int
    width: int
    height: int
    format: str
    exif: Exif
    square: Square


@dataclass(frozen=True, slots=True)
class Same:
    """The bytes are those that are known."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The bytes are an image's whose own file is gone: `image_id`, as the asking told."""

    image_id: int


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such file any more."""


@dataclass(frozen=True, slots=True)
class Bad:
    """It cannot be indexed. `lasting` reasons lie in its content, others may pass."""

    reason: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Needs:
    """It was not decoded: that takes so many bytes, more than were granted."""

    bytes: int


Answer = Picture | Same | Claimed | Gone | Bad | Needs

Ask = Callable[[str], int | None]
"""Asks which image, if any, a new file with this SHA-256 is the new place of."""

Look = Callable[[Job, Rules, Ask], Answer]


def look(job: Job, rules: Rules, ask: Ask) -> Answer:
    """Look into a file; never raises over what it holds, or over how it can be reached."""
    try:
        with _opened(job) as file:
            return _look_into(file, job, rules, ask)
    except FileNotFoundError:
        return Gone()
    except Exception as error:  # noqa: BLE001  # no file may stop a run
        return why_not(error)


def why_not(error: Exception) -> Bad:
    """Say why a file cannot be indexed, by what was raised over it."""
    match error:
        case OSError():
            return Bad(cannot_be_read(error), lasting=False)
        case ImageError():
            return Bad(str(error), lasting=True)
        case BlipSearchError():
            return Bad(str(error), lasting=False)
    return Bad(f"the decoder failed ({type(error).__name__}: {error})", lasting=True)


def _opened(job: Job) -> BinaryIO:
    return open_content(job.place) if job.content is None else BytesIO(job.content)


def _look_into(file: BinaryIO, job: Job, rules: Rules, ask: Ask) -> Answer:
    sha256 = ""
    if job.known_sha256 or job.may_have_moved:
        sha256 = sha256_of(file)
        if sha256 == job.known_sha256:
            return Same()
        image_id = ask(sha256) if job.may_have_moved else None
        if image_id is not None:
            return Claimed(image_id)
    header = read_header(file, max_pixels=rules.max_pixels, network_size=rules.size)
    needed = _needed_bytes(header, rules)
    if needed > job.granted:
        return Needs(needed)
    sha256 = sha256 or sha256_of(file)
    opened = header.decode()
    small = opened.resized((rules.size, rules.size), Image.Resampling(rules.resample))
    return Picture(
        sha256,
        perceptual_hash(opened.decoded, opened.box),
        opened.width,
        opened.height,
        opened.format,
        opened.exif,
        np.asarray(small),
    )


def _needed_bytes(header: UndecodedImage, rules: Rules) -> int:
    """Estimate what decoding takes at its highest. Raises ImageTooLargeError over the limit."""
    width, height = header.pending.size
    shrunk = min((SHRUNK_SIDE * rules.size) ** 2, width * height)
    needed = header.peak_bytes + shrunk * PREPARE_BYTES_PER_PIXEL
    if needed > rules.most_bytes:
        raise ImageTooLargeError(
            f"decoding {width} x {height} pixels of {header.format} would take "
            f"{_size(needed)} of memory, over the limit of {_size(rules.most_bytes)} that "
            f"decoding has; make it smaller, convert it to JPEG, or {MEMORY_HINT}"
        )
    return needed


def _size(amount: int) -> str:
    gib = amount / (1 << 30)
    return f"{gib:.1f} GiB" if gib >= 1 else f"{amount / (1 << 20):.0f} MiB"
