"""The HTTP service over a real library, through real requests."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from blipsearch.errors import LibraryNotFoundError
from blipsearch.settings import make_settings
from tests.support import HERE, Command

SEARCH = "/v1/collections/default/search"


@pytest.fixture(scope="module")
def client(library: Path) -> Iterator[TestClient]:
    app = create_app(make_settings(library=library, device="cpu"))
    with TestClient(app, base_url=HERE) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.01)
        yield client


def test_a_search_answers_what_the_command_line_answers(
    client: TestClient, blipsearch: Command, library: Path
) -> None:
    body = {"query": "a dog on the table", "limit": 5}
    answer = client.post(SEARCH, json=body).json()
    found = blipsearch("search", body["query"], "-k", 5, "--library", library, "--json").json

    assert [hit["id"] for hit in answer["hits"]] == [hit["id"] for hit in found["hits"]]
    assert answer["count"] == found["count"] == 8
    assert answer["hits"][0]["match"] == pytest.approx(found["hits"][0]["match"], abs=1e-6)
    assert set(answer["timings"]) >= {"embed", "retrieve", "match"}


def test_a_search_by_url_equals_the_posted_one(client: TestClient) -> None:
    by_url = client.get(SEARCH, params={"q": "a dog", "limit": 3}).json()
    posted = client.post(SEARCH, json={"query": "a dog", "limit": 3}).json()

    assert by_url["hits"] == posted["hits"]


def test_without_rerank_hits_carry_no_match(client: TestClient) -> None:
    answer = client.post(SEARCH, json={"query": "a dog", "rerank": False}).json()

    assert {hit["match"] for hit in answer["hits"]} == {None}


def test_a_rerank_may_be_limited_in_time_and_says_how_far_it_came(client: TestClient) -> None:
    body = {"query": "a dog", "rerank_budget": 1e-6}
    posted = client.post(SEARCH, json=body).json()
    by_url = client.get(SEARCH, params={"q": "a dog", "rerank_budget": 1e-6}).json()
    whole = client.post(SEARCH, json={"query": "a dog"}).json()

    assert (posted["reranked"], posted["candidates"]) == (4, 8)
    assert by_url["hits"] == posted["hits"]
    assert [hit["match"] is None for hit in posted["hits"]] == [False] * 4 + [True] * 4
    assert whole["reranked"] == 8
    assert client.post(SEARCH, json=body | {"rerank_budget": 0}).status_code == 422


def test_collections_are_listed_and_described(client: TestClient, golden: Path) -> None:
    (listed,) = client.get("/v1/collections").json()["collections"]

    assert listed == client.get("/v1/collections/default").json()
    assert (listed["name"], listed["images"], listed["dim"]) == ("default", 8, 16)
    assert listed["checkpoint"] == str(golden / "itm")
    assert listed["states"].keys() == {"kind", "images", "bytes", "budget"}
    assert (listed["states"]["kind"], listed["states"]["budget"]) == ("float16", 20_000_000_000)


def test_a_hits_file_is_sent_byte_for_byte(client: TestClient, pictures: Path) -> None:
    hit = client.post(SEARCH, json={"query": "a dog", "limit": 1}).json()["hits"][0]

    sent = client.get(f"/v1/collections/default/images/{hit['id']}/file")

    assert sent.status_code == 200
    assert sent.content == (pictures / hit["path"]).read_bytes()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/collections/none/search", {"query": "a dog"}, 404, "collection_not_found"),
        ("GET", "/v1/collections/none", None, 404, "collection_not_found"),
        ("GET", "/v1/collections/default/images/999/file", None, 404, "image_not_found"),
        ("POST", SEARCH, {"query": "   "}, 422, "invalid_request"),
        ("POST", SEARCH, {"query": "a dog", "limit": 0}, 422, "invalid_request"),
        ("POST", SEARCH, {"text": "a dog"}, 422, "invalid_request"),
        ("GET", "/v1/nothing", None, 404, "not_found"),
        ("DELETE", "/v1/collections", None, 405, "method_not_allowed"),
    ],
)
def test_every_error_has_one_form_and_a_stable_code(
    client: TestClient, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = client.request(method, path, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert set(error) == {"code", "message", "detail"}


def test_health_and_readiness_are_answered(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["collections"], ready["problems"]) == ("ready", 1, [])
    assert {task: len(names) for task, names in ready["checkpoints"].items()} == {
        "retrieval": 1,
        "caption": 0,
        "answer": 0,
    }


def test_an_absent_library_is_an_error_at_start_and_nothing_is_made(tmp_path: Path) -> None:
    app = create_app(make_settings(library=tmp_path / "nowhere"))

    with pytest.raises(LibraryNotFoundError, match="blipsearch index"), TestClient(app):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_serve_refuses_to_leave_the_machine_without_keys(
    blipsearch: Command, library: Path
) -> None:
    finished = blipsearch("serve", "--host", "0.0.0.0", "--library", library)

    assert finished.code == 1
    assert "0.0.0.0" in finished.err


def test_serve_without_a_library_names_the_next_commands(
    blipsearch: Command, tmp_path: Path
) -> None:
    finished = blipsearch("serve", "--library", tmp_path / "nowhere")

    assert finished.code == 1
    assert "blipsearch index" in finished.err
