"""The service beside others that write: what is new appears, what is gone vanishes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from blipsearch.library import Library
from tests.serving import serving, wait_until_ready
from tests.support import Command, draw_picture

SEARCH = "/v1/collections/default/search"
PATIENCE = 120.0
"""Seconds after which something does not come any more, on a machine that has much to do."""
CALLERS = 16


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def hits(url: str, **wanted: Any) -> list[dict[str, Any]]:
    asked = {"query": "a disc", "limit": 100} | wanted
    answer = httpx.post(url + SEARCH, json=asked, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["hits"]
    return found


def test_what_others_add_and_remove_is_followed(
    own_library: Path, tmp_path: Path, blipsearch: Command
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    draw_picture(new / "teal.png", "teal")
    with serving(own_library, tmp_path / "log") as server:
        wait_until_ready(server.url)
        assert len(hits(server.url)) == 8
        assert blipsearch("index", new, "--library", own_library, "--device", "cpu").code == 0
        assert until(lambda: len(hits(server.url)) == 9)
        (added,) = [hit["id"] for hit in hits(server.url) if hit["path"] == "teal.png"]
        with Library.open(own_library) as library, library.collection("default") as collection:
            collection.remove([added])
        assert until(lambda: len(hits(server.url)) == 8)
        with Library.open(own_library) as library:
            library.remove_collection("default")
        search = partial(httpx.post, server.url + SEARCH, json={"query": "a"}, timeout=PATIENCE)
        assert until(lambda: search().status_code == 404)
        server.stop()
    assert not [record for record in server.records() if record["level"] == "error"]


def test_sixteen_callers_search_while_an_indexer_writes_and_none_fails(
    own_library: Path, tmp_path: Path, blipsearch: Command
) -> None:
    """Every answer is whole: known ids only, each once, in order, as many as were there."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        draw_picture(folder / f"{number:03}.png", f"hsl({6 * number}, 80%, 50%)", size=(64, 48))
    stop = threading.Event()

    with serving(own_library, tmp_path / "log", settings={"cache": 0}) as server:
        wait_until_ready(server.url)

        def search(number: int) -> tuple[int, int]:
            """Search until the end has come, and once more; how many hits first and last."""
            counts: list[int] = []
            is_last = False
            with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
                while not is_last:
                    is_last = stop.is_set()
                    body = {"query": f"a disc {number} {len(counts)}", "limit": 200}
                    answer = client.post(SEARCH, json=body)
                    assert answer.status_code == 200, answer.text
                    found = answer.json()
                    ids = [hit["id"] for hit in found["hits"]]
                    judged = [hit["score"] for hit in found["hits"] if hit["match"] is not None]
                    assert len(ids) == len(set(ids)) == found["count"]
                    assert judged == sorted(judged, reverse=True)
                    assert not any(hit["removed"] for hit in found["hits"])
                    counts.append(len(ids))
            # Never fewer than before: images were only added.
            assert counts == sorted(counts)
            return counts[0], counts[-1]

        with ThreadPoolExecutor(CALLERS) as threads:
            searches = [threads.submit(search, number) for number in range(CALLERS)]
            indexed = blipsearch("index", folder, "--library", own_library, "--device", "cpu")
            is_followed = until(lambda: len(hits(server.url)) == 68)
            stop.set()
            seen = [one.result() for one in searches]
        server.stop()
    assert indexed.code == 0
    assert is_followed
    assert {first for first, _ in seen} <= set(range(8, 69))
    assert {last for _, last in seen} == {68}
    searched = [record for record in server.records() if "search" in record.get("route", "")]
    assert {record["status"] for record in searched} == {200}


@pytest.mark.timeout(1800)  # eleven starts
def test_ten_kills_lose_nothing_that_was_acknowledged(own_library: Path, tmp_path: Path) -> None:
    acknowledged: dict[int, str] = {}
    colours = [f"hsl({9 * number}, 70%, 50%)" for number in range(40)]

    def add(url: str, number: int) -> None:
        path = tmp_path / f"{number}.png"
        draw_picture(path, colours[number], size=(64, 48))
        tag = f"round-{number}"
        try:
            answer = httpx.post(
                f"{url}/v1/collections/default/images",
                files={"file": (path.name, path.read_bytes())},
                data={"tags": [tag]},
                timeout=PATIENCE,
            )
        except httpx.TransportError:
            return
        assert answer.status_code in {200, 201}, answer.text
        acknowledged[answer.json()["id"]] = tag

    for kill in range(10):
        with serving(own_library, tmp_path / "log") as server, ThreadPoolExecutor(4) as threads:
            for image_id, tag in acknowledged.items():
                image = f"{server.url}/v1/collections/default/images/{image_id}"
                assert httpx.get(image, timeout=PATIENCE).json()["tags"] == [tag]
                assert httpx.get(f"{image}/file", timeout=PATIENCE).status_code == 200
            adding = [threads.submit(add, server.url, 4 * kill + part) for part in range(4)]
            if kill % 2:
                wait(adding, PATIENCE, FIRST_COMPLETED)
            else:
                time.sleep(0.1 * kill)
            server.kill()
            for one in adding:
                one.result()
    with serving(own_library, tmp_path / "log") as server:
        found = {hit["id"] for hit in hits(server.url, limit=1000)}
    assert set(acknowledged) <= found
    assert len(acknowledged) >= 4


def test_stopping_finishes_what_is_asked_and_takes_no_more(
    own_library: Path, tmp_path: Path
) -> None:
    with serving(own_library, tmp_path / "log") as server:
        wait_until_ready(server.url)
        with ThreadPoolExecutor(8) as threads:
            asked = [
                threads.submit(
                    httpx.post, server.url + SEARCH, json={"query": f"a disc {number}"}, timeout=60
                )
                for number in range(8)
            ]
            time.sleep(0.05)
            server.stop()
        statuses = set()
        for one in asked:
            try:
                statuses.add(one.result().status_code)
            except httpx.TransportError:
                statuses.add(0)  # came after the door was closed
    assert statuses <= {200, 503, 0}
