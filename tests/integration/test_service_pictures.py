"""Pictures that are not indexed, over HTTP: put into words by the service, and not kept."""

from __future__ import annotations

import base64
import io
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app
from api.security.fetch import ImageFetcher
from api.security.intake import Intake
from api.settings import ServiceSettings
from blipsearch.settings import make_settings
from tests.guarded import error_of, short_id
from tests.support import HERE
from tests.webserver import WebServer

COLLECTION = "/v1/collections/default"
QUESTION = "what is it?"
BOTH = {"caption": {}, "answer": {"question": QUESTION}}
"""Each route's end with the least that its body has beside the picture."""


@pytest.fixture(scope="module")
def server(pictures: Path) -> Iterator[WebServer]:
    """A server of one of the library's pictures."""
    server = WebServer(content=(pictures / "red.jpg").read_bytes())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(module_library: Path, golden: Path, server: WebServer) -> Iterator[TestClient]:
    """A client of a service that may fetch from that server, which no real one may."""
    app = create_app(
        make_settings(
            library=module_library,
            device="cpu",
            caption_checkpoint=str(golden / "caption"),
            answer_checkpoint=str(golden / "vqa"),
            max_megapixels=0.1,
        )
    )
    settings = ServiceSettings(image_urls=True)
    fetcher = ImageFetcher(
        max_bytes=100_000, seconds=5, allowed=lambda _address, port: port == server.port
    )
    app.state.intake = Intake(settings, fetcher)
    with TestClient(app, base_url=HERE) as client:
        yield client


@pytest.fixture
def red(pictures: Path) -> bytes:
    return (pictures / "red.jpg").read_bytes()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def png(size: tuple[int, int], mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, size).save(written, format="PNG")
    return written.getvalue()


def red_image(client: TestClient) -> str:
    """The path of the indexed image that has the same picture."""
    found = client.post(f"{COLLECTION}/search", json={"query": "a disc", "filter": "path:red.jpg"})
    (hit,) = found.json()["hits"]
    return f"{COLLECTION}/images/{hit['id']}"


def test_a_sent_picture_is_captioned_and_matched_like_an_indexed_one(
    client: TestClient, red: bytes
) -> None:
    for body in ({}, {"prompt": "a photo of "}):
        sent = client.post(f"{COLLECTION}/caption", json=body | {"image": encoded(red)}).json()
        indexed = client.post(f"{red_image(client)}/caption", json=body).json()

        assert sent["text"] == indexed["text"]
        assert sent["match"] == pytest.approx(indexed["match"], abs=1e-6)
        assert sent["checkpoint"] == indexed["checkpoint"]


def test_a_sent_picture_is_asked_about_like_an_indexed_one(client: TestClient, red: bytes) -> None:
    for choices in (None, ["a dog", "a cat", "a disc"]):
        body = {"question": QUESTION, "choices": choices}
        sent = client.post(f"{COLLECTION}/answer", json=body | {"image": encoded(red)}).json()

        assert sent == client.post(f"{red_image(client)}/answer", json=body).json()


def test_a_picture_at_a_url_is_fetched_first(
    client: TestClient, server: WebServer, red: bytes
) -> None:
    url = server.url("picture/image/jpeg")
    for end, body in BOTH.items():
        fetched = client.post(f"{COLLECTION}/{end}", json=body | {"image_url": url})
        sent = client.post(f"{COLLECTION}/{end}", json=body | {"image": encoded(red)})

        assert fetched.status_code == 200
        assert fetched.json() == sent.json()


@pytest.mark.parametrize("end", BOTH)
def test_a_url_is_fetched_only_where_searches_may_have_theirs_fetched(
    client: TestClient, server: WebServer, library: Path, end: str
) -> None:
    for path, status, code in (
        ("status/404", 422, "invalid_query"),
        ("picture/text/html", 422, "invalid_query"),
        ("endless", 413, "request_too_large"),
        ("to/http:||169.254.169.254|", 403, "forbidden"),
    ):
        answer = client.post(
            f"{COLLECTION}/{end}", json=BOTH[end] | {"image_url": server.url(path)}
        )
        assert error_of(answer) == (status, code)
    asked = len(server.asked)
    app = create_app(make_settings(library=library, device="cpu"))
    with TestClient(app, base_url=HERE) as careful:
        url = server.url("picture/image/jpeg")
        answer = careful.post(f"{COLLECTION}/{end}", json=BOTH[end] | {"image_url": url})
        assert error_of(answer) == (403, "forbidden")
    assert len(server.asked) == asked


