"""Is the process alive, and can it answer?"""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import Service
from blipsearch.schemas import Alive, Ready

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> Alive:
    """Answer as long as the process lives."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Ready}})
def readyz(service: Service, response: Response) -> Ready:
    """Say whether a search would be answered at once: 200, or 503 while it would not."""
    readiness = service.readiness
    if readiness.status != "ready":
        response.status_code = 503
    return Ready(
        status=readiness.status,
        collections=len(service.collections()),
        checkpoints=readiness.checkpoints,
        problems=readiness.problems,
    )
