"""Images over HTTP: added, described, changed, drawn small, asked about, removed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app
from blipsearch.settings import make_settings
from tests.support import HERE, draw_picture

IMAGES = "/v1/collections/default/images"
SEARCH = "/v1/collections/default/search"


@pytest.fixture
def client(own_library: Path, golden: Path) -> Iterator[TestClient]:
    settings = make_settings(
        library=own_library,
        device="cpu",
        caption_checkpoint=str(golden / "caption"),
        answer_checkpoint=str(golden / "vqa"),
        max_megapixels=1,
    )
    with TestClient(create_app(settings), base_url=HERE) as client:
        yield client


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    draw_picture(tmp_path / "teal.png", "teal")
    return tmp_path / "teal.png"


def upload(client: TestClient, path: Path, **fields: Any) -> Any:
    return client.post(IMAGES, files={"file": (path.name, path.read_bytes())}, data=fields)


def test_an_added_picture_is_found_at_once_and_after_a_restart(
    client: TestClient, own_library: Path, drawn: Path
) -> None:
    added = upload(client, drawn, tags=["art", "new"], metadata='{"album": "2026"}')
    detail = added.json()

    assert added.status_code == 201
    assert (detail["width"], detail["height"], detail["format"]) == (160, 120, "PNG")
    assert detail["tags"] == ["art", "new"]
    assert detail["metadata"] == {"album": "2026"}
    assert detail["path"].endswith("-teal.png")
    found = client.post(SEARCH, json={"query": "a disc", "filter": "tag:new"}).json()
    assert [hit["id"] for hit in found["hits"]] == [detail["id"]]
    with TestClient(
        create_app(make_settings(library=own_library, device="cpu")), base_url=HERE
    ) as again:
        assert again.get(f"{IMAGES}/{detail['id']}").json() == detail
        assert again.get(f"{IMAGES}/{detail['id']}/file").content == drawn.read_bytes()


def test_the_same_content_is_added_once(client: TestClient, drawn: Path) -> None:
    first, second = upload(client, drawn), upload(client, drawn, tags=["again"])

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["tags"] == ["again"]
    assert client.get("/v1/collections/default").json()["images"] == 9


def test_an_added_picture_is_reranked_from_its_stored_state(
    client: TestClient, drawn: Path
) -> None:
    before = client.get("/v1/collections/default").json()["states"]["images"]
    upload(client, drawn)

    assert client.get("/v1/collections/default").json()["states"]["images"] == before + 1


def test_what_is_no_picture_is_refused_and_leaves_nothing(
    client: TestClient, own_library: Path
) -> None:
    refused = client.post(IMAGES, files={"file": ("a.png", b"no picture at all")})

    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "image_unreadable")
    assert not [path for path in own_library.glob("uploads-*/*") if path.is_file()]
    assert client.get("/v1/collections/default").json()["images"] == 8


def test_metadata_that_is_no_json_object_is_refused(client: TestClient, drawn: Path) -> None:
    for metadata in ("no json", "[1]"):
        refused = upload(client, drawn, metadata=metadata)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_query")


def test_a_name_from_outside_is_only_the_end_of_the_files_name(
    client: TestClient, own_library: Path, drawn: Path
) -> None:
    content = drawn.read_bytes()
    added = client.post(IMAGES, files={"file": ("../../etc/pass wd\\.\u202epng", content)}).json()

    (kept,) = [path for path in own_library.glob("uploads-*/*") if path.is_file()]
    assert kept.name == added["path"]
    assert kept.read_bytes() == content
    assert not {"/", "\\", " "} & set(added["path"])


def test_tags_and_metadata_are_replaced_one_by_one(client: TestClient) -> None:
    image = f"{IMAGES}/1"
    assert client.patch(image, json={"tags": ["b", "a"]}).json()["tags"] == ["a", "b"]
    changed = client.patch(image, json={"metadata": {"rating": 5}}).json()

    assert (changed["tags"], changed["metadata"]) == (["a", "b"], {"rating": 5})
    assert client.patch(image, json={"tags": []}).json()["tags"] == []
    assert client.patch(image, json={"rating": 5}).status_code == 422
    assert client.patch(f"{IMAGES}/999", json={"tags": ["a"]}).status_code == 404


def test_a_removed_picture_is_gone_and_only_an_uploaded_file_goes_with_it(
    client: TestClient, own_library: Path, pictures: Path, drawn: Path
) -> None:
    files = sorted(pictures.rglob("*.*"))
    added = upload(client, drawn).json()
    for image_id in (1, added["id"]):
        assert client.delete(f"{IMAGES}/{image_id}").status_code == 204
        assert client.get(f"{IMAGES}/{image_id}").status_code == 404
        assert client.delete(f"{IMAGES}/{image_id}").status_code == 404

    found = client.post(SEARCH, json={"query": "a disc", "limit": 100}).json()["hits"]
    assert not {1, added["id"]} & {hit["id"] for hit in found}
    assert sorted(pictures.rglob("*.*")) == files
    assert not [path for path in own_library.glob("uploads-*/*") if path.is_file()]


def test_a_thumbnail_is_a_small_upright_jpeg_that_browsers_keep(client: TestClient) -> None:
    url = f"{IMAGES}/1/thumbnail"
    sent = client.get(url, params={"size": 40})
    picture = Image.open(io.BytesIO(sent.content))

    assert (sent.headers["content-type"], picture.format) == ("image/jpeg", "JPEG")
    assert picture.size == (40, 30)
    again = client.get(url, params={"size": 40}, headers={"If-None-Match": sent.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(url, params={"size": 41}, headers={"If-None-Match": sent.headers["etag"]})
    assert other.status_code == 200
    for size in (0, 15, 2049, -1):
        assert client.get(url, params={"size": size}).status_code == 422


def test_a_caption_says_how_well_it_matches(client: TestClient) -> None:
    free = client.post(f"{IMAGES}/1/caption", json={}).json()
    begun = client.post(f"{IMAGES}/1/caption", json={"prompt": "a photo of "}).json()

    assert free["text"]
    assert not free["text"].startswith("a picture of")
    assert 0 <= free["match"] <= 1
    assert free["checkpoint"].endswith("caption")
    assert begun["text"].startswith("a photo of")
    assert client.get("/readyz").json()["checkpoints"]["caption"] == [free["checkpoint"]]


def test_a_question_is_answered_freely_or_from_choices(client: TestClient) -> None:
    url = f"{IMAGES}/1/answer"
    free = client.post(url, json={"question": "what is it?"}).json()
    chosen = client.post(url, json={"question": "what?", "choices": ["a dog", "a cat"]}).json()

    assert free["question"] == "what is it?"
    assert free["checkpoint"].endswith("vqa")
    assert chosen["answer"] in {"a dog", "a cat"}
    assert client.post(url, json={"question": " "}).status_code == 422
    assert client.post(url, json={"question": "what?", "choices": []}).status_code == 422


def test_hits_carry_captions_and_answers_when_asked_to(client: TestClient) -> None:
    body = {"query": "a disc", "limit": 3, "include": ["caption"], "ask": "what is it?"}
    page = client.post(SEARCH, json=body).json()
    following = client.post(
        SEARCH, json={"cursor": page["next_cursor"], "limit": 2, "ask": "what is it?"}
    ).json()
    plain = client.post(SEARCH, json={"query": "a disc", "limit": 3}).json()

    assert all(hit["caption"] and hit["answer"] is not None for hit in page["hits"])
    assert [hit["caption"] for hit in following["hits"]] == [None, None]
    assert all(hit["answer"] is not None for hit in following["hits"])
    assert {hit["caption"] for hit in plain["hits"]} == {None}
    assert "say" in page["timings"]
    assert client.post(SEARCH, json=body | {"limit": 65}).status_code == 422


def test_an_image_whose_file_is_gone_is_a_404_that_says_so(
    tmp_path: Path, blipsearch: Any, golden: Path
) -> None:
    (tmp_path / "photos").mkdir()
    draw_picture(tmp_path / "photos" / "one.png", "red")
    library = tmp_path / "library"
    blipsearch(
        *("index", tmp_path / "photos", "--library", library),
        *("--checkpoint", golden / "itm", "--device", "cpu"),
    )
    (tmp_path / "photos" / "one.png").unlink()
    settings = make_settings(library=library, device="cpu")
    with TestClient(create_app(settings), base_url=HERE) as client:
        for method, what in (
            ("GET", "file"),
            ("GET", "thumbnail"),
            ("GET", "heatmap?text=a"),
            ("POST", "caption"),
        ):
            answer = client.request(
                method, f"{IMAGES}/1/{what}", json={} if method == "POST" else None
            )
            assert answer.status_code == 404
            assert "index its folder again" in answer.json()["error"]["message"]
        assert client.get(f"{IMAGES}/1").status_code == 200
