"""The description of the service as a page that asks nobody else for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

router = APIRouter(include_in_schema=False)

_REFERENCE = "#/components/schemas/"
_CODE = re.compile(r"`([^`]+)`")


@router.get("/docs", response_class=HTMLResponse)
def get_docs(request: Request) -> HTMLResponse:
    """Show the OpenAPI document to people: routes, types and examples."""
    state = request.app.state
    if not hasattr(state, "docs"):
        state.docs = _rendered(request.app)
    page, policy = state.docs
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _rendered(app: FastAPI) -> tuple[str, str]:
    """The page, and what it may load: the style that it has in itself."""
    environment = Environment(
        loader=PackageLoader("api", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(prose=_prose, kind=_kind, pretty=_pretty)
    style, _, _ = environment.loader.get_source(environment, "docs.css")  # type: ignore[union-attr]
    document = app.openapi()
    page = environment.get_template("docs.html").render(
        info=document["info"],
        operations=_operations(document),
        schemas=document["components"]["schemas"],
        style=Markup(style),  # noqa: S704  # our own file
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return page, policy


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**operation, "path": path, "method": method.upper()}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _prose(text: str | None) -> Markup:
    """Text with its `code` as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text or ""))))  # noqa: S704  # escaped


def _kind(schema: dict[str, Any]) -> Markup:
    """The type that a schema stands for, in a few words, with links to what has a name."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return Markup(" or ").join(_kind(one) for one in schema[key])
    if "enum" in schema:
        return Markup(" or ").join(Markup("<code>{}</code>").format(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema.get("items", {})))
    return Markup("{}").format(schema.get("format") or schema.get("type") or "anything")


def _pretty(example: object) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)
