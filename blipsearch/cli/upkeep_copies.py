"""`blipsearch backup`, `restore`, `export`, `import`: copies of a library or of a collection."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.edge import ExitCode
from blipsearch.options import CollectionOption, JsonOption, LibraryOption, make_app
from blipsearch.wording import counted, printable

if TYPE_CHECKING:
    from blipsearch.upkeep.importing import ImportReport

app = make_app()

__all__ = ["app"]

_SHOWN = 20


@app.command()
def backup(
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", help="A directory that is not there yet.")
    ],
    *,
    states: Annotated[
        bool,
        typer.Option("--states", help="Image states, too: large, and they can be made again."),
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a library while it is in use: catalog, uploaded pictures, vector snapshots.

    The copy is checked and on the disk before it has its name, and is a library itself. Pictures
    in your own folders are not copied.
    """
    from rich.filesize import decimal

    from blipsearch.library import Library
    from blipsearch.settings import make_settings
    from blipsearch.upkeep.backups import back_up
    from indexer.progress import working

    settings = make_settings(library=library)
    with Library.open(settings.library) as opened, working("backing up") as report:
        done = back_up(opened, destination, states=states, on_progress=report)
    if as_json:
        typer.echo(json.dumps(asdict(done) | {"path": str(done.path)}, indent=2))
        return
    typer.echo(
        f"backed up {counted(done.images, 'image')} and "
        f"{counted(done.uploads, 'uploaded picture')} to {printable(str(done.path))} "
        f"({decimal(done.bytes)})"
    )


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `backup` made.")],
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Where the library is not empty, move it aside first."),
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup back as the library; the backup stays as it is.

    A damaged backup, and one of a newer blipsearch, is refused before anything is changed.
    """
    from blipsearch.settings import make_settings
    from blipsearch.upkeep.restoring import restore
    from indexer.progress import working

    settings = make_settings(library=library)
    with working("restoring") as report:
        done = restore(backup, settings.library, replace=replace, on_progress=report)
    if as_json:
        aside = None if done.aside is None else str(done.aside)
        document = asdict(done) | {"path": str(done.path), "aside": aside}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(printable(f"restored the library {done.path}"))
    if done.aside is not None:
        aside_now = printable(str(done.aside))
        typer.echo(f"what was there before is in {aside_now}; delete it when you are content")
    if done.needs_upgrade:
        typer.echo("an older blipsearch made the backup: run `blipsearch upgrade` next")


@app.command()
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.parquet", help="A file that is not there yet.")
    ],
    *,
    collection: CollectionOption = None,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", "-f", metavar="FILTER", help="Only images that this holds for."),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write all that is known of a collection's images to a Parquet file, embeddings too.

    A row is an image; the pictures themselves stay where they are.
    """
    from rich.filesize import decimal

    from blipsearch.filters.text import parse_filter
    from blipsearch.library import Library
    from blipsearch.settings import make_settings
    from blipsearch.upkeep.exporting import export
    from indexer.progress import working

    settings = make_settings(library=library, collection=collection)
    chosen = None if filter_ is None else parse_filter(filter_)
    with Library.open(settings.library) as opened, working("exporting") as report:
        done = export(opened, settings.collection, file, chosen, on_progress=report)
    if as_json:
        typer.echo(json.dumps(asdict(done) | {"path": str(done.path)}, indent=2))
        return
    where = printable(str(done.path))
    typer.echo(f"exported {counted(done.images, 'image')} to {where} ({decimal(done.bytes)})")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.parquet", help="What `export` wrote.")],
    *,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the images of an export to a collection, which is made where it is not there.

    Nothing is embedded again and nothing overwritten; importing twice changes nothing. An export
    names places on this machine: import only those of people you trust. Exits with 3 where rows
    were not taken.
    """
    from blipsearch.library import Library
    from blipsearch.settings import make_settings
    from blipsearch.upkeep.importing import check_export, import_export
    from indexer.progress import working

    settings = make_settings(library=library, collection=collection)
    check_export(file)  # before a library is made for it
    with (
        Library.open(settings.library, create=True) as opened,
        working("importing") as report,
    ):
        done = import_export(opened, file, settings.collection, on_progress=report)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
    else:
        _print_imported(done)
    raise typer.Exit(ExitCode.SOME_IMAGES_FAILED if done.failed else ExitCode.OK)


def _print_imported(done: ImportReport) -> None:
    typer.echo(
        f"collection {done.collection}: {done.added:,} added, {done.completed:,} completed, "
        f"{done.unchanged:,} unchanged, {done.other:,} left alone because their content is "
        f"another here, {done.failed:,} failed"
    )
    for source in done.sources:
        typer.echo(printable(f"  source {source.name}: {source.root}"))
    for row in done.bad[:_SHOWN]:
        sys.stderr.write(f"row {row.row}: {row.reason}\n")
    if done.failed > _SHOWN:
        sys.stderr.write(f"and {done.failed - _SHOWN:,} more; see --json\n")
