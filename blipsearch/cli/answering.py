"""Who answers a command: a library on this machine, or a service elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from blipsearch.errors import ImageNotFoundError, UnauthorizedError

if TYPE_CHECKING:
    from blipsearch.client import Client
    from blipsearch.image_search import ImageSearch
    from blipsearch.settings import Settings

__all__ = ["check_local_options", "files_of", "opened", "opened_service"]


def check_local_options(settings: Settings, options: Mapping[str, object]) -> None:
    """Refuse options that say how this machine computes, where a service is to do it."""
    given = [option for option, value in options.items() if value is not None]
    if settings.server is not None and given:
        raise typer.BadParameter(
            f"{', '.join(given)} is about this machine, but {settings.server} is to answer: leave "
            "it out, or leave out --server and unset BLIPSEARCH_SERVER"
        )


@contextmanager
def opened(settings: Settings) -> Iterator[ImageSearch]:
    """Open the settings' library, or a connection to their service, for as long as it is needed."""
    if settings.server is not None:
        with opened_service(settings, settings.server) as service:
            yield service
        return
    from blipsearch.local import open_library

    with open_library(
        settings.library, collection=settings.collection, settings=settings
    ) as library:
        yield library


@contextmanager
def opened_service(settings: Settings, url: str) -> Iterator[Client]:
    """Open a connection to a service with the settings' API key."""
    from blipsearch.client import Client

    key = None if settings.api_key is None else settings.api_key.get_secret_value()
    with Client(url, api_key=key, collection=settings.collection) as client:
        try:
            yield client
        except UnauthorizedError as error:
            message = f"{url}: {error}; the command line sends what BLIPSEARCH_API_KEY holds"
            raise UnauthorizedError(message) from error


def files_of(searching: ImageSearch, ids: list[int]) -> list[str] | None:
    """The absolute path of each image's file, empty for one that is gone; None with a service."""
    if not searching.bytes_at_hand:
        return None
    return [_file_of(searching, image_id) for image_id in ids]


def _file_of(searching: ImageSearch, image_id: int) -> str:
    try:
        return searching.path_of(image_id) or ""
    except ImageNotFoundError:
        return ""
