"""The collections of the library."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Service
from blipsearch.library import summary_of
from blipsearch.schemas import CollectionList, CollectionSummary

router = APIRouter(prefix="/v1/collections", tags=["collections"])


@router.get("")
def list_collections(service: Service) -> CollectionList:
    """List the collections with their checkpoint and number of images."""
    return CollectionList(collections=tuple(summary_of(info) for info in service.collections()))


@router.get("/{name}")
def get_collection(service: Service, name: str) -> CollectionSummary:
    """Describe one collection."""
    return summary_of(service.collection(name).info)
