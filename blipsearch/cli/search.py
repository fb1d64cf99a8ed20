"""`blipsearch search`: a sentence in, ranked pictures out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    from blipsearch.collection import Collection
    from blipsearch.schemas import SearchRequest, SearchResponse
    from blipsearch.search import Searcher, SearchEvent
    from blipsearch.settings import Settings

app = make_app()


@app.command()
def search(  # noqa: PLR0913  # a command's options are its interface
    query: Annotated[
        str | None,
        typer.Argument(
            help="What the picture shows: 'a dog on a beach'. Also several things with weights, "
            "images, and what must not be there: '2:red boat + ./sunset.jpg + id:17 - people'."
        ),
    ] = None,
    *,
    limit: Annotated[int, typer.Option("-k", "--limit", min=1, help="Hits to show.")] = 10,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="FILTER",
            help="Search among these images only: 'taken_at:2024 path:holiday/** -tag:private'.",
        ),
    ] = None,
    rerank: Annotated[
        bool | None,
        typer.Option(
            "--rerank/--no-rerank",
            help="Judge the candidates by BLIP's ITM head (yes, if the query has a sentence).",
        ),
    ] = None,
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
    hybrid: Annotated[
        Literal["off", "on", "only"] | None,
        typer.Option(help="Find captions by their words: not, too, or instead of embeddings."),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD", help="Order what matches by taken_at, path, size, ...; -taken_at."
        ),
    ] = None,
    cursor: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="The next page of an earlier search.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how the answer came about, and how long it took.")
    ] = False,
    heat_maps: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Draw for each hit which part of it answered to which word."
        ),
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
    """Search a collection for pictures that match a query."""
    from blipsearch.cli.hits import print_hits
    from blipsearch.settings import make_settings

    for option, value in (("--min-match", min_match), ("--rerank-budget", rerank_budget)):
        if value is not None and rerank is False:
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
    asked = {
        "rerank": rerank,
        "min_match": min_match,
        "rerank_budget": rerank_budget,
        "filter": filter_,
        "hybrid": hybrid,
        "sort": sort,
        "explain": explain or None,
        # Beside a cursor nothing is asked anew, so only what was named here.
        "candidates": settings.candidates if cursor is None else candidates,
    }
    request = _request(query, cursor, limit, asked)
    response, files = _search(settings, request, heat_maps)
    if sheet is not None:
        from blipsearch.sheet import contact_sheet, save_sheet

        there = [(hit, file) for hit, file in zip(response.hits, files, strict=True) if file]
        drawn = contact_sheet(query or "", [hit for hit, _ in there], [file for _, file in there])
        save_sheet(drawn, sheet)
        sys.stderr.write(f"contact sheet: {sheet}\n")
    print_hits(query, response, files, min_match=min_match, as_json=as_json)


def _request(
    query: str | None, cursor: str | None, limit: int, asked: dict[str, Any]
) -> SearchRequest:
    from blipsearch.query import checked_request, parse_query

    if query is None and cursor is None:
        raise typer.BadParameter("say what to search for, as in `blipsearch search 'a red boat'`")
    fields = {name: value for name, value in asked.items() if value is not None}
    if query is not None:
        fields["terms"] = parse_query(query, files=True).terms
    if cursor is not None:
        fields["cursor"] = cursor
    return checked_request({**fields, "limit": limit})


def _search(
    settings: Settings, request: SearchRequest, heat_maps: Path | None
) -> tuple[SearchResponse, list[str]]:
    """Return the response and the absolute path of each hit's file, empty where it is removed."""
    from blipsearch.blip import BlipRetriever
    from blipsearch.describe import Describer
    from blipsearch.library import open_library
    from blipsearch.search import Searcher

    with (
        open_library(settings.library) as opened,
        opened.collection(settings.collection) as collection,
    ):
        checkpoint = collection.info.checkpoint.name
        retriever = BlipRetriever.from_pretrained(
            checkpoint,
            device=settings.device,
            dtype=settings.dtype,
            match_dtype=settings.match_dtype,
        )
        sys.stderr.write(f"{retriever.description}\n")
        searcher = Searcher(
            collection,
            retriever,
            max_pixels=settings.max_pixels,
            describe=Describer(settings, checkpoint),
        )
        response = searcher.search(
            request, on_event=_show_progress if sys.stderr.isatty() else None
        )
        _say_what_was_left(response)
        if heat_maps is not None:
            _draw_heat_maps(searcher, request, response, heat_maps)
        return response, _files(collection, response)


def _files(collection: Collection, response: SearchResponse) -> list[str]:
    ids = [hit.id for hit in response.hits]
    paths = {entry.id: entry.absolute_path for entry in collection.images(ids)}
    return [paths.get(image_id, "") for image_id in ids]


def _draw_heat_maps(
    searcher: Searcher, request: SearchRequest, response: SearchResponse, directory: Path
) -> None:
    from blipsearch.errors import ImageError, QueryError
    from blipsearch.query import query_of

    texts = () if request.cursor is not None else query_of(request).wanted_texts
    if not texts:
        raise QueryError("a heat map is about words: search for a sentence, without a cursor")
    directory.mkdir(parents=True, exist_ok=True)
    for rank, hit in enumerate(response.hits, start=1):
        file = directory / f"{rank:03}-{hit.id}.png"
        try:
            searcher.heat_map(hit.id, texts[0]).save(file)
        except ImageError as error:
            sys.stderr.write(f"no heat map of image {hit.id}: {error}\n")
    sys.stderr.write(f"heat maps: {directory}\n")


def _show_progress(event: SearchEvent) -> None:
    from blipsearch.schemas import Judgements

    if isinstance(event, Judgements):
        done, total = event.reranked, event.candidates
        end = "\n" if done == total else ""
        sys.stderr.write(f"\rreranked {done} of {total} candidates{end}")
        sys.stderr.flush()


def _say_what_was_left(response: SearchResponse) -> None:
    judged = response.reranked + response.unverified
    if response.reranked and judged < response.candidates:
        sys.stderr.write(
            f"the time sufficed to rerank {response.reranked} of {response.candidates} "
            "candidates; the others follow by cosine\n"
        )
