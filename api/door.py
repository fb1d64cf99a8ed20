"""The door: what would be refused anyway is refused before any work is put into it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import failed
from api.gate import Gate
from api.service import SearchService

__all__ = ["Door"]

_COMPUTING = ("/search", "/caption", "/answer", "/heatmap")
"""How the paths end that wait for the networks."""


class Door:
    """ASGI middleware: answers 503 at once while no more requests may wait for the networks.

    The gate would refuse them, too, but only once they have been parsed and checked: under a flood
    that alone would take the time of those that were let in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 503."""
        if scope["type"] == "http" and scope["path"].endswith(_COMPUTING):
            service: SearchService = scope["app"].state.service
            if service.is_full:
                await failed(Request(scope), Gate.full())(scope, receive, send)
                return
        await self._app(scope, receive, send)
