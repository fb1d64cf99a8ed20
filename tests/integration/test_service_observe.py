"""What operators see of the running service: a line a request, request ids, metrics."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from api.observe import configure_logging
from blipsearch.errors import LibraryBusyError
from blipsearch.settings import make_settings
from tests.support import HERE

SEARCH = "/v1/collections/default/search"
TEMPLATE = "/v1/collections/{name}/search"


@pytest.fixture(scope="module")
def client(library: Path) -> Iterator[TestClient]:
    app = create_app(make_settings(library=library, device="cpu"))

    @app.get("/fails/{secret}")
    def fails(secret: str) -> None:
        raise RuntimeError(f"nobody expected {len(secret)}")

    @app.get("/breaks-off")
    def breaks_off() -> StreamingResponse:
        return StreamingResponse(half())

    @app.get("/locked")
    def locked() -> None:
        raise LibraryBusyError("another process writes to the library")

    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """A stream that `configure_logging` may write to; logging is then as it was before."""
    root, ours = logging.getLogger(), logging.getLogger("blipsearch")
    before = (root.handlers[:], root.level, ours.level)
    yield io.StringIO()
    root.handlers, root.level, level = before
    ours.setLevel(level)
    logging.captureWarnings(capture=False)


def half() -> Iterator[bytes]:
    yield b"half"
    raise RuntimeError("half way")


def samples(client: TestClient) -> dict[tuple[str, frozenset[str]], float]:
    """The values of /metrics by name and set of label values."""
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_request_is_one_json_line_with_its_template_and_without_what_was_asked(
    client: TestClient, log: io.StringIO
) -> None:
    configure_logging("auto", log)

    answer = client.get(SEARCH, params={"q": "a secret wish", "limit": 2})

    (line,) = log.getvalue().splitlines()
    told = json.loads(line)
    assert told["event"] == "request"
    assert (told["method"], told["route"], told["status"]) == ("GET", TEMPLATE, 200)
    assert told["bytes"] == len(answer.content)
    assert told["request_id"] == answer.headers["X-Request-ID"]
    assert told["ms"] > 0
    assert told["level"] == "info"
    assert "secret" not in line


def test_a_line_tells_how_long_each_stage_of_a_search_took(
    client: TestClient, log: io.StringIO
) -> None:
    configure_logging("json", log)

    answer = client.post(SEARCH, json={"query": "a red boat", "limit": 2})

    told = json.loads(log.getvalue())
    assert told["stages"] == answer.json()["timings"]
    assert {"embed", "match"} <= set(told["stages"])


def test_on_a_console_a_line_reads_from_left_to_right(client: TestClient, log: io.StringIO) -> None:
    configure_logging("console", log)

    client.post(SEARCH, json={"query": "a red boat", "limit": 2}, headers={"X-Request-ID": "r-1"})

    line = log.getvalue()
    assert re.match(r"\d\d:\d\d:\d\d \[info +\] POST /v1/collections/\{name\}/search 200 ", line)
    assert "request_id=r-1" in line
    assert re.search(r" embed=\d", line)
    assert "\x1b" not in line


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_records_of_the_library_and_warnings_take_the_same_way(
    log: io.StringIO, log_format: str
) -> None:
    configure_logging(log_format, log)

    logging.getLogger("blipsearch.states").info("states of %d images are gone", 3)
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")

    first, second = log.getvalue().splitlines()
    assert "states of 3 images are gone" in first
    assert "Invalid HTTP request received." in second
    if log_format == "json":
        assert json.loads(first)["logger"] == "blipsearch.states"
        assert json.loads(second)["level"] == "warning"


def test_a_log_format_that_is_not_chosen_follows_the_stream(log: io.StringIO) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure_logging("auto", terminal)
    logging.getLogger("blipsearch").info("hello")
    configure_logging("auto", log)
    logging.getLogger("blipsearch").info("hello")

    assert terminal.getvalue().startswith("\x1b")
    assert json.loads(log.getvalue())["event"] == "hello"


@pytest.mark.parametrize("given", ["abc", "A-b_c.9", "x" * 64])
def test_a_well_formed_request_id_is_kept(client: TestClient, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})

    assert answer.headers.get_list("X-Request-ID") == [given]


@pytest.mark.parametrize(
    "given", [b"", b"x" * 65, b"a b", b"a\tb", "ä".encode(), b"a/b", b'a"b', b"a;b"]
)
def test_another_is_replaced_by_a_new_one(client: TestClient, given: bytes) -> None:
    answer = client.get("/healthz", headers=[(b"X-Request-ID", given)])

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/healthz", 405),
        ("POST", SEARCH, 422),
        ("GET", "/v1/collections/none", 404),
        ("GET", "/fails/softly", 500),
    ],
)
def test_every_answer_has_a_request_id_of_its_own(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answers = [client.request(method, path) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status, status]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 2


def test_a_failure_of_the_service_has_the_one_error_form_and_its_id_but_not_its_reason(
    client: TestClient, log: io.StringIO
) -> None:
    configure_logging("json", log)

    answer = client.get("/fails/softly", headers={"X-Request-ID": "r-500"})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "internal_error")
    assert "r-500" in error["message"]
    assert "nobody" not in answer.text
    told = json.loads(log.getvalue())
    assert (told["status"], told["level"]) == (500, "error")
    assert told["bytes"] == len(answer.content)
    assert told["route"] == "/fails/{secret}"


def test_an_answer_that_breaks_off_is_told_as_a_failure(
    client: TestClient, log: io.StringIO
) -> None:
    configure_logging("json", log)

    client.get("/breaks-off")

    told = json.loads(log.getvalue())
    assert (told["status"], told["bytes"], told["broke_off"]) == (200, 4, True)
    assert told["level"] == "error"


def test_a_library_that_is_locked_is_a_refusal_that_is_counted_and_told(
    client: TestClient, log: io.StringIO
) -> None:
    configure_logging("json", log)
    before = samples(client).get(("blipsearch_refusals_total", frozenset({"library_busy"})), 0.0)

    answer = client.get("/locked")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "library_busy")
    after = samples(client)["blipsearch_refusals_total", frozenset({"library_busy"})]
    assert after - before == 1
    records = [json.loads(line) for line in log.getvalue().splitlines()]
    (said,) = [record for record in records if "another process" in record["event"]]
    assert (said["level"], said["request_id"]) == ("error", answer.headers["X-Request-ID"])


def test_metrics_count_requests_by_template_whatever_their_paths(client: TestClient) -> None:
    before = samples(client)
    for number in range(3):
        client.get(f"/v1/collections/none-{number}")
        client.get(f"/nothing/{number}")
    client.request("BREW", "/healthz")
    after = samples(client)

    def grown(name: str, *labels: str) -> float:
        key = (name, frozenset(labels))
        return after[key] - before.get(key, 0.0)

    assert grown("blipsearch_requests_total", "GET", "/v1/collections/{name}", "404") == 3
    assert grown("blipsearch_requests_total", "GET", "other", "404") == 3
    assert grown("blipsearch_requests_total", "other", "/healthz", "405") == 1
    assert grown("blipsearch_request_seconds_count", "/v1/collections/{name}") == 3
    assert grown("blipsearch_request_seconds_count", "/metrics") == 1
    assert after["blipsearch_requests_in_progress", frozenset()] == 1  # the asking one
    assert not any("none-1" in labels for _, labels in after)


def test_metrics_tell_what_the_process_takes(client: TestClient) -> None:
    now = samples(client)

    assert now["process_resident_memory_bytes", frozenset()] > 0
    assert ("python_gc_collections_total", frozenset({"0"})) in now


def test_metrics_come_in_the_form_that_is_asked_for(client: TestClient) -> None:
    plain = client.get("/metrics")
    newer = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})

    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert newer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert newer.text.endswith("# EOF\n")


def test_two_applications_count_for_themselves(client: TestClient, library: Path) -> None:
    app = create_app(make_settings(library=library, device="cpu"))
    with TestClient(app, base_url=HERE) as other:
        client.get("/healthz")
        key = ("blipsearch_requests_total", frozenset({"GET", "/healthz", "200"}))

        assert key in samples(client)
        assert key not in samples(other)
