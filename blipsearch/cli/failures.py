"""`blipsearch failures`: which files could not be indexed and why, and trying them again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blipsearch.edge import ExitCode
from blipsearch.options import (
    CollectionOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LibraryOption,
    MaxMegapixelsOption,
    make_app,
)
from blipsearch.wording import counted, printable

if TYPE_CHECKING:
    from blipsearch.records import ImageEntry
    from blipsearch.settings import Settings
    from indexer.records import IndexSummary

app = make_app()


@app.command()
def failures(  # noqa: PLR0913  # a command's options are its interface
    *,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Index all sources again, and try the failed files, too."),
    ] = False,
    decode_timeout: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds after which a file is given up (60)."),
    ] = None,
    max_megapixels: MaxMegapixelsOption = None,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files that could not be indexed, each with the reason.

    Files whose reason lies in what they hold are not tried again until they change.
    """
    from blipsearch.settings import make_settings

    settings = make_settings(
        library=library,
        collection=collection,
        device=device,
        dtype=dtype,
        decode_timeout=decode_timeout,
        max_megapixels=max_megapixels,
    )
    if retry:
        raise typer.Exit(_retry(settings, as_json=as_json))
    failed = _failures(settings)
    if as_json:
        _print_json({"collection": settings.collection, "failures": _rows(failed)})
        return
    for entry in failed:
        passing = "" if entry.lasting else " (tried again in each run)"
        typer.echo(f"{printable(entry.absolute_path)}: {entry.reason}{passing}")
    typer.echo(f"{counted(len(failed), 'file')} of collection {settings.collection!r} failed")
    if failed:
        typer.echo("`blipsearch failures --retry` tries them again")


def _retry(settings: Settings, *, as_json: bool) -> ExitCode:
    """Index all sources with the failed files, and print what became of these."""
    before = _failures(settings)
    interrupted = bool(before) and _index_again(settings).interrupted
    after = {entry.id: entry for entry in _entries(settings, [entry.id for entry in before])}
    became: dict[str, list[ImageEntry]] = {"indexed": [], "failed": [], "missing": []}
    for entry in before:
        now = after.get(entry.id)
        became["missing" if now is None else now.status].append(now or entry)
    if as_json:
        _print_json(
            {"collection": settings.collection, "retried": len(before)}
            | {status: _rows(entries) for status, entries in became.items()}
        )
    else:
        for status, entries in became.items():
            for entry in entries:
                why = f": {entry.reason}" if status == "failed" else ""
                typer.echo(f"{status:<8} {printable(entry.absolute_path)}{why}")
        counts = ", ".join(f"{len(entries):,} {status}" for status, entries in became.items())
        typer.echo(f"tried {counted(len(before), 'file')} again: {counts}")
    if interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_IMAGES_FAILED if became["failed"] else ExitCode.OK


def _index_again(settings: Settings) -> IndexSummary:
    from indexer.preflight import check_run
    from indexer.request import Request

    request = Request(settings, retry_failed=True)
    check_run(request)
    from indexer.run import index_as_asked

    return index_as_asked(request)


def _failures(settings: Settings) -> list[ImageEntry]:
    from blipsearch.library import Library

    with Library.open(settings.library) as opened, opened.collection(settings.collection) as found:
        return list(found.failures())


def _entries(settings: Settings, ids: Sequence[int]) -> list[ImageEntry]:
    from blipsearch.library import Library

    with Library.open(settings.library) as opened, opened.collection(settings.collection) as found:
        return found.images(ids)


def _rows(entries: Iterable[ImageEntry]) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.id,
            "source": entry.source.name,
            "path": printable(entry.absolute_path),
            "reason": entry.reason,
            "lasting": entry.lasting,
        }
        for entry in entries
    ]


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
