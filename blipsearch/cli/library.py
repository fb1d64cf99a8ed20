"""`blipsearch status`, `switch` and `upgrade`: what is in a library, names, its schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.options import JsonOption, LibraryOption, ServerOption, make_app

if TYPE_CHECKING:
    from blipsearch.library import Library
    from blipsearch.records import CollectionInfo, RunCounts
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
    activities: Sequence[str] = ()
    if settings.server is None:
        where = {"library": str(settings.library)}
        collections, activities = _collections_here(settings)
    else:
        where, collections = _collections_there(settings, settings.server)
    if as_json:
        rows = [one.model_dump(mode="json") for one in collections]
        typer.echo(json.dumps({**where, "collections": rows}, indent=2))
        return
    typer.echo(", ".join(f"{kind} {value}" for kind, value in where.items()))
    if not collections:
        typer.echo("no collections yet; make one with `blipsearch index FOLDER`")
    for one, activity in zip_longest(collections, activities):
        typer.echo(
            f"  {one.name}: {one.images} images, {one.failed} failed, {one.missing} missing; "
            f"{one.checkpoint}, {one.dim} dimensions, fingerprint {one.fingerprint[:12]}"
        )
        typer.echo(f"    states: {_states_as_text(one.states)}")
        if one.failed and settings.server is None:
            typer.echo(
                f"    `blipsearch failures --collection {one.name}` says what failed and why"
            )
        if activity:
            typer.echo(f"    {activity}")


def _collections_here(settings: Settings) -> tuple[Sequence[CollectionSummary], Sequence[str]]:
    """The library's collections, and for each who indexes into it or what the last run did."""
    from blipsearch.library import Library

    with Library.open(settings.library) as opened:
        infos = opened.collections()
        return [opened.summary(info) for info in infos], [_activity(opened, i) for i in infos]


def _activity(library: Library, info: CollectionInfo) -> str:
    from indexer.lock import holder_of

    holder = holder_of(library.directory(info))
    if holder is not None:
        return f"being indexed by {holder}"
    for run in library.catalog.runs.newest(info.id, 1):
        began = f"last run: began {run.started_at.astimezone():%Y-%m-%d %H:%M:%S}"
        if run.finished_at is None:
            return f"{began} and was ended from outside; `blipsearch index` goes on from there"
        return f"{began}, took {run.seconds or 0:.1f} s: {_counts_as_text(run.counts)}"
    return ""


def _counts_as_text(counts: RunCounts) -> str:
    from dataclasses import asdict

    return ", ".join(f"{count:,} {what}" for what, count in asdict(counts).items() if count) or (
        "nothing to do"
    )


def _collections_there(
    settings: Settings, url: str
) -> tuple[dict[str, str], Sequence[CollectionSummary]]:
    """Where the service is and whether it could answer a search now, and its collections."""
    from blipsearch.cli.answering import opened_service

    with opened_service(settings, url) as client:
        return {"server": url, "status": client.ready().status}, client.collections()


@app.command()
def switch(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A collection.", show_default=False)],
    new: Annotated[
        str,
        typer.Argument(metavar="NEW", help="The one to have its name.", show_default=False),
    ],
    *,
    library: LibraryOption = None,
) -> None:
    """Let two collections change names, at one stroke: also a service that runs follows."""
    from blipsearch.library import Library
    from blipsearch.settings import make_settings

    with Library.open(make_settings(library=library).library) as opened:
        opened.switch(old, new)
        checkpoints = [opened.info(name).checkpoint.name for name in (old, new)]
    typer.echo(
        f"{old!r} is now the collection of {checkpoints[0]}, {new!r} that of {checkpoints[1]}"
    )


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
