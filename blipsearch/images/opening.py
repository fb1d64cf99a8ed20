"""Open one image file, however hostile: bounded before it is decoded, upright, RGB.

The order is header, size check, decode, shrink, turn, and every step works on as little memory
as it can. Pillow's global limits are neither used nor changed, so any number of threads may
open images under limits of their own.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from blipsearch.errors import ImageTooLargeError, ImageUnreadableError
from blipsearch.images.exif import orientation_of, read_exif
from blipsearch.images.heif import HEIF_HINT, HEIF_SUFFIXES, is_heif, open_heif
from blipsearch.images.memory import MEMORY_HINT, peak_bytes
from blipsearch.images.pixels import Box, aligned, shrink_to_rgb, upright
from blipsearch.records import Exif

__all__ = [
    "FORMATS",
    "RETRY_HINTS",
    "SUFFIXES",
    "TOO_LARGE_HINT",
    "ImageSource",
    "OpenedImage",
    "UndecodedImage",
    "cannot_be_read",
    "open_image",
    "read_header",
]

ImageSource = str | os.PathLike[str] | bytes | BinaryIO
"""A path, a file's bytes, or a binary file that can seek."""

FORMATS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    # A JPEG may turn out to be an MPO, a JPEG with further pictures behind the first.
    "JPEG": JpegImagePlugin.jpeg_factory,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIF": open_heif,
}
"""The formats that are opened; all others are refused, whatever Pillow could do with them."""

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
        *(".avif", *HEIF_SUFFIXES),
    )
)
"""File name endings, in lower case, that promise an image."""

TOO_LARGE_HINT = "raise --max-megapixels"
"""How the reason of every image over the pixel limit ends: another limit may let it in."""

RETRY_HINTS = (TOO_LARGE_HINT, MEMORY_HINT, HEIF_HINT)
"""How the reasons end that another setting, or a library, may do away with: such files are tried
again."""

LEAST_SIDE = 128
"""Sides are never shrunk below this, so that the perceptual hash does not depend on the network."""

DRAFT_GAP, BLOCK_GAP = 2, 3
"""How many times the network's size is kept: the mean of a block is a coarser filter than DCT."""


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """A picture as a person sees it, and what its file says about it.

    `decoded` is RGB, upright, on white where it was transparent; the picture is what lies in `box`,
    whose edges may be in the middle of pixels where it was shrunk (see `open_image`). `width` and
    `height` are those of the picture in the file, after orientation.
    """

    decoded: Image.Image
    box: Box
    width: int
    height: int
    format: str
    exif: Exif

    @property
    def image(self) -> Image.Image:
        """The picture and nothing else; for other sizes `resized` is cheaper and nearer to it."""
        return aligned(self.decoded, self.box)

    def resized(self, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
        """The picture in another size.

        A last column that is only partly picture would move all others by up to half a pixel of
        what a network sees, five times the difference that shrinking makes, if it counted as whole.
        """
        return self.decoded.resize(size, resample, self.box)


@dataclass(frozen=True, slots=True)
class UndecodedImage:
    """An image of which only the header was read; its file must stay open until `decode`.

    `peak_bytes` is about how much memory `decode` will take at its highest when it shrinks.
    """

    pending: ImageFile.ImageFile
    format: str
    peak_bytes: int
    network_size: int | None

    def decode(self) -> OpenedImage:
        """Decode, shrink, turn and flatten the picture; may be called once.

        Raises ImageUnreadableError where the file is damaged.
        """
        width, height = self.pending.size
        # PNG may carry its EXIF behind the pixels; TIFF forgets its orientation while it loads.
        early = None if self.format == "PNG" else read_exif(self.pending)
        with _decoder_errors(self.format, self.pending.fp):
            extent = self._draft()
            self.pending.load()
            exif = early or read_exif(self.pending)
            orientation = self._orientation()
            least_side = _least_side(self.network_size, BLOCK_GAP)
            image, extent = shrink_to_rgb(self.pending, extent, least_side)
            image, box = upright(image, extent, orientation)
        if self.format == "HEIF":
            width, height = self.pending.size  # as it is shown, whatever the header said
        elif orientation >= 5:
            width, height = height, width
        return OpenedImage(image, box, width, height, self.format, exif)

    def _orientation(self) -> int:
        # A HEIF container turns its picture itself; what EXIF says beside that does not count.
        return 1 if self.format == "HEIF" else orientation_of(self.pending)

    def _draft(self) -> tuple[float, float]:
        """Ask the decoder for a smaller picture; say how wide and high it will be."""
        least_side = _least_side(self.network_size, DRAFT_GAP)
        # Of a HEIF it would be the thumbnail beside the picture, which may show anything.
        drafted = None
        if least_side is not None and self.format != "HEIF":
            drafted = self.pending.draft(None, (least_side, least_side))
        return self.pending.size if drafted is None else drafted[1][2:]


def open_image(
    source: ImageSource, *, max_pixels: int, network_size: int | None = None
) -> OpenedImage:
    """Open one image, whole or as large as the network needs it.

    With `network_size` None every pixel is kept. With a size the picture is brought, cheaply, to
    at least twice that size on each side (JPEG while it decodes, by libjpeg's scaled DCT, others
    by the mean of whole blocks): for a 12-megapixel photo, what a bicubic resize to `network_size`
    then gives differs by 0.2 of 255 on average. Animations give their first frame, TIFF files
    their first page.

    Raises ImageTooLargeError for more than `max_pixels`, before anything is decoded, and
    ImageUnreadableError for everything that is no whole image or cannot be read. Their messages
    are one sentence for a person, without the file's name.
    """
    try:
        with _opened(source) as file:
            return read_header(file, max_pixels=max_pixels, network_size=network_size).decode()
    except OSError as error:
        raise ImageUnreadableError(cannot_be_read(error)) from error


def cannot_be_read(error: OSError) -> str:
    """Say why a file cannot be read: its disk, share or permissions, whatever it holds."""
    return f"cannot be read: {error.strerror or error}"


def read_header(
    file: BinaryIO, *, max_pixels: int, network_size: int | None = None
) -> UndecodedImage:
    """Read an image's header, so that its size is known and bounded before it is decoded.

    Raises like `open_image`, except that an OSError of the file itself passes through: it says
    nothing about the image. So does `UndecodedImage.decode`.
    """
    start = _start_of(file)
    format_name = _format_of(start, file)
    if format_name is None:
        raise ImageUnreadableError(f"not an image (it starts with {_printable(start)})")
    with _decoder_errors(format_name, file):
        file.seek(0)
        # Image.open would warn, or raise, at limits that belong to the whole process.
        pending = FORMATS[format_name](file)
    width, height = pending.size
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{width} x {height} = {round(width * height / 1e6, 2):,g} megapixels, "
            f"over the limit of {max_pixels / 1e6:,g}; {TOO_LARGE_HINT}"
        )
    draft_side = _least_side(network_size, DRAFT_GAP) or max(width, height)
    peak = peak_bytes(pending, format_name, draft_side)
    return UndecodedImage(pending, format_name, peak, network_size)


