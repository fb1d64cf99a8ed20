"""Who is let in: keys and scopes at every route, sessions of the page, revocation, rates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from api.app import create_app
from api.security.access import COOKIE
from api.settings import ServiceSettings
from blipsearch.errors import SettingsError
from blipsearch.library import Library
from blipsearch.settings import Settings
from tests.guarded import Guarded, bearer, client_of, guarded
from tests.support import Command

SEARCH = "/v1/collections/default/search"
IMAGES = "/v1/collections/{name}/images"

OPEN = {"/", "/docs", "/openapi.json", "/healthz", "/readyz", "/static/{version}/{name}"}
SESSION = "/v1/session"
READING = {
    ("POST", "/v1/collections/{name}/search"),
    ("POST", "/v1/collections/{name}/caption"),
    ("POST", "/v1/collections/{name}/answer"),
    ("POST", IMAGES + "/{image_id}/caption"),
    ("POST", IMAGES + "/{image_id}/answer"),
}
WRITING = {("POST", IMAGES), ("PATCH", IMAGES + "/{image_id}"), ("DELETE", IMAGES + "/{image_id}")}
BODIES = {"PATCH": {"tags": []}, "POST": {"query": "a dog", "question": "what?"}}


def _routes() -> list[tuple[str, str]]:
    """Every method and path template that the service has."""
    return sorted(
        (method, str(context.path))
        for context in iter_route_contexts(create_app(Settings()).routes)
        for method in context.methods or ()
    )


ROUTES = _routes()
CLOSED = [(method, path) for method, path in ROUTES if path not in OPEN | {SESSION}]


def _ask(client: TestClient, method: str, template: str, headers: dict[str, str]) -> int:
    path = template.format(name="default", image_id=999, version="x")
    return client.request(method, path, json=BODIES.get(method), headers=headers).status_code


@pytest.fixture(scope="module")
def service(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(library, tmp_path_factory.mktemp("guarded") / "library") as service:
        yield service


def test_every_route_that_changes_or_computes_is_known_as_one() -> None:
    """A new route belongs into one of the tables above."""
    unsafe = {route for route in ROUTES if route[0] not in {"GET", "HEAD"}}
    assert unsafe - {("POST", SESSION), ("DELETE", SESSION)} == READING | WRITING
    assert {path for _, path in ROUTES} >= OPEN


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_route_wants_a_key(service: Guarded, method: str, path: str) -> None:
    for headers in ({}, bearer("bs_wrong"), bearer(""), {"Authorization": "Basic YTpi"}):
        assert _ask(service.client, method, path, headers) == 401


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_key_for_reading_reads_and_changes_nothing(
    service: Guarded, method: str, path: str
) -> None:
    status = _ask(service.client, method, path, service.as_reader())
    assert (status == 403) == ((method, path) in WRITING)
    assert status != 401


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_key_for_writing_may_do_all(service: Guarded, method: str, path: str) -> None:
    assert _ask(service.client, method, path, service.as_writer()) not in {401, 403}


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz", "/static/x/y.js"])
def test_what_says_nothing_about_pictures_is_open(service: Guarded, path: str) -> None:
    assert service.client.get(path).status_code in {200, 404}
    assert service.client.get("/readyz").status_code in {200, 503}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/collections/",
        "//v1/collections",
        "/v1//collections",
        "/V1/collections",
        "/healthz/%2e%2e/v1/collections",
        "/static%2f..%2fv1/collections/default",
        "/static",
        "/statics/x",
        "/metrics/",
        "/v1/session/",
        "/nothing",
        "/v1/collections/default/search/",
        "/%2e%2e/v1/collections",
    ],
)
def test_no_other_spelling_of_a_path_gets_around_the_key(service: Guarded, path: str) -> None:
    sent = service.client.build_request("GET", "http://localhost/")
    sent.url = sent.url.copy_with(raw_path=path.encode())
    answer = service.client.send(sent, follow_redirects=False)
    assert answer.status_code == (404 if path.startswith("/static%2f") else 401)


def test_a_refusal_says_what_is_missing(service: Guarded) -> None:
    missing = service.client.get("/v1/collections")
    wrong = service.client.get("/v1/collections", headers=bearer("bs_wrong"))
    forbidden = service.client.delete(
        "/v1/collections/default/images/1", headers=service.as_reader()
    )
    for answer, code, said in (
        (missing, "unauthorized", "blipsearch keys add"),
        (wrong, "unauthorized", "not known, or was revoked"),
        (forbidden, "forbidden", "may only read"),
    ):
        error = answer.json()["error"]
        assert (error["code"], error["detail"]) == (code, {})
        assert said in error["message"]
    assert missing.headers["WWW-Authenticate"].startswith("Bearer")
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")


def test_nothing_of_an_unknown_clients_body_is_read(service: Guarded) -> None:
    """The library would refuse it for its size first, else."""
    answer = service.client.post(SEARCH, content=b"{" * 40_000_000)
    assert answer.status_code == 401


def test_the_page_signs_in_with_a_cookie_that_scripts_and_other_sites_do_not_get(
    service: Guarded,
) -> None:
    client = service.client
    try:
        signed = client.post(SESSION, json={"key": service.read})
        assert (signed.status_code, signed.content) == (204, b"")
        cookie = signed.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}={service.read};")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert "Max-Age" not in cookie
        assert client.get("/v1/collections").status_code == 200
        assert client.delete("/v1/collections/default/images/1").status_code == 403
        assert client.delete(SESSION).status_code == 204
        assert client.get("/v1/collections").status_code == 401
    finally:
        client.cookies.clear()


def test_a_page_that_came_encrypted_gets_a_cookie_that_stays_so(service: Guarded) -> None:
    headers = {"Origin": "https://photos.example.org", "Host": "photos.example.org"}
    signed = service.client.post(SESSION, json={"key": service.read}, headers=headers)
    service.client.cookies.clear()
    assert "Secure" in signed.headers["Set-Cookie"]


@pytest.mark.parametrize("key", ["bs_wrong", "\0", "x" * 200])
def test_an_unknown_key_signs_nobody_in(service: Guarded, key: str) -> None:
    answer = service.client.post(SESSION, json={"key": key})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_the_header_counts_before_the_cookie(service: Guarded) -> None:
    cookie = {"Cookie": f"{COOKIE}={service.write}"}
    path = "/v1/collections/default/images/999"
    assert service.client.delete(path, headers=cookie).status_code == 404
    assert service.client.delete(path, headers=cookie | service.as_reader()).status_code == 403
    assert service.client.delete(path, headers=cookie | bearer("bs_wrong")).status_code == 401


def test_a_key_counts_from_when_it_is_made_until_it_is_revoked(
    library: Path, tmp_path: Path, blipsearch: Command
) -> None:
    """The commands run beside the service, as another process would."""
    with guarded(library, tmp_path / "library") as service:
        made = blipsearch("keys", "add", "phone", "--library", service.library).out.strip()
        asked = bearer(made)
        assert service.client.get("/v1/collections", headers=asked).status_code == 200
        blipsearch("keys", "revoke", "phone", "--library", service.library)
        assert service.client.get("/v1/collections", headers=asked).status_code == 401


def test_the_first_key_closes_a_running_service_and_only_forgetting_all_opens_it(
    library: Path, tmp_path: Path
) -> None:
    with guarded(library, tmp_path / "library") as service, Library.open(service.library) as known:
        client = service.client
        known.keys.remove("reader")
        known.keys.remove("writer")
        assert client.get("/v1/collections").status_code == 200
        assert client.get("/v1/collections", headers=service.as_reader()).status_code == 200
        assert client.post(SESSION, json={"key": "bs_any"}).status_code == 204
        assert not client.cookies
        known.keys.make("first", "read")
        assert client.get("/v1/collections").status_code == 401
        known.keys.revoke("first")
        assert client.get("/v1/collections").status_code == 401
        known.keys.remove("first")
        assert client.get("/v1/collections").status_code == 200


def test_a_service_that_others_can_reach_never_opens(library: Path, tmp_path: Path) -> None:
    with (
        guarded(library, tmp_path / "library", host="0.0.0.0") as service,
        Library.open(service.library) as known,
    ):
        known.keys.remove("reader")
        known.keys.remove("writer")
        assert service.client.get("/v1/collections").status_code == 401
        assert service.client.get("/healthz").status_code == 200


def test_a_key_may_ask_only_so_often_and_is_told_when_again(library: Path, tmp_path: Path) -> None:
    with guarded(library, tmp_path / "library", rate_limit="3/hour") as service:
        for _ in range(3):
            answer = service.client.get("/v1/collections", headers=service.as_reader())
            assert answer.status_code == 200
        refused = service.client.get("/v1/collections", headers=service.as_reader())
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert 3590 <= int(refused.headers["Retry-After"]) <= 3600
        assert "'reader' may ask 3 per 1 hour" in refused.json()["error"]["message"]
        other = service.client.get("/v1/collections", headers=service.as_writer())
        assert other.status_code == 200
        assert service.client.get("/healthz").status_code == 200


def test_without_keys_or_without_a_rate_there_is_no_limit(library: Path, tmp_path: Path) -> None:
    with client_of(library, rate_limit="1/hour") as client:
        assert {client.get("/v1/collections").status_code for _ in range(3)} == {200}
    with guarded(library, tmp_path / "library", rate_limit=" ") as service:
        asked = [
            service.client.get("/v1/collections", headers=service.as_reader()) for _ in range(3)
        ]
        assert {answer.status_code for answer in asked} == {200}


@pytest.mark.parametrize("rate", ["many", "10", "10/fortnight", "-1/second"])
def test_a_rate_that_cannot_be_read_is_named_at_the_start(rate: str) -> None:
    with pytest.raises(SettingsError, match="'rate_limit' cannot be"):
        create_app(Settings(), ServiceSettings(rate_limit=rate))
