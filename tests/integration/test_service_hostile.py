"""Whatever is sent, the answer is what was asked for, or an error of the service's one form."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from itsdangerous import URLSafeSerializer

from blipsearch.cli import run
from tests.guarded import client_of, error_of, short_id
from tests.serving import serving

COLLECTION = "/v1/collections/default"
SEARCH = f"{COLLECTION}/search"
IMAGES = f"{COLLECTION}/images"
HUGE = 2**63


@pytest.fixture(scope="module")
def client(module_library: Path) -> Iterator[TestClient]:
    with client_of(module_library) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"null", 422),
        (b'"a dog"', 422),
        (b"{", 422),
        (b"\xff\xfe", 422),
        (b"[" * 100_000, 400),
        (b'{"query":' + b"[" * 100_000, 400),
        (b'{"vector":[' + b"1" * 5000 + b"]}", 400),
        (b'{"query":"\\ud800"}', 422),
        (b'{"\\ud800":"a dog"}', 422),
        (b'{"query":"a dog","ask":"\\udfff"}', 422),
        (b'{"query":"a dog","filter":"\\ud800"}', 422),
        (b'{"query":"a dog","filter":"tag:\\ud800"}', 422),
        (b'{"query":"a dog","filter":{"field":"tag","value":"\\ud800"}}', 422),
        (b'{"query":"a dog","filter":{"field":"path","op":"glob","value":"\\ud800*"}}', 422),
        (b'{"query":"a dog","filter":{"field":"meta.\\ud800","value":1}}', 422),
        (b'{"query":"a dog","filter":{"field":"\\ud800","value":1}}', 422),
        (b'{"query":"a dog","filter":"tag:\\u0000"}', 422),
        (b'{"query":"a dog","filter":"id:9223372036854775808"}', 422),
        (b'{"query":"a dog","filter":{"field":"id","value":1e400}}', 422),
        (b'{"query":"a dog","filter":' + b'{"not":' * 500 + b'{"has":"tag"}' + b"}" * 501, 422),
        (b'{"image_id":9223372036854775808}', 422),
        (b'{"image_id":99999999999999999999999999}', 422),
        (b'{"image_id":-1}', 422),
        (b'{"image_id":0}', 422),
        (b'{"image_id":9223372036854775807}', 404),
        (b'{"image_id":1.5}', 422),
        (b'{"vector":[]}', 422),
        (b'{"vector":[NaN]}', 422),
        (b'{"vector":[' + b",".join([b"1e308"] * 16) + b"]}", 422),
        (b'{"vector":[' + b",".join([b"0"] * 65537) + b"]}", 422),
        (b'{"terms":[{"text":"a dog","weight":NaN}]}', 422),
        (b'{"terms":[{"text":"a dog","weight":1e-320}]}', 422),
        (b'{"terms":[' + b",".join([b'{"text":"a"}'] * 33) + b"]}", 422),
        (b'{"query":"' + b"a" * 1001 + b'"}', 422),
        (b'{"query":"a dog","limit":99999999999999999999}', 422),
        (b'{"query":"a dog","min_match":Infinity}', 422),
        (b'{"query":"a dog","rerank_budget":Infinity}', 422),
        (b'{"image":"!"}', 422),
        (b'{"image":"AAAA"}', 422),
        (b'{"cursor":"\\u0000"}', 422),
    ],
    ids=short_id,
)
def test_a_search_that_makes_no_sense_is_refused(
    client: TestClient, body: bytes, status: int
) -> None:
    answer = client.post(SEARCH, content=body, headers={"Content-Type": "application/json"})
    assert error_of(answer)[0] == status


@pytest.mark.parametrize(
    "text",
    ["\0", "\x1b[31m\x07", "\u202e\u2066", "\ufffe\uffff", '"; DROP TABLE images; --', "🙂" * 999],
    ids=short_id,
)
def test_any_text_may_be_searched_for(client: TestClient, text: str) -> None:
    for hybrid in ("off", "on", "only"):
        answer = client.post(SEARCH, json={"query": text, "hybrid": hybrid, "explain": True})
        assert answer.status_code == 200
    assert client.get(f"{IMAGES}/1/heatmap", params={"text": text}).status_code == 200


@pytest.mark.parametrize(
    "number", ["0", "-1", str(HUGE), "9" * 5000, "1e3", "%00", "0x1", " "], ids=short_id
)
def test_an_id_that_no_image_can_have_is_refused(client: TestClient, number: str) -> None:
    for method, rest in (
        ("GET", ""),
        ("GET", "/file"),
        ("GET", "/thumbnail"),
        ("GET", "/heatmap?text=a"),
        ("POST", "/caption"),
        ("POST", "/answer"),
        ("PATCH", ""),
        ("DELETE", ""),
    ):
        answer = client.request(method, f"{IMAGES}/{number}{rest}", json={"question": "what?"})
        assert error_of(answer)[0] in {404, 422}


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=%ED%A0%80",
        "q=id:99999999999999999999",
        "q=id:" + "9" * 900,
        "q=2:2:2:",
        "q=a&filter=%00",
        "q=a&filter=tag:%ED%A0%80",
        "q=a&filter=" + "(" * 3000,
        "q=a&filter=" + "-" * 3000,
        "q=a&limit=" + "9" * 5000,
        "q=a&min_match=nan",
        "q=a&rerank_budget=inf",
        "q=a&sort=%00",
        "q=a&q=b&limit=1&limit=2",
        "cursor=%00",
        "cursor=%ED%A0%80",
        "&&&=&%",
        "%00=%00",
    ],
    ids=short_id,
)
def test_any_query_string_is_a_search_or_anerror_of(client: TestClient, query: str) -> None:
    answer = client.get(f"{SEARCH}?{query}")
    if answer.status_code != 200:
        assert error_of(answer)[0] == 422


@pytest.mark.parametrize(
    "name", ["%00", "%ED%A0%80", "a" * 5000, "..", "%2e%2e", "%0d%0aX:y", "🙂"], ids=short_id
)
def test_any_name_of_a_collection_is_looked_for_and_not_found(
    client: TestClient, name: str
) -> None:
    answer = client.get(f"/v1/collections/{name}")
    assert error_of(answer)[0] == 404
    assert "X" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/%2e%2e/%2e%2e/etc/passwd",
        "/static/x/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/app.py",
        "/static/x/%2e%2e%5c%2e%2e%5capp.py",
        "/static/x/index.html",
        "/static/x/index.html%00.js",
        "/static/x/%2fetc%2fpasswd",
        "/static/x/file:%2f%2f%2fetc%2fpasswd",
        f"{IMAGES}/1%2f..%2f..%2f..%2fcatalog.sqlite/file",
        f"{IMAGES}/..%2f..%2fcatalog.sqlite/file",
        f"{IMAGES}/1/file%2f..%2f..%2fcatalog.sqlite",
        f"{IMAGES}/1/file/..%2f..%2fcatalog.sqlite",
        f"{IMAGES}/1/file%00",
        "/v1/collections/..%2f..%2fcatalog.sqlite/images/1/file",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
    ids=short_id,
)
def test_no_path_leads_to_a_file_that_is_not_sent_on_purpose(client: TestClient, path: str) -> None:
    assert error_of(client.get(path))[0] in {404, 422}


def test_a_socket_that_sends_paths_as_it_likes_gets_no_further(
    library: Path, tmp_path: Path
) -> None:
    """What clients tidy up before they send it, and headers that they would not send."""
    with serving(library, tmp_path / "log") as service:
        for path in (
            "/static/../../etc/passwd",
            "/static/x/../../../../etc/passwd",
            f"{IMAGES}/1/file/../../../../../../catalog.sqlite",
            "http://elsewhere.example/v1/collections/none",
            "//elsewhere.example/v1",
        ):
            status, _ = _raw(service.url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status == 404
        for request in (
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
            f"GET /{'a' * 100_000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "\x16\x03\x01\r\n\r\n",
        ):
            status, _ = _raw(service.url, request)
            assert status < 500
        asked = "GET /v1/collections HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n"
        for forged in ("X-Forwarded-Host: localhost", "Forwarded: host=localhost"):
            assert _raw(service.url, asked.format("rebound.example", forged))[0] == 403
        forged = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 10.0.0.1"
        assert _raw(service.url, asked.format("localhost", forged))[0] == 200
        assert "10.0.0.1" not in service.log.read_text()
        for given in ("a\tb", "a" * 65, "<script>", "a;b", "\x7f", "ä"):
            status, head = _raw(service.url, asked.format("localhost", f"X-Request-ID: {given}"))
            assert status in {200, 400}
            assert given not in head


def _raw(url: str, request: str) -> tuple[int, str]:
    """Send what may be no HTTP; returns the status and the head of the answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request.encode("latin-1"))
        head = b""
        while b"\r\n\r\n" not in head and (part := connection.recv(65_536)):
            head += part
    return int(head.split(b" ", 2)[1]), head.split(b"\r\n\r\n")[0].decode("latin-1")


