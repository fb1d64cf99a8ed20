"""`blipsearch search`: a sentence in, ranked pictures out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blipsearch.options import (
    CollectionOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LibraryOption,
    MatchDtypeOption,
    MaxMegapixelsOption,
    make_app,
)

if TYPE_CHECKING:
    from blipsearch.schemas import SearchResponse
    from blipsearch.settings import Settings

app = make_app()


@app.command()
def search(  # noqa: PLR0913  # a command's options are its interface
    query: Annotated[str, typer.Argument(help="What the picture shows: 'a dog on a beach'.")],
    *,
    limit: Annotated[int, typer.Option("-k", "--limit", min=1, help="Hits to show.")] = 10,
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="Judge the candidates by BLIP's ITM head.")
    ] = True,
    min_match: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out hits with a lower match probability."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=1, help="Images to rerank (default: 64).")
    ] = None,
    rerank_budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Rerank in order of cosine for this long at most."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the hits with their scores as a contact sheet."),
    ] = None,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    match_dtype: MatchDtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a collection for pictures that match a sentence."""
    from blipsearch.settings import make_settings

    for option, value in (("--min-match", min_match), ("--rerank-budget", rerank_budget)):
        if value is not None and not rerank:
            raise typer.BadParameter(f"{option} needs the rerank; leave out --no-rerank")
    settings = make_settings(
        library=library,
        collection=collection,
        device=device,
        dtype=dtype,
        match_dtype=match_dtype,
        candidates=candidates,
        max_megapixels=max_megapixels,
    )
    asked = {"min_match": min_match, "rerank_budget": rerank_budget} if rerank else None
    response, files = _search(settings, query, limit, asked)
    if sheet is not None:
        from blipsearch.sheet import contact_sheet, save_sheet

        save_sheet(contact_sheet(query, response.hits, files), sheet)
        sys.stderr.write(f"contact sheet: {sheet}\n")
    if as_json:
        typer.echo(json.dumps(_as_json(response, files), ensure_ascii=False, indent=2))
    else:
        _print_table(query, response, files, min_match)


def _search(
    settings: Settings, query: str, limit: int, rerank: dict[str, float | None] | None
) -> tuple[SearchResponse, list[str]]:
    """Return the response and the absolute path of each hit's file; `rerank` says how, or not."""
    from blipsearch.blip import BlipRetriever
    from blipsearch.library import open_library
    from blipsearch.search import Searcher

    with (
        open_library(settings.library) as opened,
        opened.collection(settings.collection) as collection,
    ):
        retriever = BlipRetriever.from_pretrained(
            collection.info.checkpoint.name,
            device=settings.device,
            dtype=settings.dtype,
            match_dtype=settings.match_dtype,
        )
        sys.stderr.write(f"{retriever.description}\n")
        searcher = Searcher(collection, retriever, max_pixels=settings.max_pixels)
        if rerank is None:
            response = searcher.search_by_cosine(query, limit=limit)
        else:
            response = searcher.search(
                query,
                limit=limit,
                candidates=settings.candidates,
                on_progress=_show_progress if sys.stderr.isatty() else None,
                **rerank,
            )
            _say_what_was_left(response)
        entries = collection.images([hit.id for hit in response.hits])
        return response, [entry.absolute_path for entry in entries]


def _show_progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    sys.stderr.write(f"\rreranked {done} of {total} candidates{end}")
    sys.stderr.flush()


def _say_what_was_left(response: SearchResponse) -> None:
    if response.reranked + response.unverified < response.candidates:
        sys.stderr.write(
            f"the time sufficed to rerank {response.reranked} of {response.candidates} "
            "candidates; the others follow by cosine\n"
        )


def _as_json(response: SearchResponse, files: list[str]) -> dict[str, object]:
    """Return the response as the service sends it, and where each hit's file is on this machine."""
    document = response.model_dump(mode="json")
    for hit, file in zip(document["hits"], files, strict=True):
        hit["file"] = file
    return document


def _print_table(
    query: str, response: SearchResponse, files: list[str], min_match: float | None
) -> None:
    if not response.hits:
        needed = "" if min_match is None else f" with a match of at least {min_match:.0%}"
        typer.echo(f"nothing matches {query!r}{needed} ({response.candidates} candidates)")
        return
    typer.echo(" match  cosine  path")
    for hit, file in zip(response.hits, files, strict=True):
        match = "     -" if hit.match is None else f"{hit.match:6.1%}"
        typer.echo(f"{match}  {hit.cosine:6.3f}  {_near(file)}")


def _near(file: str) -> str:
    """Return the path relative to the working directory when it lies below it."""
    path = Path(file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