def _least_side(network_size: int | None, gap: int) -> int | None:
    return None if network_size is None else max(gap * network_size, LEAST_SIDE)


@contextmanager
def _opened(source: ImageSource) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:  # noqa: PTH123  # str or any path-like
            yield file
    else:
        yield source


def _start_of(file: BinaryIO) -> bytes:
    file.seek(0)
    start = file.read(16)
    if not start:
        raise ImageUnreadableError("the file is empty")
    return start


def _format_of(start: bytes, file: BinaryIO) -> str | None:
    if is_heif(start, file):
        return "HEIF"
    return next((name for name in FORMATS if name != "HEIF" and _accepts(name, start)), None)


def _accepts(format_name: str, start: bytes) -> bool:
    accept = Image.OPEN[format_name][1]
    return accept is None or accept(start) is True


def _printable(start: bytes) -> str:
    text = start.decode("latin-1")
    return repr("".join(letter if " " <= letter <= "~" else "." for letter in text))


@contextmanager
def _decoder_errors(format_name: str, file: object) -> Iterator[None]:
    """Translate whatever a decoder raises over hostile bytes.

    Pillow lets OSError, SyntaxError, ValueError, struct.error, zlib.error, KeyError, EOFError,
    MemoryError and more through, so everything that is an Exception counts.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"more pixels than Pillow decodes in this format: {error}"
        ) from error
    except ImageUnreadableError:
        raise  # said in our own words already
    except Exception as error:
        if _is_of_the_file(error):
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        if "truncated" in message.lower() or isinstance(error, EOFError):
            size = _size_of(file)
            raise ImageUnreadableError(
                f"damaged: the file ends after {size:,} bytes, before the picture is complete"
            ) from error
        raise ImageUnreadableError(
            f"damaged: its {format_name} data cannot be decoded ({message})"
        ) from error


def _is_of_the_file(error: Exception) -> bool:
    # Pillow's own OSErrors carry no number; EINVAL is an offset that a damaged file asked for.
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def _size_of(file: object) -> int:
    if not isinstance(file, io.IOBase) or file.closed:
        return 0
    return file.seek(0, os.SEEK_END)