def test_a_cursor_that_was_not_given_out_here_is_refused(
    module_library: Path, client: TestClient, pictures: Path, golden: Path
) -> None:
    with pytest.raises(SystemExit):
        run(
            [
                *(
                    "index",
                    str(pictures),
                    "--library",
                    str(module_library),
                    "--collection",
                    "other",
                ),
                *("--checkpoint", str(golden / "itm"), "--device", "cpu"),
            ]
        )
    cursor = client.post(SEARCH, json={"query": "a dog", "limit": 2}).json()["next_cursor"]
    other = "/v1/collections/other/search"
    others = client.post(other, json={"query": "a dog", "limit": 2}).json()["next_cursor"]
    name, _, signature = cursor.rpartition(".")
    changed = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        for place in range(0, len(cursor) - 1, 7)
    ]
    guessed = URLSafeSerializer(b"key", salt="blipsearch cursor").dumps(["../../key", 0])
    forged = [
        *changed,
        *(others, cursor[:-3], cursor + "A", name, signature, f".{signature}", f"{name}."),
        *(str(guessed), "." * 500, "../../../etc/passwd", "é", "eyJ9.x", "WyJhIiwwXQ.x"),
    ]
    for one in forged:
        answer = client.post(SEARCH, json={"cursor": one})
        assert error_of(answer) == (422, "invalid_cursor"), one
    assert client.post(SEARCH, json={"cursor": cursor}).status_code == 200
    assert client.post(other, json={"cursor": others}).status_code == 200


def test_a_filter_has_only_so_many_conditions(library: Path) -> None:
    with client_of(library, max_conditions=3) as client:
        for count, status in ((3, 200), (4, 422)):
            text = " ".join(["-tag:a"] * count)
            tree = {"and": [{"not": {"field": "tag", "value": "a"}}] * count}
            for answer in (
                client.get(SEARCH, params={"q": "a dog", "filter": text}),
                client.post(SEARCH, json={"query": "a dog", "filter": text}),
                client.post(SEARCH, json={"query": "a dog", "filter": tree}),
            ):
                assert answer.status_code == status
                if status == 422:
                    assert error_of(answer) == (422, "invalid_filter")
                    assert "BLIPSEARCH_SERVICE_MAX_CONDITIONS" in answer.text
