"""What the modules with commands share: how an app is made, and common options."""

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
    "MatchDtypeOption",
    "MaxMegapixelsOption",
    "ServerOption",
    "VectorMemoryOption",
    "VectorRecallOption",
    "make_app",
]


def make_app() -> typer.Typer:
    """Make the app that a module registers its commands with."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        help="The library's directory (default: BLIPSEARCH_LIBRARY or ~/.local/share/blipsearch).",
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option("--collection", metavar="NAME", help="The collection (default: default)."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps (default: auto)."),
]
DtypeOption = Annotated[
    str | None,
    typer.Option("--dtype", help="auto, float32, float16 or bfloat16 (default: auto)."),
]
MatchDtypeOption = Annotated[
    str | None,
    typer.Option(
        "--match-dtype",
        help="auto (exact), or int8: a rerank about twice as fast on a CPU (default: auto).",
    ),
]
MaxMegapixelsOption = Annotated[
    float | None,
    typer.Option("--max-megapixels", help="Refuse images with more pixels (default: 200)."),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Ask a service instead of this machine's library (default: BLIPSEARCH_SERVER); its "
        "API key is read from BLIPSEARCH_API_KEY.",
    ),
]
VectorMemoryOption = Annotated[
    str | None,
    typer.Option(
        "--vector-memory",
        metavar="SIZE",
        help="Bytes that vectors may take in memory, as in 2GB (a quarter of the machine's).",
    ),
]
VectorRecallOption = Annotated[
    float | None,
    typer.Option(
        "--vector-recall",
        metavar="R",
        help="The share of the 100 nearest vectors that a search is to find (0.99).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
