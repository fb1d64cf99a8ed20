"""`blipsearch demo`: from nothing to searched pictures in one command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from blipsearch.options import DeviceOption, DtypeOption, LibraryOption, make_app

if TYPE_CHECKING:
    from blipsearch.demo import Shown

app = make_app()


@app.command()
def demo(
    *,
    library: LibraryOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
) -> None:
    """Draw a gallery of pictures, index it, run six telling queries and show what they found."""
    from blipsearch.demo import DEMO_COLLECTION, ensure_demo, show
    from blipsearch.settings import make_settings
    from indexer.progress import drawing, indexing

    settings = make_settings(library=library, device=device, dtype=dtype)
    with drawing() as on_drawn, indexing() as on_indexed:
        summary = ensure_demo(settings, on_drawn=on_drawn, on_indexed=on_indexed)
    typer.echo(
        f"collection {DEMO_COLLECTION!r}: {summary.added} pictures added, "
        f"{summary.unchanged} unchanged"
    )
    showcase = show(settings)
    for shown in showcase.shown:
        _print(shown)
    typer.echo(f"\nall of it on one page: {showcase.page}")
    where = "" if library is None else f" --library {library}"
    typer.echo(f'search it yourself:    blipsearch search "two red boats" --collection demo{where}')
    typer.echo(f"over HTTP:             blipsearch serve{where}")
    sys.stdout.flush()


def _print(shown: Shown) -> None:
    typer.echo(f"\n{shown.shows}: {shown.query!r}")
    if not shown.hits:
        typer.echo(f"  nothing matches ({shown.candidates} candidates)")
    for one in shown.hits:
        match = "     -" if one.hit.match is None else f"{one.hit.match:6.1%}"
        answer = f"  [{shown.question} {one.answer}]" if one.answer else ""
        typer.echo(f"  {match}  {one.hit.cosine:6.3f}  {one.file.name}  {one.caption}{answer}")
    if shown.hits:
        typer.echo(f"  contact sheet: {shown.sheet}")
