"""What is loaded when: at the start, on first use, and how long it stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ServiceSettings
from blipsearch.blip import BlipRetriever
from blipsearch.library import Library
from blipsearch.settings import make_settings
from tests.support import HERE

IMAGE = "/v1/collections/default/images/1"


@contextmanager
def started(library: Path, golden: Path, **service: Any) -> Iterator[TestClient]:
    settings = make_settings(
        library=library,
        device="cpu",
        caption_checkpoint=str(golden / "caption"),
        answer_checkpoint=str(golden / "vqa"),
    )
    app = create_app(settings, ServiceSettings(**service))
    with TestClient(app, base_url=HERE) as client:
        yield client


def ready(client: TestClient) -> dict[str, Any]:
    """What /readyz says once it has come to an end."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = client.get("/readyz")
        said: dict[str, Any] = answer.json()
        if said["status"] != "starting":
            assert (answer.status_code == 200) == (said["status"] == "ready")
            return said
        assert answer.status_code == 503
        time.sleep(0.01)
    raise AssertionError("never ready")


def test_what_a_search_needs_is_loaded_before_the_service_calls_itself_ready(
    library: Path, golden: Path
) -> None:
    with started(library, golden) as client:
        assert ready(client)["checkpoints"] == {
            "retrieval": [str(golden / "itm")],
            "caption": [],
            "answer": [],
        }


def test_preloaded_checkpoints_are_there_from_the_start_and_stay(
    library: Path, golden: Path
) -> None:
    with started(library, golden, preload=True, idle_seconds=0.01) as client:
        ready(client)
        time.sleep(0.1)
        assert ready(client)["checkpoints"] == {
            "retrieval": [str(golden / "itm")],
            "caption": [str(golden / "caption")],
            "answer": [str(golden / "vqa")],
        }


def test_others_come_at_first_use_and_leave_when_idle(library: Path, golden: Path) -> None:
    with started(library, golden) as client:
        ready(client)
        assert client.post(f"{IMAGE}/caption", json={}).status_code == 200
        assert ready(client)["checkpoints"]["caption"] == [str(golden / "caption")]
        assert isinstance(client.app, FastAPI)
        client.app.state.service._warmth._idle = 0.01  # read again at each look
        deadline = time.monotonic() + 60
        while ready(client)["checkpoints"]["caption"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ready(client)["checkpoints"]["caption"] == []
        assert client.post(f"{IMAGE}/caption", json={}).status_code == 200


def test_a_checkpoint_that_cannot_be_had_is_a_problem_that_readiness_names(
    tmp_path: Path, golden: Path
) -> None:
    gone = tmp_path / "gone"
    gone.symlink_to(golden / "itm")
    retriever = BlipRetriever.from_pretrained(gone)
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("default", retriever.identity),
    ):
        pass
    gone.unlink()
    with started(tmp_path / "library", golden) as client:
        said = ready(client)
        assert said["status"] == "failed"
        assert "'default'" in said["problems"][0]
        answer = client.post("/v1/collections/default/search", json={"query": "a dog"})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "checkpoint_not_found"
        assert client.get("/healthz").status_code == 200
