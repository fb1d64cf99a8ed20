"""Signing in from the search page: the key moves into a cookie that no script can read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from api.deps import Service
from api.description.errors import errors
from api.security.access import COOKIE
from blipsearch.errors import UnauthorizedError

router = APIRouter(prefix="/v1/session", tags=["session"], responses=errors(403, 413))


class SignIn(BaseModel):
    """An API key of the library."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


@router.post("", status_code=204, responses=errors(400, 401, 422, 503))
def sign_in(service: Service, request: Request, response: Response, given: SignIn) -> None:
    """Keep the key in a cookie until the browser closes; 401 for one that is not known."""
    if service.keys.find(given.key) is None:
        if not service.keys.exist():
            return  # everything is allowed already
        raise UnauthorizedError("this API key is not known, or was revoked")
    response.set_cookie(
        COOKIE, given.key, secure=_is_encrypted(request), httponly=True, samesite="strict"
    )


@router.delete("", status_code=204)
def sign_out(request: Request, response: Response) -> None:
    """Forget the cookie."""
    response.delete_cookie(COOKIE, secure=_is_encrypted(request), httponly=True, samesite="strict")


def _is_encrypted(request: Request) -> bool:
    # Behind a proxy that encrypts only the browser knows, and it says so by the page's origin.
    origin = request.headers.get("origin", "")
    return request.url.scheme == "https" or origin.startswith("https://")
