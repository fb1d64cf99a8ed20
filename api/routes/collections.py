"""The collections of the library."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Service
from api.description.errors import GUARDED, errors
from blipsearch.schemas import CollectionList, CollectionSummary

router = APIRouter(prefix="/v1/collections", tags=["collections"], responses=errors(*GUARDED))


@router.get("")
def list_collections(service: Service) -> CollectionList:
    """List the collections with their checkpoint and number of images."""
    return CollectionList(collections=service.summaries())


@router.get("/{name}", responses=errors(404, 422))
def get_collection(service: Service, name: str) -> CollectionSummary:
    """Describe one collection."""
    return service.summary(name)
