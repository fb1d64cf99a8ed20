"""Searching a collection."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import Service
from blipsearch.query import checked_request, parse_query
from blipsearch.schemas import Hybrid, SearchRequest, SearchResponse, Sort

router = APIRouter(prefix="/v1/collections/{name}/search", tags=["search"])


@router.post("")
def search(service: Service, name: str, request: SearchRequest) -> SearchResponse:
    """Rank the collection's images by how well they match a sentence, an image, or several."""
    return service.search(name, request)


@router.get("")
def search_by_url(  # noqa: PLR0913  # a route's parameters are its interface
    service: Service,
    name: str,
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
    rerank: bool | None = None,
    min_match: Annotated[float | None, Query(ge=0, le=1)] = None,
    rerank_budget: Annotated[float | None, Query(gt=0, le=3600, description="Seconds.")] = None,
    hybrid: Hybrid | None = None,
    sort: Sort | None = None,
    explain: bool | None = None,
) -> SearchResponse:
    """Search from a browser or curl."""
    asked = {
        "terms": None if q is None else parse_query(q).terms,
        "cursor": cursor,
        "limit": limit,
        "filter": filter,
        "rerank": rerank,
        "min_match": min_match,
        "rerank_budget": rerank_budget,
        "hybrid": hybrid,
        "sort": sort,
        "explain": explain,
    }
    given = {field: value for field, value in asked.items() if value is not None}
    return service.search(name, checked_request(given))
