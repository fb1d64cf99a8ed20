"""Small versions of pictures, made when they are asked for and kept in memory for a while."""

from __future__ import annotations

import threading
from io import BytesIO

from cachetools import LRUCache

from blipsearch.contents import open_picture
from blipsearch.records import ImageEntry

__all__ = ["Thumbnails"]

KEPT_BYTES = 64_000_000
QUALITY = 82


class Thumbnails:
    """Makes thumbnails; safe to use from any thread."""

    def __init__(self, *, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._kept: LRUCache[tuple[str, int], bytes] = LRUCache(KEPT_BYTES, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, entry: ImageEntry, size: int) -> bytes:
        """A JPEG of the picture, upright, its longest side at most `size` pixels.

        Raises ImageError where the file cannot be read.
        """
        key = entry.sha256, size
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            return kept
        opened = open_picture(entry.place, max_pixels=self._max_pixels, network_size=size)
        picture = opened.image.convert("RGB")
        picture.thumbnail((size, size))
        written = BytesIO()
        picture.save(written, format="JPEG", quality=QUALITY, optimize=True)
        content = written.getvalue()
        with self._lock:
            self._kept[key] = content
        return content
