"""A row of pictures with what is known of each, as HTML for a notebook."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from typing import Protocol

__all__ = ["strip_html"]

_ROW = "display:flex;flex-wrap:wrap;gap:8px;align-items:flex-end"
_CELL = "margin:0;max-width:{width}px;font-size:12px;line-height:1.3;overflow-wrap:anywhere"


class Shown(Protocol):
    """What is shown of a hit."""

    @property
    def id(self) -> int: ...
    @property
    def match(self) -> float | None: ...
    @property
    def cosine(self) -> float: ...
    @property
    def path(self) -> str: ...


def strip_html(
    hits: Iterable[Shown], thumbnails: Mapping[int, bytes], title: str, *, width: int = 160
) -> str:
    """Draw the hits that have a thumbnail (JPEG bytes by image id), in order, under a title.

    The HTML stands by itself: it loads nothing and runs nothing.
    """
    cells = [_cell(hit, thumbnails[hit.id], width) for hit in hits if hit.id in thumbnails]
    return f'<div>{escape(title)}</div><div style="{_ROW}">{"".join(cells)}</div>'


def _cell(hit: Shown, jpeg: bytes, width: int) -> str:
    match = f"cosine {hit.cosine:.3f}" if hit.match is None else f"{hit.match:.1%}"
    source = base64.b64encode(jpeg).decode("ascii")
    path = escape(hit.path)
    return (
        f'<figure style="{_CELL.format(width=width)}">'
        f'<img src="data:image/jpeg;base64,{source}" alt="{path}" style="max-width:100%">'
        f"<figcaption><b>{match}</b> {path}</figcaption></figure>"
    )
