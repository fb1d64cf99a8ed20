"""What routes ask for, as annotated aliases."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.observe import Metrics
from api.security import Intake
from api.service import SearchService

__all__ = ["Counts", "RequestIntake", "Service"]


def _service(request: Request) -> SearchService:
    service: SearchService = request.app.state.service
    return service


Service = Annotated[SearchService, Depends(_service)]


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


Counts = Annotated[Metrics, Depends(_metrics)]


def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


RequestIntake = Annotated[Intake, Depends(_intake)]
