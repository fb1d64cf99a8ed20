"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CollectionOption",
    "DeviceOption",
    "DtypeOption",
    "JsonOption",
    "LibraryOption",
    "MaxMegapixelsOption",
]

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        help="The library's directory [BLIPSEARCH_LIBRARY, ~/.local/share/blipsearch].",
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option("--collection", metavar="NAME", help="The collection [default: default]."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps [default: auto]."),
]
DtypeOption = Annotated[
    str | None,
    typer.Option("--dtype", help="auto, float32, float16 or bfloat16 [default: auto]."),
]
MaxMegapixelsOption = Annotated[
    float | None,
    typer.Option("--max-megapixels", help="Refuse images with more pixels [default: 200]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
