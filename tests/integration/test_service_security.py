"""What browsers and strangers may not do: headers, foreign pages, names that point here, sizes."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ServiceSettings
from blipsearch.errors import SettingsError
from blipsearch.settings import Settings
from tests.guarded import Guarded, client_of, guarded
from tests.serving import serving

SEARCH = "/v1/collections/default/search"
IMAGE = "/v1/collections/default/images/1"
ELSEWHERE = "https://elsewhere.example"
FRIEND = "https://photos.example.org"
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def client(library: Path) -> Iterator[TestClient]:
    """A client of a service without keys."""
    with client_of(library) as client:
        assert isinstance(client.app, FastAPI)

        @client.app.get("/v1/fails")
        def fails() -> None:
            raise RuntimeError("nobody expected this")

        yield client


@pytest.fixture(scope="module")
def service(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(library, tmp_path_factory.mktemp("guarded") / "library") as service:
        yield service


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/v1/collections", 200),
        (f"{SEARCH}?q=a+dog", 200),
        (f"{IMAGE}/file", 200),
        (f"{IMAGE}/thumbnail", 200),
        (f"{IMAGE}/heatmap?text=a+dog", 200),
        ("/v1/collections/none", 404),
        ("/nothing", 404),
        (f"{SEARCH}?q=", 422),
        (f"{SEARCH}?limit=x", 422),
        ("/v1/session", 405),
        ("/v1/fails", 500),
    ],
)
def test_every_answer_tells_browsers_to_run_and_load_nothing(
    client: TestClient, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert re.search("no-store|no-cache", answer.headers["Cache-Control"])
    assert answer.headers["X-Request-ID"]


def test_refusals_and_preflights_have_the_headers_too(service: Guarded) -> None:
    for answer in (
        service.client.get("/v1/collections"),
        service.client.delete(IMAGE, headers=service.as_reader()),
        service.client.post("/v1/session", json={"key": "bs_wrong"}),
        service.client.post(SEARCH, json={}, headers={"Origin": ELSEWHERE}),
        service.client.options(SEARCH, headers={"Origin": ELSEWHERE}),
    ):
        assert answer.status_code >= 400
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Request-ID"]


def test_the_search_page_loads_its_own_files_alone(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["Content-Security-Policy"] == PAGE
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", answer.text)


def test_the_description_asks_nobody_else_and_shows_every_route(client: TestClient) -> None:
    answer = client.get("/docs")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "<script" not in answer.text
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", answer.text)
    document = client.get("/openapi.json").json()
    for path in document["paths"]:
        assert path in answer.text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "127.8.8.8"])
def test_without_keys_the_service_answers_under_this_machines_names(
    client: TestClient, host: str
) -> None:
    for name in (host, f"{host}:8000"):
        assert client.get("/v1/collections", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:8000",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "localhost@rebound.example",
        "rebound.example#localhost",
        "192.168.1.2",
        "0.0.0.0",
        "[::]",
        "[::1]x",
        "::1",
        "2130706433",
        "",
    ],
)
def test_without_keys_a_name_that_was_pointed_here_gets_nothing(
    client: TestClient, host: str
) -> None:
    """What a page at that name (DNS rebinding) asks for carries the name as its host."""
    for method, path in (("GET", "/v1/collections"), ("GET", f"{IMAGE}/file"), ("DELETE", IMAGE)):
        answer = client.request(method, path, headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "blipsearch keys add" in answer.json()["error"]["message"]


def test_with_keys_the_service_may_have_any_name(service: Guarded) -> None:
    headers = service.as_reader() | {"Host": "photos.example.org"}
    assert service.client.get("/v1/collections", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ELSEWHERE},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "http://localhost.elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
def test_a_page_of_another_site_changes_and_computes_nothing(
    client: TestClient, service: Guarded, headers: dict[str, str]
) -> None:
    for method, path in (
        ("POST", SEARCH),
        ("POST", "/v1/collections/default/caption"),
        ("POST", "/v1/collections/default/images"),
        ("PATCH", IMAGE),
        ("DELETE", IMAGE),
        ("POST", "/v1/session"),
    ):
        answer = client.request(method, path, json={"query": "a dog"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "BLIPSEARCH_SERVICE_CORS" in answer.json()["error"]["message"]
    cookie = {"Cookie": f"blipsearch_key={service.write}"}
    assert service.client.delete(IMAGE, headers=headers | cookie).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none"},
        # A proxy in front may give another Host than the page has.
        {"Sec-Fetch-Site": "same-origin", "Origin": FRIEND},
    ],
)
def test_programs_and_the_services_own_page_are_let_through(
    client: TestClient, headers: dict[str, str]
) -> None:
    assert client.post(SEARCH, json={"query": "a dog"}, headers=headers).status_code == 200


def test_no_other_site_reads_anything_unless_it_is_named(client: TestClient) -> None:
    answer = client.get("/v1/collections", headers={"Origin": ELSEWHERE})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    preflight = client.options(
        SEARCH, headers={"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control-")]


def test_a_site_that_is_named_may_ask_with_a_key_but_gets_no_cookies(
    library: Path, tmp_path: Path
) -> None:
    with guarded(library, tmp_path / "library", cors=(f"{FRIEND}/",)) as service:
        client, origin = service.client, {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
        preflight = client.options(
            SEARCH,
            headers=origin
            | {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, content-type",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == FRIEND
        assert "Access-Control-Allow-Credentials" not in preflight.headers
        asked = client.post(SEARCH, json={"query": "a dog"}, headers=origin | service.as_reader())
        assert asked.status_code == 200
        assert asked.headers["Access-Control-Allow-Origin"] == FRIEND
        refused = client.post(SEARCH, json={"query": "a dog"}, headers=origin)
        assert refused.status_code == 401
        assert refused.headers["Access-Control-Allow-Origin"] == FRIEND
        other = client.get("/v1/collections", headers={"Origin": ELSEWHERE})
        assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize(
    "origin", ["*", "photos.example.org", f"{FRIEND}/page", "null", "file://", "https://a b"]
)
def test_an_origin_that_is_none_is_named_at_the_start(origin: str) -> None:
    with pytest.raises(SettingsError, match="'cors' cannot have"):
        create_app(Settings(), ServiceSettings(cors=(origin,)))


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
def test_a_body_over_the_limit_is_refused(library: Path, kind: str) -> None:
    path = SEARCH if kind == "application/json" else "/v1/collections/default/images"
    start = b"" if path == SEARCH else b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    with client_of(library, max_body=10_000) as client:
        for content in (start + b"a" * 10_001, iter([start + b"a" * 6_000] * 2)):
            answer = client.post(path, content=content, headers={"Content-Type": kind})
            assert answer.status_code == 413
            assert answer.json()["error"]["code"] == "request_too_large"
            assert "10000 bytes" in answer.json()["error"]["message"]
            assert "BLIPSEARCH_SERVICE_MAX_BODY" in answer.json()["error"]["message"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_everybody_may_send_is_short(service: Guarded) -> None:
    answer = service.client.post("/v1/session", content=b" " * 10_001)
    assert answer.status_code == 413


def test_a_base64_picture_and_a_vector_are_bounded_by_the_body(library: Path) -> None:
    with client_of(library, max_body=100_000) as client:
        for body in ({"image": "A" * 100_000}, {"vector": [0.5] * 50_000}):
            assert client.post(SEARCH, json=body).status_code == 413


def test_a_real_server_stops_reading_where_the_limit_is(library: Path, tmp_path: Path) -> None:
    """Chunked, without a length: the server answers in the middle of what never ends."""
    with serving(library, tmp_path / "log", settings={"max_body": 100_000}) as service:
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(
                f"POST {SEARCH} HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            answer = b""
            with suppress(ConnectionError):  # it hangs up on what it did not read
                connection.sendall((b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 7)
            with suppress(ConnectionError):
                while part := connection.recv(65_536):  # to the end: it hangs up
                    answer += part
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"request_too_large" in answer
