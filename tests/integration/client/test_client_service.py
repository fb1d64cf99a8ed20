"""The clients with a real service: keys, health, progress, and who has left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from blipsearch import Client
from blipsearch.errors import (
    ForbiddenError,
    OverloadedError,
    RateLimitedError,
    ServiceUnreachableError,
    UnauthorizedError,
)
from blipsearch.library import Library
from tests.blocking import KINDS, any_client
from tests.serving import Serving, serving


@pytest.fixture(scope="module")
def keys(module_library: Path) -> dict[str, str]:
    with Library.open(module_library) as library:
        return {
            "read": library.keys.make("reader", "read")[1],
            "write": library.keys.make("writer", "write")[1],
        }


@pytest.fixture(scope="module")
def service(
    module_library: Path, keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A service of a library with two keys, which takes one search at a time and lets one wait."""
    log = tmp_path_factory.mktemp("service") / "log"
    assert keys
    settings = {"concurrency": 1, "queue": 1, "rate_limit": "100/second"}
    with serving(module_library, log, settings=settings) as server:
        with Client(server.url) as client:
            client.wait_until_ready()
        yield server


def test_a_key_is_what_it_allows(kind: str, service: Serving, keys: dict[str, str]) -> None:
    with any_client(kind, service.url, {"api_key": keys["read"]}) as reader:
        assert len(reader.search("a ball")) == 8
        with pytest.raises(ForbiddenError, match="'reader' may only read"):
            reader.change_image(1, tags=["a"])
    with any_client(kind, service.url, {"api_key": keys["write"]}) as writer:
        assert writer.change_image(1, tags=["a"]).tags == ("a",)
    for options in ({}, {"api_key": "made-up"}):
        with any_client(kind, service.url, options) as stranger:
            with pytest.raises(UnauthorizedError) as raised:
                stranger.search("a ball")
            assert isinstance(raised.value, PermissionError)
            assert raised.value.__notes__[0].startswith("request id: ")
            assert stranger.alive().status == "alive"
            assert stranger.ready().status == "ready"


def test_signing_in_and_out(kind: str, service: Serving, keys: dict[str, str]) -> None:
    with any_client(kind, service.url, {}) as client:
        with pytest.raises(UnauthorizedError):
            client.sign_in("made-up")
        client.sign_in(keys["read"])
        assert client.collection().images == 8
        assert "# TYPE blipsearch_" in client.metrics()
        client.sign_out()
        with pytest.raises(UnauthorizedError):
            client.collections()


def test_a_crowd_is_served_by_asking_again(
    kind: str, service: Serving, keys: dict[str, str]
) -> None:
    """One is worked on and one waits: the others are refused, wait a second, and come again."""
    options = {"api_key": keys["read"], "retries": 8}
    queries = [f"a ball that {kind} asks for {number}" for number in range(12)]
    with any_client(kind, service.url, options) as client:
        found = list(client.search_many(queries, concurrency=6, limit=2))

        assert [len(one) for one in found] == [2] * 12
        assert 'blipsearch_refusals_total{reason="queue"}' in client.metrics()


@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")  # as in the streams
def test_leaving_a_progressive_search_ends_it(
    kind: str, service: Serving, keys: dict[str, str]
) -> None:
    with any_client(kind, service.url, {"api_key": keys["read"], "retries": 8}) as client:
        for number in range(5):
            events = client.search_stream(f"a ball that {kind} leaves {number}")
            next(events)
            events.close()
        assert len(client.search(f"a ball that {kind} waits for")) == 8


def test_a_service_that_is_gone_is_noticed(library: Path, tmp_path: Path) -> None:
    with serving(library, tmp_path / "log") as server, ExitStack() as opened:
        clients = [
            opened.enter_context(any_client(kind, server.url, {"retries": 1})) for kind in KINDS
        ]
        for client in clients:
            client.wait_until_ready()
        server.kill()
        for client in clients:
            with pytest.raises(ServiceUnreachableError):
                client.search("a ball")


def test_a_key_that_asks_too_often_is_told_when_to_come_back(
    own_library: Path, tmp_path: Path
) -> None:
    with Library.open(own_library) as opened:
        keys = {kind: opened.keys.make(f"eager-{kind}", "read")[1] for kind in KINDS}
    with serving(own_library, tmp_path / "log", settings={"rate_limit": "2/minute"}) as server:
        for kind in KINDS:
            with any_client(kind, server.url, {"api_key": keys[kind]}) as client:
                client.collections()
                client.collections()
                began = time.monotonic()
                with pytest.raises(RateLimitedError, match="2 per 1 minute") as raised:
                    client.collections()
                assert 30 < raised.value.retry_after <= 61
                assert isinstance(raised.value, OverloadedError)
                assert time.monotonic() - began < 10  # longer than is waited for: told at once
