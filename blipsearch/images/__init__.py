"""Images: open, bound, orient and hash one image. Pillow and numpy only."""

from blipsearch.images.exif import read_exif
from blipsearch.images.hashes import FLAT_HASH, perceptual_hash, sha256_of, sha256_of_bytes
from blipsearch.images.memory import MEMORY_HINT, memory_returned_at_once
from blipsearch.images.opening import (
    FORMATS,
    RETRY_HINTS,
    SUFFIXES,
    TOO_LARGE_HINT,
    ImageSource,
    OpenedImage,
    UndecodedImage,
    cannot_be_read,
    open_image,
    read_header,
)

__all__ = [
    "FLAT_HASH",
    "FORMATS",
    "MEMORY_HINT",
    "RETRY_HINTS",
    "SUFFIXES",
    "TOO_LARGE_HINT",
    "ImageSource",
    "OpenedImage",
    "UndecodedImage",
    "cannot_be_read",
    "memory_returned_at_once",
    "open_image",
    "perceptual_hash",
    "read_exif",
    "read_header",
    "sha256_of",
    "sha256_of_bytes",
]
