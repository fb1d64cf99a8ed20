"""Whatever is uploaded and said of it: it is a picture that can be shown, or nothing is kept."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from fastapi.testclient import TestClient

from blipsearch.cli import run
from tests.data.hostile import (
    SCRIPT,
    bilevel_png,
    html_in_gif,
    lying_gif,
    photo,
    postscript,
    svg,
    text_bomb_png,
)
from tests.guarded import client_of, error_of, short_id

COLLECTION = "/v1/collections/default"
SEARCH = f"{COLLECTION}/search"
IMAGES = f"{COLLECTION}/images"


@pytest.fixture(scope="module")
def client(module_library: Path) -> Iterator[TestClient]:
    with client_of(module_library) as client:
        yield client


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (b'{"metadata":{"a":NaN}}', 422),
        (b'{"metadata":{"a":1e999}}', 422),
        (b'{"metadata":' + b'{"a":' * 40 + b"1" + b"}" * 41, 422),
        (b'{"metadata":{"a":"' + b"x" * 100_001 + b'"}}', 422),
        (b'{"metadata":[]}', 422),
        (b'{"tags":["\\ud800"]}', 422),
        (b'{"tags":[' + b",".join([b'"a"'] * 101) + b"]}", 422),
        (b'{"tags":["' + b"a" * 101 + b'"]}', 422),
        (b'{"metadata":{"a":"\\ud800","\\udfff":["\\u0000"]}}', 200),
        (b'{"metadata":{"a":1' + b"0" * 4000 + b"}}", 200),
        (b'{"tags":["\\u0000","a","a\\u0000"]}', 200),
    ],
    ids=short_id,
)
def test_whatever_is_said_of_an_image_it_can_be_shown_and_found(
    client: TestClient, change: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.patch(f"{IMAGES}/1", content=change, headers=headers)
    assert answer.status_code == status
    shown = client.get(f"{IMAGES}/1").json()
    assert set(shown["tags"]) <= {"a"}
    found = client.post(SEARCH, json={"query": "a dog", "filter": "id:1", "hybrid": "on"})
    assert [hit["metadata"] for hit in found.json()["hits"]] == [shown["metadata"]]
    assert client.post(SEARCH, json={"query": "a", "filter": "meta.a>1"}).status_code == 200
    assert client.patch(f"{IMAGES}/1", json={"metadata": {}, "tags": []}).status_code == 200


def test_a_file_name_that_is_no_text_is_shown_with_escapes(tmp_path: Path, golden: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    photo(64, 48).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(folder / b"caf\xe9.png".decode("utf-8", "surrogateescape"))
    with pytest.raises(SystemExit):
        run(
            [
                *("index", str(folder), "--library", str(tmp_path / "library")),
                *("--checkpoint", str(golden / "itm"), "--device", "cpu"),
            ]
        )
    with client_of(tmp_path / "library") as client:
        (hit,) = client.post(SEARCH, json={"query": "a dog"}).json()["hits"]
        assert hit["path"] == r"caf\udce9.png"
        assert client.get(f"{IMAGES}/1").json()["path"] == r"caf\udce9.png"
        assert client.get(f"{IMAGES}/1/file").status_code == 200


def _upload(client: TestClient, content: bytes, name: str = "a.png", **data: Any) -> Any:
    return client.post(IMAGES, files={"file": (name, content)}, data=data)


def _files(library: Path) -> set[Path]:
    return {path for path in library.rglob("uploads-*/**/*") if path.is_file()}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "image_unreadable"),
        (b"hello", 422, "image_unreadable"),
        (SCRIPT, 422, "image_unreadable"),
        (svg(), 422, "image_unreadable"),
        (postscript(), 422, "image_unreadable"),
        (b"%PDF-1.7\n", 422, "image_unreadable"),
        (b"\x89PNG\r\n\x1a\n", 422, "image_unreadable"),
        (bilevel_png(300, 300)[:-30], 422, "image_unreadable"),
        (bilevel_png(30_000, 30_000), 413, "image_too_large"),
        (lying_gif(), 422, "image_unreadable"),
    ],
    ids=["empty", "text", "page", "svg", "eps", "pdf", "head", "cut short", "bomb", "lying gif"],
)
def test_what_is_no_picture_or_too_much_of_one_is_not_kept(
    module_library: Path, client: TestClient, content: bytes, status: int, code: str
) -> None:
    before = _files(module_library), client.get(COLLECTION).json()["images"]
    answer = _upload(client, content)
    assert error_of(answer) == (status, code)
    assert str(module_library) not in answer.text
    encoded = base64.b64encode(content).decode()
    asked = client.post(SEARCH, json={"image": encoded})
    assert error_of(asked)[0] in {413, 422}
    assert (_files(module_library), client.get(COLLECTION).json()["images"]) == before


def test_a_comment_that_unpacks_to_a_lot_is_not_unpacked(client: TestClient) -> None:
    answer = _upload(client, text_bomb_png())
    assert answer.status_code in {201, 413, 422}


def test_a_picture_that_is_a_page_as_well_is_served_as_a_picture(client: TestClient) -> None:
    added = _upload(client, html_in_gif(), "page.html")
    assert added.status_code == 201
    sent = client.get(f"{IMAGES}/{added.json()['id']}/file")
    assert SCRIPT in sent.content
    assert sent.headers["Content-Type"] == "image/gif"
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in sent.headers["Content-Security-Policy"]
    assert "default-src 'none'" in sent.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name",
    [
        "../../../../tmp/outside.png",
        "..\\..\\outside.png",
        "/etc/cron.d/outside.png",
        "C:\\outside.png",
        "a\0b.png",
        ".htaccess",
        "con.png",
        "-rf.png",
        "a" * 500 + ".png",
        "漢" * 100 + ".png",
        "\U0001d49c" * 100 + ".png",  # a letter of four bytes
        "\u202egnp.exe",
        "a\r\nX-Evil: 1.png",
        '"; rm -rf ~; ".png',
        "%2e%2e%2foutside.png",
        "café.png",
        " ",
    ],
    ids=short_id,
)
def test_whatever_a_file_is_called_it_stays_in_its_folder(
    module_library: Path, client: TestClient, name: str
) -> None:
    before = _files(module_library)
    picture = photo(40, 30, seed=crc32(name.encode()))
    picture.save(module_library.parent / "sent.png")
    added = _upload(client, (module_library.parent / "sent.png").read_bytes(), name)
    assert added.status_code == 201, added.text
    (kept,) = _files(module_library) - before
    assert kept.parent.parent == module_library
    assert not [
        path for path in module_library.parent.rglob("*outside*") if path.parent != kept.parent
    ]
    sent = client.get(f"{IMAGES}/{added.json()['id']}/file")
    assert sent.content == (module_library.parent / "sent.png").read_bytes()
    assert "X-Evil" not in sent.headers
    assert client.delete(f"{IMAGES}/{added.json()['id']}").status_code == 204
    assert _files(module_library) == before


@pytest.mark.parametrize(
    "metadata",
    [
        "[]",
        "1",
        "{",
        "[" * 90_000,
        '{"a":' * 90 + "1" + "}" * 90,
        '{"a":NaN}',
        '{"a":1' + "0" * 5000 + "}",
        '{"a":"' + "x" * 100_001 + '"}',
    ],
    ids=["list", "number", "cut", "deep", "nested", "nan", "long number", "long"],
)
def test_a_picture_with_metadata_that_cannot_be_is_not_added(
    module_library: Path, client: TestClient, metadata: str
) -> None:
    before = _files(module_library), client.get(COLLECTION).json()["images"]
    picture = photo(50, 40, seed=7)
    picture.save(module_library.parent / "sent.png")
    answer = _upload(client, (module_library.parent / "sent.png").read_bytes(), metadata=metadata)
    assert error_of(answer)[0] == 422
    assert (_files(module_library), client.get(COLLECTION).json()["images"]) == before


def _part(headers: bytes, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


_FIELD = b'Content-Disposition: form-data; name="%s"'
_FORMS = {
    "nothing": b"",
    "a field that does not end": b"--b\r\n" + _FIELD % b"tags",
    "no headers": _part(b""),
    "no name": _part(b"Content-Disposition: form-data"),
    "a file that is a field": _part(_FIELD % b"file"),
    "another field": _part(_FIELD % b"picture" + b'; filename="a"'),
    "many fields": _part(_FIELD % b"t") * 2000,
    "a long field": _part(_FIELD % b"metadata", b"x" * 2_000_000),
    "many headers": _part(b"X: y\r\n" * 2000),
    "a long header": _part(b"X: " + b"y" * 100_000),
}


@pytest.mark.parametrize("form", _FORMS.values(), ids=_FORMS)
def test_a_form_without_a_picture_is_refused(client: TestClient, form: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post(IMAGES, content=form + b"--b--\r\n", headers=headers)
    assert error_of(answer)[0] in {400, 413, 422}


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=" + "b" * 5000,
        "application/x-www-form-urlencoded",
        "application/json",
        "image/png",
        "\x01",
    ],
)
def test_what_is_no_form_is_refused(client: TestClient, kind: str) -> None:
    answer = client.post(IMAGES, content=b"file=x", headers={"Content-Type": kind})
    assert error_of(answer)[0] in {400, 422}
