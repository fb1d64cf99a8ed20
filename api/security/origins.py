"""Pages of other sites: what they may have this machine's browser ask the service for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import answer_to
from blipsearch.errors import ForbiddenError, SettingsError

__all__ = ["SAFE_METHODS", "SameOrigin", "checked_origins", "is_loopback", "names_this_machine"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that only read."""

_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


class SameOrigin:
    """ASGI middleware: refuses what a page of another origin would change, but for `trusted` ones.

    A browser says where a request comes from: by Sec-Fetch-Site, an older one by Origin. Programs
    say nothing and are let through. Reading is left to CORS, without which a page sees no answer.
    """

    def __init__(self, app: ASGIApp, *, trusted: Collection[str]) -> None:
        self._app = app
        self._trusted = frozenset(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            if _is_foreign(headers) and headers.get("origin") not in self._trusted:
                error = ForbiddenError(
                    f"a page of {headers.get('origin', 'another site')[:200]!r} may not do this; "
                    "BLIPSEARCH_SERVICE_CORS names the origins that may"
                )
                await answer_to(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_this_machine(host_header: str) -> bool:
    """Whether a Host header has a name, or an address, that nobody can point elsewhere."""
    found = _HOST.fullmatch(host_header.strip().lower())
    return found is not None and is_loopback(found[1].strip("[]"))


def checked_origins(origins: Collection[str]) -> list[str]:
    """Return the origins as browsers write them. Raises SettingsError for what is none."""
    checked = [origin.lower().rstrip("/") for origin in origins]
    for origin in checked:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"setting 'cors' cannot have {origin!r}: name each origin, as in "
                "https://photos.example.org; see BLIPSEARCH_SERVICE_CORS"
            )
    return checked


def _is_foreign(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
