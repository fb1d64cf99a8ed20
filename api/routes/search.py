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
    return service.search(name, request)


@router.get("")
def search_by_url(
    service: Service,
    name: str,
    q: Annotated[str, Query(description="What the picture shows.", max_length=1000)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    min_match: Annotated[float | None, Query(ge=0, le=1)] = None,
    rerank_budget: Annotated[float | None, Query(gt=0, le=3600, description="Seconds.")] = None,
) -> SearchResponse:
    """Search from a browser or curl."""
    request = SearchRequest(query=q, limit=limit, min_match=min_match, rerank_budget=rerank_budget)
    return service.search(name, request)
