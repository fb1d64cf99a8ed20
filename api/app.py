"""The HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import blipsearch
from api.description.application import TAGS, DescribedApp, operation_id
from api.errors import register_error_handlers
from api.observe import Metrics, RequestObserver
from api.routes import (
    collections,
    docs,
    health,
    images,
    metrics,
    page,
    pictures,
    search,
    session,
)
from api.security import Intake, SecurityHeaders, protect
from api.service import SearchService
from api.settings import ServiceSettings
from blipsearch.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings, service_settings: ServiceSettings | None = None) -> FastAPI:
    """Make the application for one library; nothing is opened before it starts.

    Without `service_settings` they are what the environment and the defaults say.

    Starting raises LibraryNotFoundError and the other errors of `Library.open`.
    """
    chosen = service_settings or ServiceSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with SearchService(settings, chosen, app.state.metrics) as service:
            app.state.service = service
            yield

    app = DescribedApp(
        title="blipsearch",
        version=blipsearch.__version__,
        summary="Image search that can say how well a picture matches a sentence",
        lifespan=lifespan,
        openapi_tags=TAGS,
        generate_unique_id_function=operation_id,
        docs_url=None,  # FastAPI's own loads its scripts from elsewhere; ours is in routes/docs.py
        redoc_url=None,
    )
    app.state.metrics = Metrics()
    app.state.intake = Intake(chosen)
    register_error_handlers(app)
    for routes in (health, metrics, session, collections, search, images, pictures, page, docs):
        app.include_router(routes.router)
    protect(app, chosen)
    # What the guards refuse is seen, too, and has its request id.
    app.add_middleware(RequestObserver, metrics=app.state.metrics)
    # Added last, so outermost: every answer has these headers, also one that failed.
    app.add_middleware(SecurityHeaders)
    return app
