"""What the clients send, and over how many connections."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from blipsearch import Client
from blipsearch.errors import (
    QueryError,
)
from tests.blocking import any_client
from tests.troubleserver import (
    EVENTS,
    FOUND,
    KEY,
    RANKING,
    RESULT,
    Reply,
    TroubleServer,
    refused,
    said,
)


def test_many_calls_use_one_connection(client: Client, server: TroubleServer) -> None:
    server.will(said(FOUND))
    for number in range(20):
        client.search(f"a boat {number}")
    server.will(refused(422, "invalid_query"))
    with pytest.raises(QueryError):
        client.search("a boat")
    server.will(Reply(200, b"jpeg", {"Content-Type": "image/jpeg"}))
    assert client.thumbnail(1) == b"jpeg"
    server.will(Reply(200, headers=EVENTS, chunks=(RANKING, RESULT)))
    assert len(list(client.search_stream("a boat"))) == 2
    server.will(said(FOUND))
    client.search("a boat")

    assert len(server.asked) == 24
    assert len({asked.port for asked in server.asked}) == 1


def test_many_threads_use_one_client(server: TroubleServer) -> None:
    server.will(said(FOUND))
    with Client(server.url) as client, ThreadPoolExecutor(8) as threads:
        pages = list(threads.map(lambda n: client.search(f"a boat {n}"), range(64)))

    assert len(pages) == 64
    assert len({asked.port for asked in server.asked}) <= 8


def test_a_request_says_who_asks_and_with_which_key(client: Client, server: TroubleServer) -> None:
    server.will(said(FOUND))
    client.search("a boat")

    headers = server.asked[0].headers
    assert headers["User-Agent"].startswith("blipsearch/")
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(server.asked[0].body) == {"query": "a boat"}


def test_a_url_may_have_a_path_and_a_slash_at_its_end(kind: str, server: TroubleServer) -> None:
    server.will(said(FOUND))
    for url in ("/photos", "/photos/", ""):
        with any_client(kind, server.url + url, {}) as client:
            client.search("a boat")

    assert [
        asked.path.removesuffix("/v1/collections/default/search") for asked in server.asked
    ] == [
        "/photos",
        "/photos",
        "",
    ]


@pytest.mark.parametrize("name", ["..", ".", "a?b", "a#b", "a%2Fb", "héllo wörld", "a;b"])
def test_a_collections_name_stays_one_part_of_the_path(
    client: Client, server: TroubleServer, name: str
) -> None:
    server.will(said(FOUND))
    client.search("a boat", collection=name)

    path = server.asked[0].path
    assert path.startswith("/v1/collections/")
    assert path.endswith("/search")
    assert path.count("/") == 4
    assert "?" not in path


BROKEN = "\ud800"

UNSAYABLE: dict[str, Callable[[Client], object]] = {
    "sentence": lambda client: client.search(BROKEN),
    "filter": lambda client: client.search("a boat", filter=f"tag:{BROKEN}"),
    "condition": lambda client: client.search("a", filter={"field": "tag", "value": BROKEN}),
    "filter beside text": lambda client: client.search_text("a", filter=BROKEN),
    "filter that is too long for a URL": lambda client: client.search_text(
        "a", filter="x" * 99_999
    ),
    "words": lambda client: client.heat_map(1, BROKEN),
    "too many words": lambda client: client.heat_map(1, "x" * 99_999),
    "prompt": lambda client: client.caption(1, BROKEN),
    "question": lambda client: client.ask(1, BROKEN),
    "tag": lambda client: client.add_image(b"picture", tags=[BROKEN]),
    "metadata": lambda client: client.add_image(b"picture", metadata={"a": {1, 2}}),
}


@pytest.mark.parametrize("what", UNSAYABLE)
def test_what_no_request_can_say_is_not_asked(
    client: Client, server: TroubleServer, what: str
) -> None:
    with pytest.raises(QueryError):
        UNSAYABLE[what](client)

    assert not server.asked
