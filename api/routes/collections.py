"""The collections of the library."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Service
from blipsearch.records import CollectionInfo
from blipsearch.schemas import CollectionList, CollectionSummary

router = APIRouter(prefix="/v1/collections", tags=["collections"])


@router.get("")
def list_collections(service: Service) -> CollectionList:
    """List the collections with their checkpoint and number of images."""
    return CollectionList(collections=tuple(_summary(info) for info in service.collections()))


@router.get("/{name}")
def get_collection(service: Service, name: str) -> CollectionSummary:
    """Describe one collection."""
    return _summary(service.collection(name).info)


def _summary(info: CollectionInfo) -> CollectionSummary:
    return CollectionSummary(
        name=info.name,
        images=info.indexed,
        failed=info.failed,
        missing=info.missing,
        checkpoint=info.checkpoint.name,
        fingerprint=info.checkpoint.fingerprint,
        dim=info.checkpoint.dim,
        created_at=info.created_at,
    )
