"""The application that describes itself with readable names and examples."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.description.examples import EXAMPLES

__all__ = ["TAGS", "DescribedApp", "operation_id"]

TAGS = [
    {"name": "search", "description": "Pictures that match a sentence, a picture, or several."},
    {"name": "images", "description": "The pictures of a collection: look, say, add, change."},
    {"name": "collections", "description": "What the library holds."},
    {"name": "session", "description": "Signing in with a key, for pages in a browser."},
    {"name": "health", "description": "For those who keep the service running."},
]

KEYS = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key of the library."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "blipsearch_key"},
}
"""How a request shows its key; none is needed where the library has none."""


def operation_id(route: APIRoute) -> str:
    """Name an operation as its function is named: generated clients call it so."""
    return route.name


class DescribedApp(FastAPI):
    """An application whose document says how to show a key, and has examples of all types."""

    def openapi(self) -> dict[str, Any]:
        """Return the document; it is made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["securitySchemes"] = KEYS
            document["security"] = [{}, *({name: []} for name in KEYS)]
            for name, example in EXAMPLES.items():
                document["components"]["schemas"][name]["examples"] = [example]
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["responses"] = dict(sorted(operation["responses"].items()))
        return super().openapi()
