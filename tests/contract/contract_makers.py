"""Five ways to open the same library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx2
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient

from api.app import create_app
from blipsearch import AsyncClient, Client, open_library
from blipsearch.image_search import ImageSearch
from blipsearch.settings import Settings, make_settings
from tests.blocking import any_client, blocking
from tests.serving import Serving, serving
from tests.support import HERE


def settings_of(library: Path, golden: Path) -> Settings:
    return make_settings(
        library=library,
        device="cpu",
        caption_checkpoint=str(golden / "caption"),
        answer_checkpoint=str(golden / "vqa"),
    )


@contextmanager
def served(library: Path, golden: Path) -> Iterator[Serving]:
    """A service of the library in a process of its own."""
    options = ("--caption-checkpoint", golden / "caption", "--answer-checkpoint", golden / "vqa")
    with serving(library, library.with_name(f"{library.name}.log"), *options) as server:
        yield server


@contextmanager
def client_in_process(library: Path, golden: Path) -> Iterator[ImageSearch]:
    app = create_app(settings_of(library, golden))
    with (
        TestClient(app, base_url=HERE) as running,
        Client(HERE, transport=running._transport) as client,
    ):
        client.wait_until_ready()
        yield client


@contextmanager
def async_client_in_process(library: Path, golden: Path) -> Iterator[ImageSearch]:
    app = create_app(settings_of(library, golden))
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
        blocking(portal, AsyncClient(HERE, transport=httpx2.ASGITransport(app))) as client,
    ):
        client.wait_until_ready()
        yield client


@contextmanager
def client_of_a_process(library: Path, golden: Path) -> Iterator[ImageSearch]:
    with served(library, golden) as server, any_client("sync", server.url, {}) as client:
        client.wait_until_ready()
        yield client


@contextmanager
def async_client_of_a_process(library: Path, golden: Path) -> Iterator[ImageSearch]:
    with served(library, golden) as server, any_client("asyncio", server.url, {}) as client:
        client.wait_until_ready()
        yield client


@contextmanager
def library_in_process(library: Path, golden: Path) -> Iterator[ImageSearch]:
    with open_library(library, settings=settings_of(library, golden)) as opened:
        yield opened


MAKERS: dict[str, Callable[[Path, Path], AbstractContextManager[ImageSearch]]] = {
    "client-in-process": client_in_process,
    "client-of-a-process": client_of_a_process,
    "async-client-in-process": async_client_in_process,
    "async-client-of-a-process": async_client_of_a_process,
    "open-library": library_in_process,
}
