"""`blipsearch status` and `blipsearch upgrade`: what is in a library, and its schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from blipsearch.options import JsonOption, LibraryOption, ServerOption, make_app

if TYPE_CHECKING:
    from blipsearch.schemas import CollectionSummary, StatesSummary
    from blipsearch.settings import Settings

app = make_app()


@app.command()
def status(
    *,
    library: LibraryOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the collections of a library: images, failures, checkpoint, image states."""
    from blipsearch.cli.answering import check_local_options
    from blipsearch.settings import make_settings

    settings = make_settings(library=library, server=server)
    check_local_options(settings, {"--library": library})
    if settings.server is None:
        where = {"library": str(settings.library)}
        collections = _collections_here(settings)
    else:
        where, collections = _collections_there(settings, settings.server)
    if as_json:
        rows = [one.model_dump(mode="json") for one in collections]
        typer.echo(json.dumps({**where, "collections": rows}, indent=2))
        return
    typer.echo(", ".join(f"{kind} {value}" for kind, value in where.items()))
    if not collections:
        typer.echo("no collections yet; make one with `blipsearch index FOLDER`")
    for one in collections:
        typer.echo(
            f"  {one.name}: {one.images} images, {one.failed} failed, {one.missing} missing; "
            f"{one.checkpoint}, {one.dim} dimensions, fingerprint {one.fingerprint[:12]}"
        )
        typer.echo(f"    states: {_states_as_text(one.states)}")


def _collections_here(settings: Settings) -> Sequence[CollectionSummary]:
    from blipsearch.library import Library

    with Library.open(settings.library) as opened:
        return [opened.summary(info) for info in opened.collections()]


def _collections_there(
    settings: Settings, url: str
) -> tuple[dict[str, str], Sequence[CollectionSummary]]:
    """Where the service is and whether it could answer a search now, and its collections."""
    from blipsearch.cli.answering import opened_service

    with opened_service(settings, url) as client:
        return {"server": url, "status": client.ready().status}, client.collections()


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
