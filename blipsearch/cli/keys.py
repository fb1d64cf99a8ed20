"""`blipsearch keys`: who may ask the query service, and for what."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from blipsearch.options import JsonOption, LibraryOption, make_app

if TYPE_CHECKING:
    from blipsearch.catalog.keys import Keys
    from blipsearch.records import ApiKey

app = make_app()
keys = make_app()
app.add_typer(keys, name="keys")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="What the key is called.", show_default=False)
]
ScopeOption = Annotated[
    Literal["read", "write"],
    typer.Option("--scope", help="read: searches and looks; write: also uploads and changes."),
]


@keys.callback()
def group() -> None:
    """Make, list and revoke the API keys of a library.

    With any key in the library, `blipsearch serve` answers nobody without one.
    """


@keys.command()
def add(name: NameArgument, *, scope: ScopeOption = "read", library: LibraryOption = None) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    with _keys(library) as known:
        first = not known.exist()
        made, key = known.make(name, scope)
    typer.echo(key)
    sys.stderr.write(
        f"key {made.name!r} ({made.scope}): keep it, it is not shown again; send it as "
        "`Authorization: Bearer KEY`\n"
    )
    if first:
        sys.stderr.write("from now on the service answers nobody without a key\n")


@keys.command("list")
def list_keys(*, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show the keys by name, also those that are revoked."""
    with _keys(library) as known:
        found = known.all()
    if as_json:
        typer.echo(json.dumps({"keys": [_as_json(key) for key in found]}, indent=2))
        return
    if not found:
        typer.echo("no keys: the service answers this machine alone; see `blipsearch keys add`")
    for key in found:
        typer.echo(f"{key.name}: {key.scope}, {_state(key)}")


@keys.command()
def revoke(name: NameArgument, *, library: LibraryOption = None) -> None:
    """Let a key open nothing any more, at once. Its name stays in the list."""
    with _keys(library) as known:
        revoked = known.revoke(name)
    typer.echo(f"key {revoked.name!r} is revoked")


@keys.command()
def remove(name: NameArgument, *, library: LibraryOption = None) -> None:
    """Revoke a key and forget it. Without any key in the list the service asks for none."""
    with _keys(library) as known:
        known.remove(name)
        left = known.exist()
    typer.echo(f"key {name!r} is forgotten")
    if not left:
        sys.stderr.write(
            "that was the last one: a service on this machine's own address asks for "
            "no key any more\n"
        )


@contextmanager
def _keys(library: Path | None) -> Iterator[Keys]:
    from blipsearch.library import Library
    from blipsearch.settings import make_settings

    with Library.open(make_settings(library=library).library) as opened:
        yield opened.keys


def _state(key: ApiKey) -> str:
    made = f"made {key.created_at:%Y-%m-%d}"
    return made if key.revoked_at is None else f"{made}, revoked {key.revoked_at:%Y-%m-%d}"


def _as_json(key: ApiKey) -> dict[str, object]:
    document = asdict(key)
    document["created_at"] = key.created_at.isoformat()
    document["revoked_at"] = None if key.revoked_at is None else key.revoked_at.isoformat()
    return document
