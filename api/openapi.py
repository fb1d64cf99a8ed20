"""Prints the service's OpenAPI document: `python -m api.openapi > openapi.json`."""

from __future__ import annotations

import json
import sys

from api.app import create_app
from blipsearch.settings import Settings

__all__ = ["document"]


def document() -> str:
    """Return the document as the file `openapi.json` holds it; no library is opened."""
    described = create_app(Settings()).openapi()
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
