"""Types and makers that several tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor, ImageDraw


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Finished]

HERE = "http://localhost"
"""The base URL for clients of a service without keys: it answers to no other machine's name."""


def draw_picture(path: Path, colour: str, *, size: tuple[int, int] = (160, 120)) -> None:
    """Draw a coloured disc on a ground of its complement."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    picture = Image.new("RGB", size, (255 - red, 255 - green, 255 - blue))
    width, height = size
    ImageDraw.Draw(picture).ellipse((width // 4, height // 4, width // 2, height // 2), fill=colour)
    picture.save(path)
