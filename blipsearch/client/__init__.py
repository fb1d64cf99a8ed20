"""The SDK: clients of a query service. Light: httpx2 and pydantic, no engine."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blipsearch.client.asynchronous import AsyncClient
    from blipsearch.client.sync import Client

__all__ = ["AsyncClient", "Client"]

_HOMES = {"AsyncClient": "blipsearch.client.asynchronous", "Client": "blipsearch.client.sync"}


def __getattr__(name: str) -> object:
    """Load one client, not both: an event loop takes time to import."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
