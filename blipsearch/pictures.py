"""A picture as callers have it: a path, bytes, an open file, a PIL image. Light: the SDK has it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeGuard, Union

from blipsearch.errors import ImageUnreadableError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Picture", "PictureSource"]

PictureSource = Union[str, os.PathLike[str], bytes, IO[bytes], "Image.Image"]
"""A path, a file's bytes, a file open for reading bytes, or a PIL image."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of a picture's file, and a name for it where there is one."""

    content: bytes
    name: str = ""

    @classmethod
    def of(cls, source: PictureSource) -> Picture:
        """Read a picture; a PIL image becomes a PNG, which loses nothing of its pixels.

        An open file is read from where it stands and stays open. Raises ImageUnreadableError where
        there is nothing to read.
        """
        if isinstance(source, bytes):
            return cls(source)
        if isinstance(source, str | os.PathLike):
            return cls._at(Path(source).expanduser())
        if _is_pil(source):
            return cls(_as_png(source))
        read = getattr(source, "read", None)
        content = read() if callable(read) else None
        if not isinstance(content, bytes):
            raise ImageUnreadableError(
                "a picture is a path, bytes, a file opened with 'rb' or a PIL image, "
                f"not {source!r}"
            )
        name = getattr(source, "name", "")
        return cls(content, Path(name).name if isinstance(name, str) else "")

    @classmethod
    def _at(cls, path: Path) -> Picture:
        try:
            return cls(path.read_bytes(), path.name)
        except OSError as error:
            raise ImageUnreadableError(
                f"the picture {path} cannot be read: {error.strerror}; check the path"
            ) from error


def _is_pil(source: object) -> TypeGuard[Image.Image]:
    # Whoever has a PIL image has imported PIL; others need not have it at all.
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(source, pil.Image)


def _as_png(image: Image.Image) -> bytes:
    written = BytesIO()
    try:
        image.save(written, format="PNG")
    except (OSError, ValueError) as error:
        raise ImageUnreadableError(
            f"a picture in mode {image.mode} of {image.size} cannot be sent as PNG: {error}; "
            "convert it to RGB"
        ) from error
    return written.getvalue()
