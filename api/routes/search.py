"""Searching a collection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import format_sse_event

from api.deps import RequestIntake, Service
from api.description.errors import GUARDED, errors
from api.errors import failed
from api.gate import while_connected
from api.observe import note_stages
from api.service import SearchService
from blipsearch.errors import BlipSearchError
from blipsearch.query import checked_request
from blipsearch.query.text import parse_query
from blipsearch.schemas import Hybrid, SearchRequest, SearchResponse, Sort
from blipsearch.search import SearchEvent

router = APIRouter(
    prefix="/v1/collections/{name}/search",
    tags=["search"],
    responses=errors(*GUARDED, 400, 404, 410, 422),
)

EVENTS = "text/event-stream"

Accept = Annotated[
    str,
    Header(
        description="`text/event-stream` for a progressive answer: an event `ranking` with the "
        "hits by cosine, events `matches` as batches of candidates are judged, and at last "
        "`result`, or `error`."
    ),
]

ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"content": {EVENTS: {"schema": {"type": "string"}}}}
}


@router.post("", response_model=SearchResponse, responses=ANSWERS)
async def search(
    service: Service,
    intake: RequestIntake,
    name: str,
    wanted: SearchRequest,
    request: Request,
    accept: Accept = "*/*",
) -> Response:
    """Rank the collection's images by how well they match a sentence, an image, or several."""
    return await _answer(service, name, await intake.resolved(wanted), request, accept)


@router.get("", response_model=SearchResponse, responses=ANSWERS)
async def search_by_url(  # noqa: PLR0913  # a route's parameters are its interface
    service: Service,
    intake: RequestIntake,
    name: str,
    request: Request,
    *,
    q: Annotated[
        str | None,
        Query(
            description="What the picture shows, in the small syntax: `red boat - people`.",
            max_length=1000,
        ),
    ] = None,
    cursor: Annotated[str | None, Query(max_length=1000, description="The next page.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    filter: Annotated[  # noqa: A002  # the name in the URL
        str | None, Query(max_length=4000, description="`taken_at:2024 -tag:private`")
    ] = None,
    candidates: Annotated[int | None, Query(ge=1, le=4096)] = None,
    rerank: bool | None = None,
    min_match: Annotated[float | None, Query(ge=0, le=1)] = None,
    rerank_budget: Annotated[float | None, Query(gt=0, le=3600, description="Seconds.")] = None,
    hybrid: Hybrid | None = None,
    sort: Sort | None = None,
    explain: bool | None = None,
    accept: Accept = "*/*",
) -> Response:
    """Search from a browser or curl."""
    asked = {
        "terms": None if q is None else parse_query(q).terms,
        "cursor": cursor,
        "limit": limit,
        "filter": filter,
        "candidates": candidates,
        "rerank": rerank,
        "min_match": min_match,
        "rerank_budget": rerank_budget,
        "hybrid": hybrid,
        "sort": sort,
        "explain": explain,
    }
    given = {field: value for field, value in asked.items() if value is not None}
    wanted = await intake.resolved(checked_request(given))
    return await _answer(service, name, wanted, request, accept)


async def _answer(
    service: SearchService, name: str, wanted: SearchRequest, request: Request, accept: str
) -> Response:
    if EVENTS in accept:
        return await _stream(service, name, wanted, request)
    response = await service.search(name, wanted, request)
    note_stages(request, response.timings)
    # As JSON at once: FastAPI would check what is checked already.
    return Response(response.model_dump_json(by_alias=True), media_type="application/json")


async def _stream(
    service: SearchService, name: str, wanted: SearchRequest, request: Request
) -> StreamingResponse:
    """Answer with events. What goes wrong before the first one is an ordinary error."""
    events = service.events(name, wanted)
    async with while_connected(request):
        first = await anext(events)

    async def written() -> AsyncIterator[bytes]:
        try:
            yield _written(*first)
            async for kind, event in events:
                yield _written(kind, event)
                if isinstance(event, SearchResponse):
                    note_stages(request, event.timings)
        except BlipSearchError as error:
            yield format_sse_event(
                event="error", data_str=bytes(failed(request, error).body).decode()
            )
        finally:
            await events.aclose()

    return StreamingResponse(
        written(),
        media_type=EVENTS,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _written(kind: str, event: SearchEvent) -> bytes:
    return format_sse_event(event=kind, data_str=event.model_dump_json(by_alias=True))
