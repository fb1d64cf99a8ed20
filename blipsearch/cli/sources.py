"""`blipsearch sources`: where a collection's images come from, what it calls that, where it is."""

from __future__ import annotations

import json
import os.path
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.options import CollectionOption, JsonOption, LibraryOption, make_app
from blipsearch.wording import printable

if TYPE_CHECKING:
    from blipsearch.collection import Collection
    from blipsearch.records import Source

__all__ = ["app"]

app = make_app()
sources = make_app()
app.add_typer(sources, name="sources")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="What the source is called.", show_default=False)
]


@sources.callback()
def group() -> None:
    """List, rename and move the sources of a collection."""


@sources.command("list")
def list_sources(
    *,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the sources by age: name, kind, root, and how many images of each are known."""
    with _opened(library, collection) as one:
        name, counts = one.name, one.source_counts()
        rows = [
            {"name": source.name, "kind": source.kind, "root": source.root}
            | {"indexed": 0, "failed": 0, "missing": 0, **counts.get(source.id, {})}
            for source in one.sources()
        ]
    if as_json:
        typer.echo(json.dumps({"collection": name, "sources": rows}, indent=2))
        return
    if not rows:
        typer.echo(f"collection {name!r} has no sources yet; `blipsearch index FOLDER` adds one")
    for row in rows:
        line = (
            f"{row['name']}: {row['kind']} {row['root']}, {row['indexed']:,} images, "
            f"{row['failed']:,} failed, {row['missing']:,} missing"
        )
        typer.echo(printable(line))


@sources.command()
def rename(
    name: NameArgument,
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="What it is to be called.", show_default=False)
    ],
    *,
    collection: CollectionOption = None,
    library: LibraryOption = None,
) -> None:
    """Give a source another name."""
    with _opened(library, collection) as one:
        renamed = one.rename_source(_named(one, name).id, new)
    typer.echo(f"source {name!r} is called {renamed.name!r} now")


@sources.command()
def move(
    name: NameArgument,
    root: Annotated[
        str,
        typer.Argument(
            metavar="ROOT",
            help="The folder, archive, list or URL that its files are below now.",
            show_default=False,
        ),
    ],
    *,
    collection: CollectionOption = None,
    library: LibraryOption = None,
) -> None:
    """Say where a source's files are now: all its images stay what they are."""
    from blipsearch.places import is_url

    if not is_url(root):
        root = os.path.abspath(os.path.expanduser(root))  # noqa: PTH100, PTH111  # plain strings
        if not os.path.lexists(root):
            sys.stderr.write(f"note: {root} is not there now\n")
    with _opened(library, collection) as one:
        moved = one.move_source(_named(one, name).id, root)
    typer.echo(f"source {name!r} is at {moved.root} now; `blipsearch index` looks what is there")


@contextmanager
def _opened(library: object, collection: str | None) -> Iterator[Collection]:
    from blipsearch.library import Library
    from blipsearch.settings import make_settings

    settings = make_settings(library=library, collection=collection)
    with Library.open(settings.library) as opened, opened.collection(settings.collection) as one:
        yield one


def _named(collection: Collection, name: str) -> Source:
    from blipsearch.errors import SourceError

    known = collection.sources()
    for source in known:
        if source.name == name:
            return source
    names = ", ".join(source.name for source in known)
    raise SourceError(
        f"no source {name!r} in collection {collection.name!r} "
        f"({f'there are: {names}' if names else 'there is none yet'}); "
        "see `blipsearch sources list`"
    )
