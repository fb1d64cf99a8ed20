"""The search page at / and its files: part of the package, read once, asking for nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import Response

router = APIRouter(include_in_schema=False)

WEB = Path(__file__).parent.parent / "web"
PAGE = "index.html"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files, and pictures that a visitor chose."""

IfNoneMatch = Annotated[str | None, Header()]


@dataclass(frozen=True, slots=True)
class _Site:
    """The page, and its files by name. `version` is a digest of all files' content."""

    version: str
    page: bytes
    files: Mapping[str, bytes]


@router.get("/")
def get_page(if_none_match: IfNoneMatch = None) -> Response:
    """Send the search page. It is asked for again each time, and sent only when it changed."""
    headers = {
        "Cache-Control": ASK_AGAIN,
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "same-origin",
    }
    return _sent(_site().page, "text/html", headers, if_none_match)


@router.get("/static/{version}/{name}")
def get_page_file(version: str, name: str, if_none_match: IfNoneMatch = None) -> Response:
    """Send one of the page's files.

    A browser keeps it for good under the version that the page names: another content has another
    version. A page that was loaded before an upgrade still gets the file as it is now.
    """
    site = _site()
    if name not in site.files:
        raise HTTPException(404, f"the page has no file {name!r}")
    caching = FOREVER if version == site.version else ASK_AGAIN
    media_type = MEDIA_TYPES[Path(name).suffix]
    return _sent(site.files[name], media_type, {"Cache-Control": caching}, if_none_match)


def _sent(
    content: bytes, media_type: str, headers: Mapping[str, str], if_none_match: str | None
) -> Response:
    etag = f'"{_digest(content)}"'
    said = {**headers, "ETag": etag, "X-Content-Type-Options": "nosniff"}
    # A proxy that compresses makes the tag a weak one.
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=said)
    return Response(content, media_type=media_type, headers=said)


@cache
def _site() -> _Site:
    files = {
        path.name: path.read_bytes() for path in sorted(WEB.iterdir()) if path.suffix in MEDIA_TYPES
    }
    version = _digest(b"".join(name.encode() + content for name, content in files.items()))
    page = (WEB / PAGE).read_text(encoding="utf-8").replace("/static/", f"/static/{version}/")
    return _Site(version, page.encode(), files)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]
