"""Searching by a picture's URL: off unless it is allowed, then only the public internet's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.security.fetch import ImageFetcher
from api.security.intake import Intake
from api.settings import ServiceSettings
from blipsearch.errors import QueryError
from blipsearch.query import Query, checked_request, query_of
from blipsearch.schemas import Term
from blipsearch.settings import make_settings
from tests.guarded import client_of, error_of
from tests.support import HERE
from tests.webserver import WebServer

SEARCH = "/v1/collections/default/search"


@pytest.fixture(scope="module")
def server(pictures: Path) -> Iterator[WebServer]:
    """A server of one of the library's pictures."""
    server = WebServer(content=(pictures / "red.jpg").read_bytes())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(library: Path, server: WebServer) -> Iterator[TestClient]:
    """A client of a service that may fetch from that server, which no real one may."""
    settings = ServiceSettings(image_urls=True)
    app = create_app(make_settings(library=library, device="cpu"), settings)
    fetcher = ImageFetcher(
        max_bytes=100_000, seconds=5, allowed=lambda _address, port: port == server.port
    )
    app.state.intake = Intake(settings, fetcher)
    with TestClient(app, base_url=HERE) as client:
        yield client


def test_a_picture_at_a_url_is_searched_like_its_bytes(
    client: TestClient, server: WebServer
) -> None:
    url = server.url("picture/image/jpeg")
    by_url = client.post(SEARCH, json={"image_url": url}).json()
    in_terms = client.post(SEARCH, json={"terms": [{"image_url": url}]}).json()
    both = client.post(
        SEARCH, json={"terms": [{"image_url": url}, {"text": "a dog", "not": True}]}
    ).json()
    assert by_url["hits"][0]["path"] == "red.jpg"
    assert by_url["hits"][0]["cosine"] == pytest.approx(1, abs=0.01)
    assert in_terms["hits"] == by_url["hits"]
    assert both["hits"] != by_url["hits"]


def test_what_is_no_picture_there_is_said(client: TestClient, server: WebServer) -> None:
    for path, status, code in (
        ("status/404", 422, "invalid_query"),
        ("picture/text/html", 422, "invalid_query"),
        ("endless", 413, "request_too_large"),
        ("to/http:||169.254.169.254|", 403, "forbidden"),
    ):
        answer = client.post(SEARCH, json={"image_url": server.url(path)})
        assert error_of(answer) == (status, code)


def test_a_service_fetches_nothing_unless_it_is_allowed(library: Path, server: WebServer) -> None:
    asked = len(server.asked)
    with client_of(library) as client:
        for body in (
            {"image_url": server.url("picture/image/jpeg")},
            {"terms": [{"text": "a dog"}, {"image_url": "https://example.org/a.jpg"}]},
        ):
            answer = client.post(SEARCH, json=body)
            assert error_of(answer) == (403, "forbidden")
            assert "BLIPSEARCH_SERVICE_IMAGE_URLS" in answer.json()["error"]["message"]
    assert len(server.asked) == asked


def test_a_service_that_is_allowed_to_fetch_does_not_fetch_from_here(
    library: Path, server: WebServer
) -> None:
    asked = len(server.asked)
    with client_of(library, image_urls=True) as client:
        for url in (
            server.url("picture/image/jpeg"),
            "http://localhost/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:127.0.0.1]/",
            "http://2130706433/",
        ):
            answer = client.post(SEARCH, json={"image_url": url})
            assert error_of(answer) == (403, "forbidden")
    assert len(server.asked) == asked


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "example.org/a.jpg", "http" * 600])
def test_what_is_no_url_of_the_web_is_no_request(client: TestClient, url: str) -> None:
    assert error_of(client.post(SEARCH, json={"image_url": url})) == (422, "invalid_request")


def test_the_library_itself_opens_no_connection() -> None:
    asked = checked_request({"image_url": "https://example.org/a.jpg"})
    with pytest.raises(QueryError, match="give its bytes as image"):
        query_of(asked)
    with pytest.raises(QueryError, match="give its bytes as image"):
        Query((Term(text="a dog"), Term(image_url="https://example.org/a.jpg")))


def test_a_url_is_one_of_the_things_to_search_for() -> None:
    with pytest.raises(QueryError, match="there is query and image_url"):
        checked_request({"query": "a dog", "image_url": "https://example.org/a.jpg"})
