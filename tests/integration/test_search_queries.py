"""Mixed queries, filters, pages and explanations, from the command line and over HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from api.app import create_app
from blipsearch.settings import make_settings
from tests.support import HERE, Command

QUERY = "a dog on the table"
SEARCH = "/v1/collections/default/search"


@pytest.fixture
def search(blipsearch: Command, library: Path) -> Any:
    def run(*arguments: object) -> Any:
        finished = blipsearch("search", *arguments, "--library", library, "--json")
        assert finished.code == 0, finished.err
        return finished.json

    return run


@pytest.fixture(scope="module")
def client(library: Path) -> Iterator[TestClient]:
    app = create_app(make_settings(library=library, device="cpu"))
    with TestClient(app, base_url=HERE) as client:
        yield client


def _picture(pictures: Path) -> Path:
    return pictures / "black.png"


def _ids(found: Any) -> list[int]:
    return [hit["id"] for hit in found["hits"]]


def test_a_picture_file_finds_itself_first(search: Any, pictures: Path) -> None:
    picture = _picture(pictures)
    found = search(picture)
    assert Path(found["hits"][0]["file"]) == picture
    assert found["hits"][0]["cosine"] == pytest.approx(1, abs=1e-4)
    assert {hit["match"] for hit in found["hits"]} == {None}


def test_sentences_images_and_what_must_not_match_go_together(
    search: Any, pictures: Path, tmp_path: Path
) -> None:
    picture = _picture(pictures)
    link = tmp_path / "my picture.png"
    link.write_bytes(picture.read_bytes())
    found = search(f"2:{QUERY} + {link} - a cat", "--explain")
    explained = found["explanation"]
    assert explained["query"] == f"2:{QUERY} + an image - a cat"
    asked = [(term["text"], term["weight"], term["not"]) for term in explained["judged"]]
    assert asked == [(QUERY, 2.0, False), ("a cat", 1.0, True)]
    assert explained["index"] == "exact"
    assert explained["searched"] == found["candidates"] == found["reranked"] == 8
    alone = search(QUERY)
    by_id = {hit["id"]: hit["match"] for hit in alone["hits"]}
    assert all(hit["match"] <= by_id[hit["id"]] + 1e-6 for hit in found["hits"])


def test_a_vector_file_is_a_query(search: Any, tmp_path: Path, golden: Path) -> None:
    from blipsearch.blip import BlipRetriever

    vector = BlipRetriever.from_pretrained(golden / "itm").get_text_features([QUERY])[0]
    np.save(tmp_path / "v.npy", 5 * vector)
    assert _ids(search(f"vector:{tmp_path}/v.npy")) == _ids(search(QUERY, "--no-rerank"))


def test_a_filter_from_the_command_line_leaves_the_rest_out(search: Any, pictures: Path) -> None:
    name = _picture(pictures).name
    found = search(QUERY, "--filter", f'name:"{name}"')
    assert [hit["path"] for hit in found["hits"]] == [name]
    assert len(search(QUERY, "--filter", f'-name:"{name}"')["hits"]) == 7


def test_a_mistake_in_a_filter_is_shown_at_its_place(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("search", QUERY, "--library", library, "--filter", "width>=100 hieght>5")
    assert finished.code == 1
    assert "hieght>5" in finished.err
    assert "height" in finished.err
    assert "^" in finished.err


def test_pages_of_a_search_are_turned_by_other_processes(
    blipsearch: Command, search: Any, library: Path
) -> None:
    whole = search(QUERY)
    page = search(QUERY, "-k", 3)
    turned = _ids(page)
    while page["next_cursor"]:
        page = search("--cursor", page["next_cursor"], "-k", 3)
        turned += _ids(page)
    assert turned == _ids(whole)
    first = blipsearch("search", QUERY, "-k", 3, "--library", library)
    assert "3 of 8; more: blipsearch search --limit 3 --cursor " in first.err


def test_a_cursor_with_a_query_beside_it_is_refused(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("search", QUERY, "--cursor", "x", "--library", library)
    assert finished.code == 1
    assert "give exactly one of" in finished.err


def test_a_search_for_nothing_at_all_is_a_usage_error(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("search", "--library", library)
    assert finished.code == 2
    assert "say what to search for" in finished.err


def test_matches_are_sorted_by_a_field(search: Any) -> None:
    found = search(QUERY, "--sort", "-path", "--min-match", 0)
    paths = [hit["path"] for hit in found["hits"]]
    assert paths == sorted(paths, reverse=True)


def test_explain_says_what_was_done_and_how_long_it_took(
    blipsearch: Command, library: Path
) -> None:
    finished = blipsearch("search", QUERY, "--explain", "--library", library)
    lines = dict(line.split(maxsplit=1) for line in finished.err.splitlines() if "  " in line)
    assert lines["query"] == QUERY
    assert lines["searched"] == "8 images by exact"
    assert lines["candidates"] == "8, 8 reranked, 0 unreadable"
    assert " ms: embed " in lines["took"]


def test_heat_maps_are_drawn_for_every_hit(
    blipsearch: Command, library: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "maps"
    finished = blipsearch(
        "search", QUERY, "-k", 2, "--library", library, "--heat-maps", folder, "--json"
    )
    assert finished.code == 0, finished.err
    ranked = [f"{rank:03}-{image}.png" for rank, image in enumerate(_ids(finished.json), start=1)]
    assert sorted(path.name for path in folder.iterdir()) == ranked
    for path in folder.iterdir():
        with Image.open(path) as drawn:
            assert drawn.width > 100
    without_words = blipsearch(
        "search", "id:1", "--library", library, "--heat-maps", folder, "--json"
    )
    assert without_words.code == 1
    assert "a heat map is about words" in without_words.err


def test_over_http_a_query_has_a_json_form(client: TestClient, search: Any, pictures: Path) -> None:
    picture = _picture(pictures).read_bytes()
    body = {
        "terms": [
            {"text": QUERY, "weight": 2},
            {"image": base64.b64encode(picture).decode()},
            {"text": "a cat", "not": True},
        ],
        "filter": {"field": "width", "op": ">=", "value": 1},
        "explain": True,
    }
    found = client.post(SEARCH, json=body).json()
    link = _picture(pictures)
    assert _ids(found) == _ids(search(f"2:{QUERY} + {link} - a cat", "-f", "width>=1"))
    assert found["explanation"]["searched"] == 8


def test_the_url_takes_the_small_syntax_but_never_a_path(
    client: TestClient, pictures: Path
) -> None:
    found = client.get(SEARCH, params={"q": f"{QUERY} - a cat", "explain": True}).json()
    assert [term["not"] for term in found["explanation"]["judged"]] == [False, True]
    path = _picture(pictures)
    words = client.get(SEARCH, params={"q": str(path), "explain": True}).json()
    assert words["explanation"]["judged"][0]["text"] == str(path)


def test_over_http_pages_follow_each_other(client: TestClient) -> None:
    whole = client.post(SEARCH, json={"query": QUERY}).json()
    page = client.post(SEARCH, json={"query": QUERY, "limit": 3}).json()
    turned = _ids(page)
    while page["next_cursor"]:
        page = client.post(SEARCH, json={"cursor": page["next_cursor"], "limit": 3}).json()
        turned += _ids(page)
    assert turned == _ids(whole)
    first = client.get(SEARCH, params={"q": QUERY, "limit": 3}).json()
    second = client.get(SEARCH, params={"cursor": first["next_cursor"], "limit": 5}).json()
    assert _ids(first) + _ids(second) == _ids(whole)


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        ({"cursor": "forged"}, 422, "invalid_cursor", "search again without a cursor"),
        ({"query": QUERY, "filter": "widht>5"}, 422, "invalid_filter", "width"),
        ({"query": QUERY, "filter": {"field": "x"}}, 422, "", ""),
        ({"query": QUERY, "image_id": 1}, 422, "invalid_request", "exactly one of"),
        ({"image": "%%%"}, 422, "invalid_request", "base64"),
        ({"image": base64.b64encode(b"no picture").decode()}, 422, "image_unreadable", "query's"),
        ({"image_id": 99}, 404, "image_not_found", "99"),
        ({"vector": [1, 2]}, 422, "invalid_query", "finite numbers"),
        ({"query": QUERY, "sort": "beauty"}, 422, "invalid_request", "sort"),
    ],
)
def test_what_cannot_be_asked_has_a_stable_code(
    client: TestClient, body: dict[str, object], status: int, code: str, says: str
) -> None:
    answer = client.post(SEARCH, json=body)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert code in error["code"]
    assert says in error["message"]


def test_an_expired_cursor_is_gone(client: TestClient, library: Path) -> None:
    page = client.post(SEARCH, json={"query": QUERY, "limit": 3}).json()
    for file in library.glob("collections/*/rankings/*.npz"):
        file.unlink()
    answer = client.post(SEARCH, json={"cursor": page["next_cursor"]})
    assert answer.status_code == 410
    assert answer.json()["error"]["code"] == "cursor_expired"


def test_a_heat_map_comes_as_png(client: TestClient) -> None:
    answer = client.get("/v1/collections/default/images/1/heatmap", params={"text": QUERY})
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as drawn:
        assert drawn.format == "PNG"
    missing = client.get("/v1/collections/default/images/99/heatmap", params={"text": QUERY})
    assert missing.status_code == 404
