"""Makes a folder of files that are hard on an indexer; nothing of it is kept in the repository."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.hostile import (
    bilevel_png,
    html_in_gif,
    lying_gif,
    photo,
    postscript,
    rgb_png,
    svg,
    text_bomb_png,
)

__all__ = ["IGNORED", "INDEXED", "REFUSED", "write_torture_folder"]

Made = Callable[[], bytes]


def _saved(picture: Image.Image, format_name: str, **how: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, format_name, **how)
    return written.getvalue()


def _half(format_name: str, **how: object) -> Made:
    """A picture of which only the first half arrived."""

    def make() -> bytes:
        whole = _saved(photo(320, 240), format_name, **how)
        return whole[: len(whole) // 2]

    return make


def _exif(tag: int, value: object, directory: int | None = None) -> Made:
    """A JPEG with this in its EXIF data."""

    def make() -> bytes:
        exif = Image.Exif()
        tags = exif if directory is None else exif.get_ifd(directory)
        tags[tag] = value
        return _saved(photo(64, 48), "JPEG", exif=exif)

    return make


def _raw_exif(*entries: tuple[int, int, int, int], count: int | None = None) -> Made:
    """A JPEG with an EXIF directory of these entries: tag, type, how many, and value or where.

    The next directory is this one again. `count` is how many entries it says to have.
    """

    def make() -> bytes:
        packed = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
        said = struct.pack("<H", len(entries) if count is None else count)
        directory = b"II*\x00\x08\x00\x00\x00" + said + packed + struct.pack("<L", 8)
        # Where 0/0 may be looked up, three times.
        return _saved(photo(64, 48), "JPEG", exif=b"Exif\x00\x00" + directory + bytes(64))

    return make


def _palette(**how: object) -> bytes:
    return _saved(photo(64, 48).quantize(16), "PNG", **how)


def _deep_grey() -> Image.Image:
    return Image.fromarray(np.asarray(photo(64, 48).convert("L")).astype(np.uint16) * 257)


def _float_tiff() -> bytes:
    values = np.linspace(-1, 1, 64 * 48, dtype=np.float32).reshape(48, 64)
    values[0, :3] = np.nan, np.inf, -np.inf
    return _saved(Image.fromarray(values), "TIFF")


def _frames(format_name: str, count: int = 3, **how: object) -> Made:
    def make() -> bytes:
        first, *rest = [photo(48, 32, seed) for seed in range(count)]
        return _saved(first, format_name, save_all=True, append_images=rest, **how)

    return make


def _many_scans() -> bytes:
    """A progressive JPEG whose last scan comes two thousand times."""
    whole = _saved(photo(512, 384), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * 2000 + whole[-2:]


def _lying_png() -> bytes:
    """A PNG of sixteen rows whose header promises five thousand."""
    small = bytearray(rgb_png(16, 16))
    small[16:24] = struct.pack(">2I", 5000, 5000)
    small[29:33] = struct.pack(">I", zlib.crc32(small[12:29]))
    return bytes(small)


def _broken_png(position: int) -> Made:
    """A PNG of which one byte is another."""

    def make() -> bytes:
        picture = bytearray(_saved(photo(64, 48), "PNG"))
        picture[position] ^= 0xFF
        return bytes(picture)

    return make


def _empty_png() -> bytes:
    """A PNG of no width."""
    small = bytearray(rgb_png(16, 16))
    small[16:20] = bytes(4)
    small[29:33] = struct.pack(">I", zlib.crc32(small[12:29]))
    return bytes(small)


def _lying_bmp() -> bytes:
    header = struct.pack("<2sLHHL", b"BM", 54, 0, 0, 54)
    return header + struct.pack("<LllHHLLllLL", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)


def _tiff(*entries: tuple[int, int, int, int]) -> Made:
    """A TIFF of one directory with these entries, and no pixels."""

    def make() -> bytes:
        packed = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
        head = b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(entries))
        return head + packed + struct.pack("<L", 8)  # the next directory is this one again

    return make


def _bilevel_tiff(side: int) -> Made:
    return lambda: _saved(Image.new("1", (side, side), 1), "TIFF", compression="group4")


_LONG_NAME = "n" * 251 + ".jpg"
_SIZES = ((256, 3, 1, 64), (257, 3, 1, 64))

INDEXED: dict[str, Made] = {
    "orientation 0.jpg": _exif(0x0112, 0),
    "orientation 9.jpg": _exif(0x0112, 9),
    "orientation in words.jpg": _raw_exif((0x0112, 2, 4, 0x7075)),
    "a date that never was.jpg": _exif(0x9003, "9999:99:99 99:99:99", 0x8769),
    "a camera with a long name.jpg": _exif(0x010F, "x" * 60_000),
    "exif within itself.jpg": _raw_exif((0x8769, 4, 1, 8), (0x8825, 4, 1, 8)),
    "exif that points outside.jpg": _raw_exif((0x010F, 2, 1 << 31, 1 << 31), count=60_000),
    "nowhere on earth.jpg": _raw_exif(
        (0x0001, 2, 2, 0x4E), (0x0002, 5, 3, 74), (0x0004, 5, 3, 74), (0x8825, 4, 1, 8)
    ),
    "garbage for a profile.jpg": lambda: _saved(photo(64, 48), "JPEG", icc_profile=b"\xff" * 999),
    "for print.jpg": lambda: _saved(photo(64, 48).convert("CMYK"), "JPEG"),
    "two pictures.jpg": _frames("MPO"),
    "two thousand scans.jpg": _many_scans,
    "a zip behind.jpg": lambda: _saved(photo(64, 48), "JPEG") + b"PK\x03\x04" + bytes(5000),
    "a png inside.jpg": lambda: _saved(photo(64, 48), "PNG"),
    "a page in a picture.gif": html_in_gif,
    "three hundred frames.gif": _frames("GIF", 300, duration=10),
    "moving.webp": _frames("WEBP", duration=10),
    "moving.png": _frames("PNG", duration=10),
    "sixteen bits.png": lambda: _saved(_deep_grey(), "PNG"),
    "one bit.png": lambda: bilevel_png(64, 48),
    "grey and clear.png": lambda: _saved(photo(64, 48).convert("LA"), "PNG"),
    "palette with one clear colour.png": lambda: _palette(transparency=0),
    "palette with many clear colours.png": lambda: _palette(transparency=bytes(range(16))),
    "one pixel.png": lambda: rgb_png(1, 1),
    "a line down.png": lambda: rgb_png(1, 60_000),
    "a line across.png": lambda: rgb_png(60_000, 1),
    "numbers for pixels.tif": _float_tiff,
    "a roll of film.tif": _frames("TIFF"),
    "\U0001f431.jpg": lambda: _saved(photo(64, 48), "JPEG"),
    "two\nlines.jpg": lambda: _saved(photo(64, 48), "JPEG"),
    os.fsdecode(b"caf\xe9.jpg"): lambda: _saved(photo(64, 48), "JPEG"),
    _LONG_NAME: lambda: _saved(photo(64, 48), "JPEG"),
}
"""File names, and what is in the files: pictures, however odd."""

_ENDS = "damaged: the file ends after "
_DAMAGED = "damaged: its "

REFUSED: dict[str, tuple[Made, str]] = {
    "half.jpg": (_half("JPEG"), _ENDS),
    "half progressive.jpg": (_half("JPEG", progressive=True), _ENDS),
    "half.png": (_half("PNG"), _ENDS),
    "half.gif": (_half("GIF"), _ENDS),
    "half.bmp": (_half("BMP"), _ENDS),
    "half.tif": (_half("TIFF"), "damaged: "),
    "half compressed.tif": (_half("TIFF", compression="tiff_lzw"), "damaged: "),
    "half.webp": (_half("WEBP"), "damaged: "),
    "half.avif": (_half("AVIF"), "damaged: "),
    "nothing.jpg": (bytes, "the file is empty"),
    "zeros.jpg": (lambda: bytes(10_000), "not an image (it starts with '....."),
    "words.jpg": (lambda: b"hello, I am no image\n", "not an image (it starts with 'hello"),
    "page.jpg": (lambda: b"<!doctype html><p>404", "not an image (it starts with '<!doctype"),
    "drawing.jpg": (svg, "not an image (it starts with '<?xml"),
    "print.jpg": (postscript, "not an image (it starts with '%!PS"),
    "paper.jpg": (lambda: b"%PDF-1.7\n" + bytes(99), "not an image (it starts with '%PDF"),
    "start.jpg": (lambda: b"\xff\xd8\xff\xe0", "damaged: "),
    "start.png": (lambda: b"\x89PNG\r\n\x1a\n", "damaged: "),
    "start.gif": (lambda: b"GIF89a", "damaged: "),
    "start.webp": (lambda: b"RIFF\x00\x00\x00\x00WEBPVP8 ", "damaged: "),
    "start.tif": (lambda: b"II*\x00\x08\x00\x00\x00", "damaged: "),
    "wrong header sum.png": (_broken_png(20), "damaged: "),
    "broken stream.png": (_broken_png(60), "damaged: "),
    "no width.png": (_empty_png, "damaged: "),
    "promises.png": (_lying_png, "damaged: "),
    "promises.gif": (lying_gif, "damaged: "),
    "promises.bmp": (_lying_bmp, "60000 x 60000 = 3,600 megapixels, over the limit of 200"),
    "bomb.png": (lambda: bilevel_png(30_000, 30_000), "30000 x 30000 = 900 megapixels, over"),
    "bomb.tif": (_bilevel_tiff(15_000), "15000 x 15000 = 225 megapixels, over the limit of 200"),
    "heavy.tif": (_bilevel_tiff(9_000), "decoding 9000 x 9000 pixels of TIFF would take "),
    "comment bomb.png": (text_bomb_png, "damaged: "),
    "a tag of four gigabytes.tif": (_tiff(*_SIZES, (270, 2, 0xFFFFFFFF, 8)), "damaged: "),
    "no pixels.tif": (_tiff(*_SIZES), "damaged: "),
}
"""File names, what is in the files, and how the reason begins why they cannot be indexed."""

IGNORED = ("folder.jpg", "pipe.jpg", "socket.jpg", "device.jpg", "loop.jpg", "nowhere.jpg")
"""Names of what is no file."""


def write_torture_folder(folder: Path) -> None:
    """Write every file of INDEXED and REFUSED, and what IGNORED names."""
    folder.mkdir(parents=True)
    for name, make in INDEXED.items():
        (folder / name).write_bytes(make())
    for name, (make, _) in REFUSED.items():
        (folder / name).write_bytes(make())
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.jpg"))
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    (folder / "nowhere.jpg").symlink_to(folder / "there is no such file.jpg")
