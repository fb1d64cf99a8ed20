"""`blipsearch status` and `blipsearch upgrade`: what is in a library, and its schema."""

from __future__ import annotations

import json

import typer

from blipsearch.options import JsonOption, LibraryOption, make_app
from blipsearch.schemas import StatesSummary

app = make_app()


@app.command()
def status(*, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show the collections of a library: images, failures, checkpoint, image states."""
    from blipsearch.library import open_library
    from blipsearch.settings import make_settings

    settings = make_settings(library=library)
    with open_library(settings.library) as opened:
        collections = [opened.summary(info) for info in opened.collections()]
    if as_json:
        rows = [one.model_dump(mode="json") for one in collections]
        typer.echo(json.dumps({"library": str(settings.library), "collections": rows}, indent=2))
        return
    typer.echo(f"library {settings.library}")
    if not collections:
        typer.echo("no collections yet; make one with `blipsearch index FOLDER`")
    for one in collections:
        typer.echo(
            f"  {one.name}: {one.images} images, {one.failed} failed, {one.missing} missing; "
            f"{one.checkpoint}, {one.dim} dimensions, fingerprint {one.fingerprint[:12]}"
        )
        typer.echo(f"    states: {_states_as_text(one.states)}")


@app.command()
def upgrade(*, library: LibraryOption = None) -> None:
    """Bring a library of an older blipsearch to this version's schema (a backup is kept)."""
    from blipsearch.library import upgrade_library
    from blipsearch.settings import make_settings

    settings = make_settings(library=library)
    before, after = upgrade_library(settings.library)
    if before == after:
        typer.echo(f"library {settings.library} is up to date (revision {after})")
    else:
        typer.echo(f"library {settings.library} upgraded from revision {before} to {after}")


def _states_as_text(states: StatesSummary) -> str:
    from rich.filesize import decimal

    if states.kind == "none":
        return "none"
    return (
        f"{states.kind}, {states.images} images, "
        f"{decimal(states.bytes)} of {decimal(states.budget)}"
    )
