"""Puts the guards around an application, in their order."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api.door import Door
from api.security.access import AccessControl
from api.security.bodies import BodyLimit
from api.security.origins import SameOrigin, checked_origins, is_loopback
from api.security.rates import RateLimit
from api.settings import ServiceSettings

__all__ = ["protect"]


def protect(app: FastAPI, settings: ServiceSettings) -> None:
    """Add the guards; what is added last is asked first.

    What there is no room for is refused first, which tells nobody anything. Then a key is wanted,
    and then the body is bounded: nobody without one can have it read. Raises
    SettingsError for origins or a rate limit that cannot be read.
    """
    trusted = checked_origins(settings.cors)
    app.add_middleware(BodyLimit, most=int(settings.max_body))
    app.add_middleware(
        AccessControl, rate_limit=RateLimit(settings.rate_limit), local=is_loopback(settings.host)
    )
    app.add_middleware(Door)
    app.add_middleware(SameOrigin, trusted=trusted)
    if trusted:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=trusted,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "X-Request-ID"),
            expose_headers=("X-Request-ID", "Retry-After", "WWW-Authenticate"),
        )
