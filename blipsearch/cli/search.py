"""`blipsearch search`: a sentence in, ranked pictures out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from blipsearch.options import (
    CollectionOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LibraryOption,
    MatchDtypeOption,
    MaxMegapixelsOption,
    ServerOption,
    make_app,
)

if TYPE_CHECKING:
    from blipsearch.image_search import ImageSearch
    from blipsearch.schemas import EventName, Judgements, SearchRequest, SearchResponse

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
    server: ServerOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    match_dtype: MatchDtypeOption = None,
    max_megapixels: MaxMegapixelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a collection for pictures that match a query."""
    from blipsearch.cli.answering import check_local_options, files_of, opened
    from blipsearch.cli.hits import print_hits
    from blipsearch.settings import make_settings

    for option, value in (("--min-match", min_match), ("--rerank-budget", rerank_budget)):
        if value is not None and rerank is False:
            raise typer.BadParameter(f"{option} needs the rerank; leave out --no-rerank")
    settings = make_settings(
        library=library,
        server=server,
        collection=collection,
        device=device,
        dtype=dtype,
        match_dtype=match_dtype,
        candidates=candidates,
        max_megapixels=max_megapixels,
    )
    local = {
        "--library": library,
        "--device": device,
        "--dtype": dtype,
        "--match-dtype": match_dtype,
        "--max-megapixels": max_megapixels,
    }
    check_local_options(settings, local)
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
    with opened(settings) as searching:
        response = _answer(searching, request)
        _say_what_was_left(response)
        if heat_maps is not None:
            _draw_heat_maps(searching, request, response, heat_maps)
        files = files_of(searching, [hit.id for hit in response.hits])
        if sheet is not None:
            _draw_sheet(searching, query or "", response, sheet)
    print_hits(query, response, files, min_match=min_match, as_json=as_json)


def _request(
    query: str | None, cursor: str | None, limit: int, asked: dict[str, Any]
) -> SearchRequest:
    from blipsearch.query import checked_request
    from blipsearch.query.text import parse_query

    if query is None and cursor is None:
        raise typer.BadParameter("say what to search for, as in `blipsearch search 'a red boat'`")
    fields = {name: value for name, value in asked.items() if value is not None}
    if query is not None:
        fields["terms"] = parse_query(query, files=True).terms
    if cursor is not None:
        fields["cursor"] = cursor
    return checked_request({**fields, "limit": limit})


def _answer(searching: ImageSearch, request: SearchRequest) -> SearchResponse:
    """The answer; on a terminal the rerank's progress is shown meanwhile."""
    if not sys.stderr.isatty():
        return searching.respond(request, searching.default_collection)
    events = searching.events(request, searching.default_collection)
    for kind, event in events:
        _show_progress(kind, event)
    return cast("SearchResponse", event)  # the last one is the answer


def _draw_sheet(searching: ImageSearch, query: str, response: SearchResponse, sheet: Path) -> None:
    from blipsearch.sheet import contact_sheet, save_sheet

    there = [hit for hit in response.hits if not hit.removed]
    save_sheet(contact_sheet(query, there, [_picture(searching, hit.id) for hit in there]), sheet)
    sys.stderr.write(f"contact sheet: {sheet}\n")


def _picture(searching: ImageSearch, image_id: int) -> bytes:
    """The picture's bytes; none where it is gone."""
    from blipsearch.errors import ImageError

    try:
        return searching.file(image_id)
    except ImageError:
        return b""


def _draw_heat_maps(
    searching: ImageSearch, request: SearchRequest, response: SearchResponse, directory: Path
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
            file.write_bytes(searching.heat_map(hit.id, texts[0]))
        except ImageError as error:
            sys.stderr.write(f"no heat map of image {hit.id}: {error}\n")
    sys.stderr.write(f"heat maps: {directory}\n")


def _show_progress(kind: EventName, event: SearchResponse | Judgements) -> None:
    if kind == "matches":
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
