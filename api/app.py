"""The HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import blipsearch
from api.errors import register_error_handlers
from api.routes import collections, health, images, search
from api.service import SearchService
from blipsearch.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings) -> FastAPI:
    """Make the application for one library; nothing is opened before it starts.

    Starting raises LibraryNotFoundError and the other errors of `open_library`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with SearchService(settings) as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="blipsearch",
        version=blipsearch.__version__,
        summary="Image search that can say how well a picture matches a sentence",
        lifespan=lifespan,
    )
    register_error_handlers(app)
    for routes in (health, collections, search, images):
        app.include_router(routes.router)
    return app
