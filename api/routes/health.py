"""Is the process alive, and can it answer?"""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Service

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "alive"}


@router.get("/readyz")
def readyz(service: Service) -> dict[str, object]:
    """Answer when the library can be read; says how many collections it has."""
    return {"status": "ready", "collections": len(service.collections())}
