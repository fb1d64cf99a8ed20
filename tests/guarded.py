"""A service of a library with keys, as tests of its security ask it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ServiceSettings
from blipsearch.library import Library
from blipsearch.settings import make_settings
from tests.support import HERE


@dataclass(frozen=True)
class Guarded:
    """A client without a key of its own, the service's library, and two keys of it."""

    client: TestClient
    library: Path
    read: str
    write: str

    def as_reader(self) -> dict[str, str]:
        return bearer(self.read)

    def as_writer(self) -> dict[str, str]:
        return bearer(self.write)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def client_of(library: Path, **settings: Any) -> Iterator[TestClient]:
    """A client of a service of the library; settings are those of ServiceSettings."""
    app = create_app(make_settings(library=library, device="cpu"), ServiceSettings(**settings))
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@contextmanager
def guarded(library: Path, copy: Path, **settings: Any) -> Iterator[Guarded]:
    """A service of a copy of the library that has two keys, `reader` and `writer`."""
    shutil.copytree(library, copy)
    with Library.open(copy) as opened:
        _, read = opened.keys.make("reader", "read")
        _, write = opened.keys.make("writer", "write")
    with client_of(copy, **settings) as client:
        yield Guarded(client, copy, read, write)


def error_of(answer: Any) -> tuple[int, str]:
    """The status and code of an error, which must have the service's one form."""
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "detail"}
    assert error["message"]
    return answer.status_code, error["code"]


def short_id(value: object) -> str:
    """The beginning of a parameter, for the name of its test."""
    return repr(value)[:40]
