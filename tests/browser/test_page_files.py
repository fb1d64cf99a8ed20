"""The page's files as they travel: cached for good, checked by tag, from this server alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.serving import Serving

REFERENCE = re.compile(r"""(?:href|src)="(/[^"#]+)"|from '\./([^']+)'""")


@pytest.fixture
def client(server: Serving) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as client:
        yield client


def test_the_page_is_sent_again_only_when_it_changed(client: httpx2.Client) -> None:
    page = client.get("/")
    again = client.get("/", headers={"If-None-Match": page.headers["ETag"]})

    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-cache")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == page.headers["ETag"]


def test_every_file_is_there_and_kept_for_good(client: httpx2.Client) -> None:
    seen: set[str] = set()
    new = {"/"}
    while new:
        path = new.pop()
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        folder = path.rpartition("/")[0]
        for absolute, module in REFERENCE.findall(answer.text):
            new.add(absolute or f"{folder}/{module}")
        new -= seen
        if path != "/":
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert {path.rpartition(".")[2] for path in seen - {"/"}} == {"js", "css", "svg"}


def test_a_page_from_before_an_upgrade_still_gets_its_files(client: httpx2.Client) -> None:
    answer = client.get("/static/0123456789abcdef/main.js")

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2fapp.py", "%2e%2e%2fapp.py"])
def test_nothing_but_the_pages_files_is_sent(client: httpx2.Client, name: str) -> None:
    answer = client.get(f"/static/0/{name}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(
    client: httpx2.Client,
) -> None:
    page = client.get("/")

    policy = dict(
        part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert "://" not in page.text
    assert " style=" not in page.text
    assert re.findall(r"<script(?! [^>]*src=)", page.text) == []
