"""Searching a collection."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import Service
from blipsearch.schemas import SearchRequest, SearchResponse

router = APIRouter(prefix="/v1/collections/{name}/search", tags=["search"])


@router.post("")
def search(service: Service, name: str, request: SearchRequest) -> SearchResponse:
    """Rank the collection's images by how well they match a sentence."""
    if not request.rerank:
        return service.search_by_cosine(name, request.query, request.limit)
    return service.search(name, request.query, request.limit, request.candidates, request.min_match)


@router.get("")
def search_by_url(
    service: Service,
    name: str,
    q: Annotated[str, Query(description="What the picture shows.", max_length=1000)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    min_match: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> SearchResponse:
    """Search from a browser or curl."""
    return search(service, name, SearchRequest(query=q, limit=limit, min_match=min_match))
