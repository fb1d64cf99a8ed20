"""Making clients: what they are given, what they refuse, and what they load."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import anyio
import pytest

from blipsearch import AsyncClient, Client
from blipsearch.errors import ServiceError, SettingsError

KEY = "bs_secret"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "127.0.0.1:8000",
        "photos.example.org",
        "ftp://photos.example.org",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://photos.example.org:port",
        "http://photos.example.org/?a=1",
        "http://photos.example.org/#top",
        "http://[::1",
        "/v1",
        None,
        8000,
    ],
)
def test_what_is_no_url_of_a_service_is_refused_at_once(url: Any) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(SettingsError, match="URL"):
            kind(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(SettingsError, match="api_key") as raised:
            kind(f"http://user:{KEY}@photos.example.org")
        assert KEY not in str(raised.value)


@pytest.mark.parametrize("key", ["", " ", f"{KEY}\n", f"a {KEY}\r\nX: y", "schlüssel", f" {KEY}"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(key: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(SettingsError, match="API key") as raised:
            kind("http://localhost", api_key=key)
        assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"retries": -1},
    ],
)
def test_times_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(SettingsError):
            kind("http://localhost", **options)


def test_a_client_says_where_its_service_is_and_never_its_key() -> None:
    with Client("http://localhost:8000/photos", api_key=KEY, timeout=None) as client:
        assert str(client) == "the client of http://localhost:8000/photos"
        assert KEY not in repr(client)


def test_a_client_is_closed_as_often_as_one_likes() -> None:
    client = Client("http://localhost")
    client.close()
    client.close()
    with client, pytest.raises(ServiceError, match="closed"):
        client.search("a boat")

    async def twice() -> None:
        async with AsyncClient("http://localhost") as made:
            await made.close()
            with pytest.raises(ServiceError, match="closed"):
                await made.search("a boat")

    anyio.run(twice)


def test_a_client_that_was_forgotten_says_so() -> None:
    for kind in (Client, AsyncClient):
        with pytest.warns(ResourceWarning, match="the client of http://localhost was not closed"):
            _forget(kind)


def test_importing_a_client_loads_nothing_heavy() -> None:
    script = """
import sys, time
from blipsearch import Client
client = Client("http://localhost")
client.close()
heavy = {"torch", "numpy", "PIL", "faiss", "sqlalchemy", "alembic", "typer", "rich", "lark",
         "transformers", "pydantic_settings", "fastapi", "starlette", "asyncio", "indexer", "api"}
print(sorted(heavy & set(sys.modules)))
from blipsearch import AsyncClient
print(sorted(heavy - {"asyncio"} & set(sys.modules)))
"""
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert finished.stdout.split("\n")[:2] == ["[]", "[]"]


def _forget(kind: type[Client | AsyncClient]) -> None:
    kind("http://localhost")
    gc.collect()
