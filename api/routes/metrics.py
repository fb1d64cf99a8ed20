"""What the service counts, for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from api.deps import Counts
from api.description.errors import GUARDED, errors

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses=errors(*GUARDED, 422)
    | {
        200: {
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            }
        }
    },
)
def get_metrics(metrics: Counts, accept: Annotated[str, Header()] = "") -> Response:
    """Send counts, latencies, queues and sizes in Prometheus' or the OpenMetrics form."""
    content, content_type = metrics.text(accept)
    return Response(content, media_type=content_type)
