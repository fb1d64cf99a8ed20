"""A server that misbehaves, and a client of each kind that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blipsearch import Client
from tests.blocking import any_client
from tests.troubleserver import KEY, TroubleServer


@pytest.fixture
def server() -> Iterator[TroubleServer]:
    server = TroubleServer()
    yield server
    server.stop()


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    """Modules in which the event loop matters run under trio, too."""
    return str(request.param)


@pytest.fixture
def client(kind: str, server: TroubleServer) -> Iterator[Client]:
    """A client with a key."""
    with any_client(kind, server.url, {"api_key": KEY, "timeout": 30}) as client:
        yield client


@pytest.fixture
def hurried(kind: str, server: TroubleServer) -> Iterator[Client]:
    """A client that waits two seconds at most."""
    with any_client(kind, server.url, {"api_key": KEY, "timeout": 2}) as client:
        yield client


@pytest.fixture
def once(kind: str, server: TroubleServer) -> Iterator[Client]:
    """A client that sends nothing twice."""
    options = {"api_key": KEY, "timeout": 30, "retries": 0}
    with any_client(kind, server.url, options) as client:
        yield client