@pytest.mark.parametrize("end", BOTH)
def test_nothing_of_a_sent_picture_is_kept(
    client: TestClient, module_library: Path, red: bytes, end: str
) -> None:
    files = sorted(module_library.rglob("*"))
    before = client.get(COLLECTION).json()

    assert client.post(f"{COLLECTION}/{end}", json=BOTH[end] | {"image": encoded(red)}).is_success
    assert client.get(COLLECTION).json() == before
    assert sorted(module_library.rglob("*")) == files


@pytest.mark.parametrize("end", BOTH)
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"no picture at all", 422, "image_unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "image_unreadable"),
        (png((64, 64))[:-30], 422, "image_unreadable"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 5000, 422, "image_unreadable"),
        (png((400, 400)), 413, "image_too_large"),
    ],
    ids=short_id,
)
def test_what_is_no_picture_or_too_large_a_one_is_refused(
    client: TestClient, end: str, content: bytes, status: int, code: str
) -> None:
    answer = client.post(f"{COLLECTION}/{end}", json=BOTH[end] | {"image": encoded(content)})

    assert error_of(answer) == (status, code)
    assert "the picture cannot be used" in answer.json()["error"]["message"]


@pytest.mark.parametrize("end", BOTH)
@pytest.mark.parametrize(
    "size_and_mode", [((1, 1), "RGB"), ((3000, 1), "L"), ((9, 9), "RGBA")], ids=short_id
)
def test_a_picture_of_any_shape_is_put_into_words(
    client: TestClient, end: str, size_and_mode: tuple[tuple[int, int], str]
) -> None:
    body = BOTH[end] | {"image": encoded(png(*size_and_mode))}

    assert client.post(f"{COLLECTION}/{end}", json=body).status_code == 200


@pytest.mark.parametrize("end", BOTH)
@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"image": None},
        {"image": ""},
        {"image": "!"},
        {"image": 17},
        {"image": encoded(png((1, 1))), "image_url": "https://example.org/a.png"},
        {"image_url": "file:///etc/passwd"},
        {"image_url": "https://" + "a" * 2000},
        {"image_id": 1},
        {"image": encoded(png((1, 1))), "path": "/etc/passwd"},
        {"image": encoded(png((1, 1))), "prompt": "a" * 201, "question": "a" * 1001},
        {"image": encoded(png((1, 1))), "prompt": 5, "question": ""},
        {"image": encoded(png((1, 1))), "prompt": "\ud800", "question": "\udfff"},
    ],
    ids=short_id,
)
def test_a_body_that_makes_no_sense_is_refused(
    client: TestClient, end: str, wrong: dict[str, Any]
) -> None:
    known = {"caption": {"question"}, "answer": {"prompt"}}[end]
    body = BOTH[end] | {name: value for name, value in wrong.items() if name not in known}

    # As ASCII: what is no Unicode comes as escapes.
    answer = client.post(
        f"{COLLECTION}/{end}",
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert error_of(answer) == (422, "invalid_request")


def test_a_prompt_that_leaves_no_room_for_a_caption_is_refused(
    client: TestClient, red: bytes
) -> None:
    body = {"image": encoded(red), "prompt": "a dog " * 30}

    assert error_of(client.post(f"{COLLECTION}/caption", json=body)) == (422, "invalid_query")


@pytest.mark.parametrize("end", BOTH)
def test_a_collection_that_is_not_there_is_a_404(client: TestClient, end: str, red: bytes) -> None:
    body = BOTH[end] | {"image": encoded(red)}
    answer = client.post(f"/v1/collections/nothing/{end}", json=body)

    assert error_of(answer) == (404, "collection_not_found")


def test_neither_words_nor_pictures_get_into_the_log_or_the_metrics(
    library: Path, golden: Path, tmp_path: Path, red: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(library, tmp_path / "library")
    settings = make_settings(
        library=tmp_path / "library",
        device="cpu",
        caption_checkpoint=str(golden / "caption"),
        answer_checkpoint=str(golden / "vqa"),
    )
    wish = "unspeakable"
    with (
        caplog.at_level(logging.DEBUG),
        TestClient(create_app(settings), base_url=HERE) as client,
    ):
        for image in (encoded(red), encoded(b"unspeakable")):
            client.post(f"{COLLECTION}/caption", json={"image": image, "prompt": wish})
            client.post(f"{COLLECTION}/answer", json={"image": image, "question": wish})
        metrics = client.get("/metrics").text

    assert f'route="{COLLECTION.replace("default", "{name}")}/caption"' in metrics
    assert wish not in metrics
    assert wish not in caplog.text
