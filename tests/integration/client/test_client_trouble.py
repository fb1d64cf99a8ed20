"""What the clients raise where a server misbehaves."""

from __future__ import annotations

import socket
import traceback
from typing import Any

import pytest

from blipsearch import Client
from blipsearch.errors import (
    BlipSearchError,
    InvalidFilterError,
    OverloadedError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
)
from tests.blocking import any_client
from tests.troubleserver import (
    EVENTS,
    HTML,
    JSON,
    KEY,
    PAGE,
    Reply,
    TroubleServer,
    event,
    refused,
    said,
)


@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_a_page_of_something_else_is_told_with_its_first_words(
    once: Client, server: TroubleServer, status: int
) -> None:
    server.will(Reply(status, PAGE, HTML | {"X-Request-ID": "seen-7"}))
    with pytest.raises(UnexpectedAnswerError) as raised:
        once.search("a boat")

    said_so = str(raised.value)
    assert raised.value.status == status
    for part in (f"{server.url}/v1/collections/default/search", str(status), "text/html"):
        assert part in said_so
    assert "502 Bad Gateway nginx" in said_so
    assert "check the URL" in said_so
    assert raised.value.__notes__ == ["request id: seen-7"]


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"hits": 3}', b"{}", b"\xff\xfe\x00", b'{"detail": "no"}']
)
def test_json_of_another_shape_is_unexpected(
    once: Client, server: TroubleServer, body: bytes
) -> None:
    for status in (200, 418):
        server.will(Reply(status, body, JSON))
        for ask in (lambda: once.search("a boat"), lambda: once.image(1), once.collections):
            with pytest.raises(UnexpectedAnswerError):
                ask()


def test_a_file_that_is_no_picture_is_unexpected(once: Client, server: TroubleServer) -> None:
    server.will(Reply(200, PAGE, HTML))
    for ask in (
        lambda: once.file(1),
        lambda: once.thumbnail(1),
        lambda: once.heat_map(1, "a boat"),
        once.metrics,
        once.ready,
        once.alive,
    ):
        with pytest.raises(UnexpectedAnswerError):
            ask()


def test_a_redirection_is_not_followed_but_told(once: Client, server: TroubleServer) -> None:
    server.will(Reply(301, b"", {"Location": "https://photos.example.org/api?token=1"}))
    with pytest.raises(
        UnexpectedAnswerError, match=r"points to https://photos\.example\.org/api: "
    ):
        once.collections()

    assert len(server.asked) == 1


def test_every_error_of_the_library_is_found_by_its_code(
    once: Client, server: TroubleServer
) -> None:
    kinds = [BlipSearchError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        server.will(refused(418, kind.code, "because"))
        with pytest.raises(kind) as raised:
            once.image(1)
        assert type(raised.value) is kind


def test_an_error_has_what_else_is_known(once: Client, server: TroubleServer) -> None:
    problem: dict[str, Any] = {"code": "invalid_filter", "message": "no"}
    server.will(said({"error": problem | {"detail": {"position": 7, "location": ""}}}, 422))
    with pytest.raises(InvalidFilterError) as wrong:
        once.search("a boat", filter="x")
    problem = {"code": "overloaded", "message": "no", "detail": {"reason": "stopping"}}
    server.will(said({"error": problem}, 503, Retry_After="9"))
    with pytest.raises(OverloadedError) as busy:
        once.search("a boat")

    assert (wrong.value.position, wrong.value.location) == (7, "")
    assert (busy.value.reason, busy.value.retry_after) == ("stopping", 9.0)


def test_a_refused_connection_names_the_place(kind: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with (
            any_client(kind, f"http://127.0.0.1:{port}", {"retries": 1}) as client,
            pytest.raises(ServiceUnreachableError, match=f"127.0.0.1 at port {port}") as raised,
        ):
            client.search("a boat")
    assert isinstance(raised.value, ConnectionError)
    assert raised.value.__notes__ == ["asked 2 times"]


@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")  # see the streams
def test_the_key_is_in_no_error(kind: str, server: TroubleServer) -> None:
    echo = f"<p>Authorization: Bearer {KEY}</p><p>{{'key': '{KEY}'}}</p>".encode()
    replies = (
        Reply(200, echo, HTML),
        Reply(500, echo, HTML),
        refused(401, "unauthorized", f"{KEY} is not known"),
        refused(500, "whatever", f"{KEY} is not known"),
        Reply(hang_up=True),
        Reply(before=3),
        Reply(200, b"{", JSON, missing=9),
        Reply(headers=EVENTS, chunks=(event("result", KEY),)),
    )
    options = {"api_key": KEY, "timeout": 0.3, "retries": 0}
    with (
        any_client(kind, server.url, options) as client,
        any_client(kind, server.url, options | {"api_key": None}) as bare,
    ):
        for reply in replies:
            server.will(reply)
            for ask in (
                lambda: client.search("a boat"),
                lambda: list(client.search_stream("a boat")),
                lambda: bare.sign_in(KEY),
            ):
                with pytest.raises(BlipSearchError) as raised:
                    ask()
                shown = "".join(traceback.format_exception(raised.value))
                assert KEY not in shown
                assert KEY not in repr(raised.value)
        assert KEY not in repr(client)
        assert KEY not in str(client)
