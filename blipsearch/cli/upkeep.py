"""`blipsearch verify`, `repair` and `compact`: whether a library is sound, and keeping it so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.edge import ExitCode
from blipsearch.options import JsonOption, LibraryOption, make_app
from blipsearch.wording import counted, printable

if TYPE_CHECKING:
    from blipsearch.upkeep.compacting import CompactReport
    from blipsearch.upkeep.findings import Finding

app = make_app()

__all__ = ["app"]

OneCollectionOption = Annotated[
    str | None,
    typer.Option("--collection", metavar="NAME", help="Only this collection (default: all)."),
]


@app.command()
def verify(
    *,
    collection: OneCollectionOption = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read every picture and compare its content, too.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at a whole library: catalog, vector snapshots, image states, pictures on disk.

    Nothing is changed. Exits with 1 where anything is not as it should be, and says what to do.
    """
    from blipsearch.upkeep.verifying import verify
    from indexer.progress import working

    with working("verifying") as report:
        found = verify(
            _library(library), collection=collection, contents=contents, on_progress=report
        )
    if as_json:
        document = {"sound": found.is_sound, **asdict(found)}
        typer.echo(json.dumps(document, indent=2))
    else:
        _print_findings(found.findings)
        typer.echo(
            f"{'sound' if found.is_sound else counted(len(found.findings), 'finding')}: looked at "
            f"{counted(found.images, 'image')}, {counted(found.files, 'file')}, "
            f"{counted(found.states, 'image state')}"
        )
    raise typer.Exit(ExitCode.OK if found.is_sound else ExitCode.FAILED)


@app.command()
def repair(
    *,
    collection: OneCollectionOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mend what `verify` finds and can be made anew; say what was done and what remains.

    Never deletes pictures, images, or what people said of them. Exits with 1 where anything
    remains.
    """
    from blipsearch.upkeep.repairing import repair
    from indexer.progress import working

    with working("repairing") as report:
        done = repair(_library(library), collection=collection, on_progress=report)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
    else:
        for one in done.mended:
            typer.echo(printable(f"{one.where}: {one.what} ({one.count:,})"))
        if not done.mended:
            typer.echo("nothing to mend")
        if done.remaining:
            typer.echo("what remains:")
        _print_findings(done.remaining)
    raise typer.Exit(ExitCode.FAILED if done.remaining else ExitCode.OK)


@app.command()
def compact(*, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Give the disk back what nobody needs: holes in the catalog, old snapshots, stale states.

    Searches go on meanwhile.
    """
    from blipsearch.library import Library
    from blipsearch.upkeep.compacting import compact
    from indexer.progress import working

    with Library.open(_library(library)) as opened, working("compacting") as report:
        done = compact(opened, on_progress=report)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
    else:
        _print_compacted(done)


def _print_compacted(done: CompactReport) -> None:
    typer.echo(
        f"{done.before:,} bytes before, {done.after:,} bytes after; forgot "
        f"{counted(done.deletions, 'deletion')}, deleted {counted(done.files, 'abandoned file')}"
    )
    if not done.is_packed:
        typer.echo("somebody was reading: the catalog's file shrinks when they are done")


def _print_findings(findings: Sequence[Finding]) -> None:
    for one in findings:
        such = f", such as {', '.join(one.examples)}" if one.examples else ""
        typer.echo(printable(f"{one.kind}: {one.where}: {one.what} ({one.count:,}{such})"))
        typer.echo(printable(f"  {one.remedy}"))


def _library(given: Path | None) -> Path:
    from blipsearch.settings import make_settings

    return make_settings(library=given).library
