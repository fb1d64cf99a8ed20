"""Makes a folder of good, odd and hostile image files; nothing of it is kept in the repository."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = [
    "BAD",
    "GOOD",
    "SCRIPT",
    "bilevel_png",
    "html_in_gif",
    "lying_gif",
    "photo",
    "postscript",
    "rgb_png",
    "svg",
    "text_bomb_png",
    "write_hostile_folder",
]

GOOD = {
    "photo.jpg": "JPEG",
    "rotated.jpg": "JPEG",
    "cmyk.jpg": "JPEG",
    "sixteen bits.png": "PNG",
    "transparent palette.png": "PNG",
    "one pixel.png": "PNG",
    "animated.gif": "GIF",
    "animated.webp": "WEBP",
    "scan.tif": "TIFF",
    "modern.avif": "AVIF",
    "old.bmp": "BMP",
    "a png inside.jpg": "PNG",
    "ümläut.png": "PNG",
}
"""File name to the format that is really in it."""

BAD = {
    "truncated.jpg": "damaged: the file ends after 4,000 bytes, before the picture is complete",
    "text.jpg": "not an image (it starts with 'hello, I am no i')",
    "empty.jpg": "the file is empty",
    "bomb.png": "30000 x 30000 = 900 megapixels, over the limit of 200; raise --max-megapixels",
    "cut short.png": "damaged: ",
}
"""File name to how the reason begins that it cannot be indexed."""


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Draw something with large forms and fine grain, as a photo has."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    grain = random.standard_normal(smooth.shape, dtype=np.float32) * 6
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def bilevel_png(width: int, height: int) -> bytes:
    """Make a large white PNG of one bit a pixel, in little time and memory."""
    return _blank_png(width, height, b"\x01\x00", -(-width // 8))


def rgb_png(width: int, height: int) -> bytes:
    """Make a large white PNG of three bytes a pixel, in little time and memory."""
    return _blank_png(width, height, b"\x08\x02", 3 * width)


SCRIPT = b"<html><script>alert(document.domain)</script></html>"
"""What must never run."""


def html_in_gif() -> bytes:
    """Make a GIF that is a page as well, to whoever believes its name instead of its type."""
    written = io.BytesIO()
    photo(32, 32).save(written, "GIF", comment=SCRIPT)
    return written.getvalue()


def svg() -> bytes:
    """Make a drawing that runs a script and asks for a file."""
    return (
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
        b"<script>alert(1)</script><text>&x;</text></svg>"
    )


def postscript() -> bytes:
    """Make a PostScript file, for which Pillow would start Ghostscript."""
    return (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
        b"(%pipe%id) (r) file closefile\n%%EOF\n"
    )


def lying_gif() -> bytes:
    """Make a GIF of 60 bytes that says to be of four thousand million pixels."""
    return b"GIF89a" + struct.pack("<2H", 65_535, 65_535) + b"\x80\x00\x00" + b"\x00" * 48


def text_bomb_png() -> bytes:
    """Make a small PNG whose comment unpacks to 64 MB."""
    comment = b"Comment\x00\x00" + zlib.compress(b"\x00" * 64_000_000, 9)
    picture = rgb_png(16, 16)
    header_end = 8 + 25
    return picture[:header_end] + _png_chunk(b"zTXt", comment) + picture[header_end:]


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _blank_png(width: int, height: int, depth_and_colour: bytes, row_bytes: int) -> bytes:
    row = b"\x00" + b"\xff" * row_bytes
    packer = zlib.compressobj(1)
    packed = b"".join([packer.compress(row) for _ in range(height)] + [packer.flush()])
    header = struct.pack(">2I", width, height) + depth_and_colour + b"\x00\x00\x00"
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, data) for name, data in chunks)


def write_hostile_folder(folder: Path) -> None:
    """Write every file of GOOD and BAD, and files that are none of an indexer's business."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_good(folder)
    _write_bad(folder)
    (folder / "notes.txt").write_text("no image by its name\n", encoding="utf-8")
    (folder / ".hidden").mkdir()
    photo(20, 20).save(folder / ".hidden" / "cache.jpg")
    (folder / "loop").symlink_to(folder, target_is_directory=True)


def _write_good(folder: Path) -> None:
    picture = photo(320, 240)
    picture.save(folder / "photo.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "rotated.jpg", exif=exif)
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "sixteen bits.png")
    picture.quantize(16).save(folder / "transparent palette.png", transparency=0)
    picture.resize((1, 1)).save(folder / "one pixel.png")
    frames = [photo(90, 60, seed) for seed in range(4)]
    for name in ("animated.gif", "animated.webp"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=50)
    picture.save(folder / "scan.tif", compression="tiff_lzw")
    picture.save(folder / "modern.avif")
    picture.save(folder / "old.bmp")
    picture.save(folder / "a png inside.jpg", "PNG")
    photo(64, 64, 5).save(folder / "ümläut.png")


def _write_bad(folder: Path) -> None:
    whole = (folder / "photo.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[:4000])
    (folder / "text.jpg").write_text("hello, I am no image\n", encoding="utf-8")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "bomb.png").write_bytes(bilevel_png(30_000, 30_000))
    whole = (folder / "ümläut.png").read_bytes()
    (folder / "cut short.png").write_bytes(whole[: len(whole) // 2])
