"""`blipsearch remove`: images out of a collection, for good."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from blipsearch.options import CollectionOption, JsonOption, LibraryOption, make_app
from blipsearch.wording import counted, printable

if TYPE_CHECKING:
    from blipsearch.collection import Collection
    from blipsearch.library import Library
    from blipsearch.records import ImageStatus
    from blipsearch.upkeep.removing import Selection

app = make_app()

__all__ = ["app"]


class _Document(TypedDict):
    """What `--json` prints, with the collection's name."""

    images: int
    removed: int
    source: str | None
    examples: list[str]


_COMES_BACK = (
    "a picture that is still in an indexed folder comes back, as a new image, when that is indexed "
    "again"
)


@app.command()
def remove(  # noqa: PLR0913  # a command's options are its interface
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID", help="Images by their ids.")
    ] = None,
    *,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", "-f", metavar="FILTER", help="Images that this holds for."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Images of this source, which goes with the last one."),
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Images whose files are missing.")
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Files that could not be indexed.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="The whole collection, with all that is said of it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and leave it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove images from a collection for good, with their tags, captions and metadata.

    What several options are given for is what all of them hold for; --missing and --failed add up.
    Pictures on disk are never deleted. A picture that is still in an indexed folder comes back, as
    a new image, when that is indexed again.
    """
    from blipsearch.errors import QueryError
    from blipsearch.filters.text import parse_filter
    from blipsearch.library import Library
    from blipsearch.settings import make_settings
    from blipsearch.upkeep.removing import Selection

    settings = make_settings(library=library, collection=collection)
    selection = Selection(
        ids=tuple(ids or ()),
        filter_=None if filter_ is None else parse_filter(filter_),
        source=source,
        statuses=_statuses(missing=missing, failed=failed),
    )
    if everything and not selection.is_empty:
        raise QueryError("--all is the whole collection; leave out what would narrow it")
    name = settings.collection
    with Library.open(settings.library) as opened:
        if everything:
            document = _remove_collection(opened, name, dry_run=dry_run, yes=yes)
        else:
            with opened.collection(name) as chosen_from:
                document = _remove_images(chosen_from, selection, dry_run=dry_run, yes=yes)
    if as_json:
        typer.echo(json.dumps({"collection": name, **document}, indent=2))
    elif everything and not dry_run:
        images = counted(document["removed"], "image")
        typer.echo(f"removed the collection {name!r} with {images}; no picture was deleted")
    else:
        typer.echo(printable(_summary(document)))
        if document["removed"]:
            sys.stderr.write(f"{_COMES_BACK}\n")


def _statuses(*, missing: bool, failed: bool) -> tuple[ImageStatus, ...]:
    of_missing: tuple[ImageStatus, ...] = ("missing",) if missing else ()
    return (*of_missing, "failed") if failed else of_missing


def _remove_images(
    collection: Collection, selection: Selection, *, dry_run: bool, yes: bool
) -> _Document:
    from blipsearch.upkeep.removing import choose, remove

    chosen = choose(collection, selection)
    count = len(chosen.ids)
    removed = 0
    if count and not dry_run:
        _ask(f"remove {counted(count, 'image')} from collection {collection.name!r}?", yes=yes)
        removed = remove(collection, chosen)
    return {
        "images": count,
        "removed": removed,
        "source": None if chosen.source is None else chosen.source.name,
        "examples": _examples(collection, chosen.ids) if dry_run else [],
    }


def _remove_collection(library: Library, name: str, *, dry_run: bool, yes: bool) -> _Document:
    info = library.info(name)
    count = info.indexed + info.failed + info.missing
    if not dry_run:
        _ask(f"remove the whole collection {info.name!r} with {counted(count, 'image')}?", yes=yes)
        library.remove_collection(name)
    removed = 0 if dry_run else count
    return {"images": count, "removed": removed, "source": None, "examples": []}


def _ask(question: str, *, yes: bool) -> None:
    """Go on only where somebody says yes. Raises SettingsError where nobody can be asked."""
    from blipsearch.errors import SettingsError

    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(
            f"{question} There is no terminal to ask at: add --yes to do it, or --dry-run to look"
        )
    typer.confirm(question, abort=True, err=True)


def _examples(collection: Collection, ids: Sequence[int]) -> list[str]:
    return [entry.absolute_path for entry in collection.images(ids[:10])]


def _summary(document: _Document) -> str:
    with_source = f", and the source {document['source']}" if document["source"] else ""
    if document["removed"]:
        removed = counted(document["removed"], "image")
        return f"removed {removed}{with_source}; no picture was deleted"
    images = counted(document["images"], "image")
    if document["examples"]:
        examples = "\n".join(f"  {one}" for one in document["examples"])
        return f"would remove {images}{with_source}, such as\n{examples}"
    return f"would remove {images}" if document["images"] else "no such images"
