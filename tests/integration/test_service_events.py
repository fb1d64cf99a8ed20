"""A progressive search over a real connection, and what a client that leaves ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.serving import Serving, serving, wait_until_ready

SEARCH = "/v1/collections/default/search"
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    log = tmp_path_factory.mktemp("events") / "log"
    with serving(library, log) as server:
        wait_until_ready(server.url)
        yield server


def events(url: str, body: dict[str, object]) -> list[tuple[str, Any]]:
    with httpx.stream("POST", url + SEARCH, json=body, headers=EVENTS, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(read(answer.iter_lines()))


def read(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    event = ""
    for line in lines:
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


def test_the_ranking_by_cosine_comes_first_then_the_matches_then_the_answer(
    server: Serving,
) -> None:
    found = events(server.url, {"query": "a red ball", "limit": 8})
    kinds = [kind for kind, _ in found]
    ranking, answer = found[0][1], found[-1][1]
    matches = [match for kind, event in found if kind == "matches" for match in event["matches"]]

    assert kinds[0] == "ranking"
    assert kinds[-1] == "result"
    assert set(kinds[1:-1]) == {"matches"}
    assert {hit["match"] for hit in ranking["hits"]} == {None}
    cosines = [hit["cosine"] for hit in ranking["hits"]]
    assert cosines == sorted(cosines, reverse=True)
    assert {match["id"]: match["match"] for match in matches} == {
        hit["id"]: hit["match"] for hit in answer["hits"]
    }
    by_score = sorted(matches, key=lambda match: match["score"], reverse=True)
    assert [match["id"] for match in by_score] == [hit["id"] for hit in answer["hits"]]


def test_the_last_event_is_what_a_plain_search_answers(server: Serving) -> None:
    body = {"query": "a blue ball", "limit": 4, "min_match": 0.0}
    *_, (_, streamed) = events(server.url, body)
    plain = httpx.post(server.url + SEARCH, json=body, timeout=60).json()

    assert streamed["hits"] == plain["hits"]


def test_an_answer_that_is_remembered_comes_at_once(server: Serving) -> None:
    body: dict[str, object] = {"query": "a ball that was asked for before"}
    first = events(server.url, body)
    again = events(server.url, body)

    assert [kind for kind, _ in again] == ["result"]
    assert again[0][1] == first[-1][1]


def test_without_a_rerank_there_is_only_the_answer(server: Serving) -> None:
    assert [kind for kind, _ in events(server.url, {"query": "a ball", "rerank": False})] == [
        "result"
    ]


def test_what_is_wrong_before_the_first_event_is_an_ordinary_error(server: Serving) -> None:
    for body, code in (
        ({"query": "a ball", "filter": "nonsense:1"}, "invalid_filter"),
        ({"cursor": "made-up"}, "invalid_cursor"),
    ):
        answer = httpx.post(server.url + SEARCH, json=body, headers=EVENTS, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert answer.headers["content-type"] == "application/json"


def test_the_url_form_streams_too(server: Serving) -> None:
    with httpx.stream(
        "GET", server.url + SEARCH, params={"q": "a green ball"}, headers=EVENTS
    ) as answer:
        kinds = [kind for kind, _ in read(answer.iter_lines())]

    assert (kinds[0], kinds[-1]) == ("ranking", "result")


def test_equal_searches_at_the_same_time_are_computed_once(server: Serving) -> None:
    body = {"query": "a question that many ask at once"}

    def ask(_: int) -> Any:
        return httpx.post(server.url + SEARCH, json=body, timeout=60).json()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))

    assert all(answer == answers[0] for answer in answers)  # timings and all


def test_a_client_that_leaves_ends_its_search_and_others_go_on(
    library: Path, tmp_path: Path
) -> None:
    """One thread computes; who left must not keep it."""
    settings = {"concurrency": 1, "queue": 64}
    with serving(library, tmp_path / "log", settings=settings) as server:
        wait_until_ready(server.url)

        def leave(number: int) -> None:
            with httpx.Client(timeout=0.02) as client, suppress(httpx.TimeoutException):
                client.post(server.url + SEARCH, json={"query": f"left {number}"})

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(leave, range(16)))
        stayed = httpx.post(server.url + SEARCH, json={"query": "stayed"}, timeout=60)
        assert stayed.status_code == 200
        deadline = time.monotonic() + 60
        while _queued(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _queued(server) == 0
        server.stop()
    records = [record for record in server.records() if record.get("route")]
    assert any(record.get("client_left") for record in records)
    assert not [record for record in server.records() if record["level"] == "error"]


def _queued(server: Serving) -> float:
    lines = httpx.get(f"{server.url}/metrics", timeout=60).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("blipsearch_queue_"))
