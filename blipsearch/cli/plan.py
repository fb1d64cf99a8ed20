"""`blipsearch plan`: which vector index suits a collection, tried out before anything is built."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.options import (
    CollectionOption,
    JsonOption,
    LibraryOption,
    VectorMemoryOption,
    VectorRecallOption,
    make_app,
)

if TYPE_CHECKING:
    from blipsearch.collection import Collection
    from blipsearch.vectors import IndexInfo, IndexNeeds, IndexPlan, Measured

app = make_app()


@app.command()
def plan(  # noqa: PLR0913  # a command's options are its interface
    *,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    vector_memory: VectorMemoryOption = None,
    vector_recall: VectorRecallOption = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Plan for N images instead of those there are."),
    ] = None,
    build: Annotated[bool, typer.Option("--build", help="Build what was chosen.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which vector index suits a collection, and what it does on a sample of it."""
    from blipsearch.library import Library
    from blipsearch.settings import make_settings
    from blipsearch.vectors import IndexNeeds

    if build and count is not None:
        raise typer.BadParameter("--build builds for the images there are; leave out --count")
    settings = make_settings(
        library=library,
        collection=collection,
        vector_memory=vector_memory,
        vector_recall=vector_recall,
    )
    needs = IndexNeeds(settings.vector_bytes, settings.vector_recall)
    with Library.open(settings.library) as opened, opened.collection(settings.collection) as one:
        plans = one.consider_index(needs, count)
        planned_for = one.index_info.vectors if count is None else count
        measured = one.measure_index(plans[0], needs.recall)
        if not as_json:
            _print_plan(settings.collection, planned_for, plans, measured)
        if build:
            _build(one, needs, quiet=as_json)
        info = one.index_info
    if as_json:
        typer.echo(_as_json(settings.collection, needs, planned_for, plans, measured, info))
    else:
        typer.echo(f"in use: {_in_use(info)}")


def _build(collection: Collection, needs: IndexNeeds, *, quiet: bool) -> None:
    from indexer.progress import building

    with nullcontext() if quiet else building() as on_progress:
        collection.build_index(needs, on_progress)


def _print_plan(name: str, count: int, plans: list[IndexPlan], measured: Measured | None) -> None:
    chosen, *others = plans
    typer.echo(f"collection {name!r}, {count:,} vectors: {_described(chosen)}")
    typer.echo(f"  because {chosen.why}")
    typer.echo(f"  {_as_text(measured)}")
    for one in others:
        typer.echo(f"not {_described(one)}\n  because {one.why}")


def _described(one: IndexPlan) -> str:
    from rich.filesize import decimal

    words = one.kind if one.kind == one.description else f"{one.kind} ({one.description})"
    return f"{words}, {one.bytes_per_vector:.1f} bytes a vector, {decimal(one.total_bytes)}"


def _as_text(measured: Measured | None) -> str:
    if measured is None:
        return "nothing was measured: the collection is too small for a sample of it to tell"
    return (
        f"on a sample of {measured.vectors:,} vectors, with {measured.queries} of the collection's "
        f"own embeddings, held out, as queries: recall@100 {measured.recall:.4f}, "
        f"{measured.milliseconds:.2f} ms a query; exact search took "
        f"{measured.exact_milliseconds:.2f} ms. Sentences and the whole collection may fare "
        "otherwise"
    )


def _in_use(info: IndexInfo) -> str:
    from rich.filesize import decimal

    text = f"{info.description}, {info.vectors:,} vectors, {decimal(info.bytes)} in memory"
    if info.kind == "exact":
        return text
    return (
        f"{text}; {info.exact:,} added or changed and {info.tombstones:,} gone or changed since it "
        f"was built; {info.probes} of {info.lists} lists a search, recall {info.recall:.4f} in "
        "trials"
    )


def _as_json(  # what there is to tell
    name: str,
    needs: IndexNeeds,
    count: int,
    plans: list[IndexPlan],
    measured: Measured | None,
    info: IndexInfo,
) -> str:
    document = {
        "collection": name,
        "vectors": count,
        "needs": asdict(needs),
        "plan": asdict(plans[0]),
        "measured": None if measured is None else asdict(measured),
        "alternatives": [asdict(one) for one in plans[1:]],
        "index": asdict(info),
    }
    return json.dumps(document, indent=2)
