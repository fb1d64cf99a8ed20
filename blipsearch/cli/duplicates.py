"""`blipsearch duplicates`: which files are copies, and which pictures look the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blipsearch.options import CollectionOption, JsonOption, LibraryOption, make_app
from blipsearch.wording import counted, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blipsearch.duplicates import Duplicate, Group
    from blipsearch.group_sheet import Tile

app = make_app()

_SHEET = {"exact": "the same bytes", "near": "nearly the same picture"}
"""What each kind of group is called where pictures are looked at."""


@app.command()
def duplicates(  # noqa: PLR0913  # a command's options are its interface
    *,
    exact: Annotated[bool, typer.Option("--exact", help="Only files with the same bytes.")] = False,
    near: Annotated[
        bool, typer.Option("--near", help="Only pictures that look the same, their bytes not.")
    ] = False,
    hash_distance: Annotated[
        int | None,
        typer.Option(
            min=0, max=64, help="Bits in which the perceptual hashes of near ones may differ (10)."
        ),
    ] = None,
    cosine: Annotated[
        float | None,
        typer.Option(min=-1, max=1, help="The least cosine of near ones' embeddings (0.95)."),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the groups as a contact sheet.")
    ] = None,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List images that are there twice: the same bytes, or nearly the same picture.

    The best image of each group comes first: the one with the most pixels.
    """
    from blipsearch.duplicates import Likeness, exact_duplicates, near_duplicates
    from blipsearch.library import Library
    from blipsearch.settings import make_settings

    if not (exact or near):
        exact = near = True
    settings = make_settings(library=library, collection=collection)
    usual = Likeness()
    likeness = Likeness(
        usual.hash_distance if hash_distance is None else hash_distance,
        usual.cosine if cosine is None else cosine,
    )
    found: dict[str, Sequence[Group]] = {}
    with (
        Library.open(settings.library) as opened,
        opened.collection(settings.collection) as images,
    ):
        if exact:
            found["exact"] = exact_duplicates(images)
        if near:
            alike = near_duplicates(images, likeness)
            found["near"] = alike.groups
            _say_what_is_flat(alike.flat)
    if sheet is not None:
        _draw_sheet(settings.collection, found, sheet)
    if as_json:
        document = {kind: [_rows(group) for group in groups] for kind, groups in found.items()}
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    for kind, groups in found.items():
        _print_groups(kind, groups)


def _rows(group: Group) -> list[dict[str, Any]]:
    return [
        {
            "id": one.entry.id,
            "source": one.entry.source.name,
            "path": one.entry.path,
            "width": one.entry.width,
            "height": one.entry.height,
            "size": one.entry.size,
            "hash_distance": one.hash_distance,
            "cosine": round(one.cosine, 6),
        }
        for one in group
    ]


def _print_groups(kind: str, groups: Sequence[Group]) -> None:
    images = sum(len(group) for group in groups)
    spare = sum(one.entry.size for group in groups for one in group[1:])
    typer.echo(
        f"{kind}: {counted(len(groups), 'group')} of {counted(images, 'image')}"
        + (f", {_size(spare)} beside the best ones" if groups else "")
    )
    for group in groups:
        for number, one in enumerate(group):
            mark = "  " if number else "* "
            where = printable(one.entry.absolute_path)
            typer.echo(f"{mark}{one.entry.id:>8}  {_details(kind, one, number)}  {where}")
        typer.echo()


def _details(kind: str, one: Duplicate, number: int) -> str:
    seen = f"{one.entry.width} x {one.entry.height}, {_size(one.entry.size)}"
    far = f"{one.hash_distance} bits, cosine {one.cosine:.3f}" if number else ""
    return f"{seen:<24}" if kind == "exact" else f"{seen:<24}  {far:<21}"


def _say_what_is_flat(flat: int) -> None:
    if flat:
        what = (
            "1 picture of one colour was" if flat == 1 else f"{flat:,} pictures of one colour were"
        )
        sys.stderr.write(f"note: {what} compared by bytes alone: they show nothing\n")


def _draw_sheet(collection: str, found: dict[str, Sequence[Group]], sheet: Path) -> None:
    from blipsearch.group_sheet import TileGroup, group_sheet
    from blipsearch.sheet import save_sheet

    groups = [
        TileGroup(
            f"{_SHEET[kind]}: {counted(len(group), 'image')}",
            [_tile(kind, one, first=one is group[0]) for one in group],
        )
        for kind, all_groups in found.items()
        for group in all_groups
    ]
    save_sheet(group_sheet(f"duplicates in {collection}", groups), sheet)
    sys.stderr.write(f"contact sheet: {sheet}\n")


def _tile(kind: str, one: Duplicate, *, first: bool) -> Tile:
    from blipsearch.group_sheet import Tile

    far = f"{one.hash_distance} bits, {one.cosine:.3f}"
    return Tile(
        place=one.entry.place,
        name=one.entry.path,
        left=f"{one.entry.width} x {one.entry.height}, {_size(one.entry.size)}",
        right="" if kind == "exact" else "best" if first else far,
    )


def _size(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size)
