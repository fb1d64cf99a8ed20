"""The log of a real server, on a real socket: JSON throughout, and nothing private in it."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
import uvicorn

from api.app import create_app
from api.observe import configure_logging
from blipsearch.library import Library
from blipsearch.settings import make_settings
from tests.serving import serving, wait_until_ready

SEARCH = "/v1/collections/default/search"
PROBES = ("/healthz", "/readyz")
WISH = "an-unspeakable-wish"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """A stream that `configure_logging` may write to; logging is then as it was before."""
    names = ("", "blipsearch", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.handlers[:], one.level, one.propagate) for one in loggers]
    yield io.StringIO()
    for one, (handlers, level, propagates) in zip(loggers, before, strict=True):
        one.handlers, one.propagate = handlers, propagates
        one.setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_servers_log_names_who_asked_but_holds_no_key_and_nothing_that_was_asked(
    library: Path, tmp_path: Path
) -> None:
    shutil.copytree(library, tmp_path / "library")
    with Library.open(tmp_path / "library") as opened:
        _, key = opened.keys.make("laptop", "read")
    unknown = f"{key[:-4]}0000"

    with serving(tmp_path / "library", tmp_path / "log") as server:
        wait_until_ready(server.url)
        for given in (key, unknown):
            headers = {"Authorization": f"Bearer {given}"}
            httpx.get(f"{server.url}{SEARCH}", params={"q": WISH}, headers=headers, timeout=60)
            httpx.post(f"{server.url}{SEARCH}", json={"query": WISH}, headers=headers, timeout=60)
            httpx.post(f"{server.url}/v1/session", json={"key": given}, timeout=60)
        httpx.get(f"{server.url}/{WISH}", headers={"Cookie": f"blipsearch_key={key}"}, timeout=60)
        say(server.url, f"GET /{WISH} HTTP/9.9\r\nnonsense\r\n\r\n")
        server.stop()

    text = server.log.read_text()
    records = [json.loads(line) for line in text.splitlines()]
    asked = [one for one in records if one["event"] == "request" and one["route"] not in PROBES]
    assert [one["status"] for one in asked] == [200, 200, 204, 401, 401, 401, 404]
    assert [one.get("key") for one in asked] == ["laptop", "laptop", *[None] * 4, "laptop"]
    assert [one["route"] for one in asked[2:4]] == ["/v1/session", "other"]  # 401 comes first
    assert "stages" in asked[0]
    assert any(one["logger"] == "uvicorn.error" for one in records)
    assert not any(secret in text for secret in (WISH, key, unknown))


@contextmanager
def running(config: uvicorn.Config) -> Iterator[str]:
    """A server in a thread of this process."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def say(url: str, words: str) -> None:
    """Send something that is not HTTP, and wait until the server hangs up."""
    place = urlsplit(url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 0), timeout=60) as connection:
        connection.sendall(words.encode())
        while connection.recv(1000):
            pass


def test_a_failure_is_logged_once_with_its_traceback_and_the_id_that_its_caller_was_told(
    library: Path, log: io.StringIO
) -> None:
    app = create_app(make_settings(library=library, device="cpu"))

    @app.get("/healthz/fails")
    def fails() -> None:
        kept = "a local variable"  # noqa: F841  # which a traceback does not show
        raise RuntimeError("nobody expected this")

    configure_logging("json", log)
    config = uvicorn.Config(app, port=0, log_config=None, log_level="warning", access_log=False)
    with running(config) as url:
        answer = httpx.get(f"{url}/healthz/fails", timeout=60)

    assert answer.status_code == 500
    records = [json.loads(line) for line in log.getvalue().splitlines()]
    (failure,) = [one for one in records if "exception" in one]
    assert failure["request_id"] == answer.headers["X-Request-ID"]
    assert re.search(
        r"Traceback.*RuntimeError: nobody expected this", failure["exception"], re.DOTALL
    )
    assert "a local variable" not in log.getvalue()
    assert log.getvalue().count("nobody expected this") == 2  # the line of code, and its message
