"""What the clients send again, how long they wait before that, and what they never send twice."""

from __future__ import annotations

import time
from email.utils import formatdate
from itertools import pairwise

import pytest

from blipsearch import Client
from blipsearch.errors import (
    CursorExpiredError,
    ForbiddenError,
    ImageNotFoundError,
    LibraryBusyError,
    OverloadedError,
    QueryError,
    RateLimitedError,
    ServiceError,
    ServiceTimeoutError,
    ServiceUnreachableError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from tests.troubleserver import (
    DETAIL,
    FOUND,
    HTML,
    JSON,
    KEY,
    PAGE,
    Reply,
    TroubleServer,
    refused,
    said,
)


def test_a_body_that_breaks_off_is_asked_for_again_and_then_told(
    client: Client, server: TroubleServer
) -> None:
    whole = said(FOUND)
    torn = Reply(200, whole.body[:20], JSON, missing=40)
    server.will(torn, whole)
    assert client.search("a boat").count == 0
    assert len(server.asked) == 2

    server.will(torn)
    with pytest.raises(ServiceUnreachableError, match="broke off") as raised:
        client.search("a boat")
    assert len(server.asked) == 5
    assert raised.value.__notes__ == ["asked 3 times"]


def test_retry_after_in_seconds_is_waited_for(client: Client, server: TroubleServer) -> None:
    server.will(refused(503, "overloaded", Retry_After="1"), said(FOUND))
    assert client.search("a boat").count == 0

    first, second = server.asked
    assert 1.0 <= second.at - first.at < 30
    assert first.body == second.body


def test_retry_after_as_a_date_is_waited_for(client: Client, server: TroubleServer) -> None:
    began, now = time.monotonic(), time.time()
    date = formatdate(now + 2, usegmt=True)  # whole seconds: 1 to 2 from now
    server.will(refused(429, "rate_limited", Retry_After=date), said(FOUND))
    assert client.search("a boat").count == 0

    first, second = server.asked
    assert second.at - began >= int(now + 2) - now - 0.05
    assert second.at - first.at < 30


def test_a_service_that_wants_to_be_left_alone_for_long_is_not_asked_again(
    client: Client, server: TroubleServer
) -> None:
    server.will(refused(429, "rate_limited", Retry_After="3600"))
    with pytest.raises(RateLimitedError) as raised:
        client.search("a boat")

    assert raised.value.retry_after == 3600
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "code", "raises"),
    [(503, "overloaded", OverloadedError), (429, "rate_limited", RateLimitedError)],
)
def test_one_that_is_too_busy_is_asked_three_times_with_growing_waits(
    client: Client, server: TroubleServer, status: int, code: str, raises: type[OverloadedError]
) -> None:
    server.will(refused(status, code, "come back"))
    with pytest.raises(raises, match="come back") as raised:
        client.search("a boat")

    assert type(raised.value) is raises
    assert raised.value.retry_after == 1.0
    assert raised.value.reason == "queue"
    waits = [later.at - earlier.at for earlier, later in pairwise(server.asked)]
    assert len(waits) == 2
    assert max(waits) < 30


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_that_does_not_reach_the_service_is_asked_again(
    client: Client, server: TroubleServer, status: int
) -> None:
    server.will(Reply(status, PAGE, HTML), said({"collections": []}))
    assert client.collections() == ()
    assert len(server.asked) == 2


def test_what_asks_again_would_not_change_is_asked_once(
    client: Client, server: TroubleServer
) -> None:
    for status, code, raises in (
        (422, "invalid_request", QueryError),
        (422, "invalid_query", QueryError),
        (404, "image_not_found", ImageNotFoundError),
        (410, "cursor_expired", CursorExpiredError),
        (401, "unauthorized", UnauthorizedError),
        (403, "forbidden", ForbiddenError),
        (409, "library_busy", LibraryBusyError),
        (500, "internal_error", ServiceError),
        (418, "a_code_of_a_newer_service", ServiceError),
        (500, "unexpected_answer", UnexpectedAnswerError),
    ):
        server.asked.clear()
        server.will(refused(status, code, "because", X_Request_ID="r-1"))
        with pytest.raises(raises, match="because") as raised:
            client.image(1)
        assert type(raised.value) is raises
        assert raised.value.__notes__ == ["request id: r-1"]
        assert len(server.asked) == 1


def test_a_connection_that_is_closed_before_the_answer_is_made_again(
    client: Client, server: TroubleServer
) -> None:
    server.will(Reply(hang_up=True), said(FOUND))
    assert client.search("a boat").count == 0

    server.will(Reply(hang_up=True))
    with pytest.raises(ServiceUnreachableError, match="broke off"):
        client.search("a boat")
    assert len(server.asked) == 5


def test_a_slow_answer_is_given_up_and_not_asked_for_again(
    hurried: Client, server: TroubleServer
) -> None:
    server.will(Reply(before=20))
    began = time.monotonic()
    with pytest.raises(ServiceTimeoutError, match=r"within 2 seconds") as raised:
        hurried.search("a boat")

    assert time.monotonic() - began < 15
    assert isinstance(raised.value, TimeoutError)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(502, PAGE, HTML),
        refused(503, "overloaded"),
        refused(429, "rate_limited"),
        Reply(hang_up=True),
        Reply(201, b"{", JSON, missing=5),
    ],
)
def test_an_upload_is_never_sent_twice(client: Client, server: TroubleServer, reply: Reply) -> None:
    server.will(reply)
    with pytest.raises(ServiceError):
        client.add_image(b"picture")
    with pytest.raises(ServiceError):
        client.sign_in(KEY)

    assert [asked.path for asked in server.asked] == [
        "/v1/collections/default/images",
        "/v1/session",
    ]


def test_changes_and_removals_are_sent_again(client: Client, server: TroubleServer) -> None:
    server.will(Reply(502, PAGE, HTML), said(DETAIL))
    assert client.change_image(7, tags=["a"]).id == 7
    server.will(Reply(hang_up=True), Reply(204))
    client.remove_image(7)

    assert [asked.method for asked in server.asked] == ["PATCH", "PATCH", "DELETE", "DELETE"]


def test_a_removal_whose_answer_was_lost_has_succeeded(
    client: Client, server: TroubleServer
) -> None:
    gone = refused(404, "image_not_found")
    server.will(Reply(hang_up=True), gone)
    client.remove_image(7)
    with pytest.raises(ImageNotFoundError):
        client.remove_image(7)
    server.will(Reply(hang_up=True), refused(404, "collection_not_found"))
    with pytest.raises(LookupError, match="no"):
        client.remove_image(7)


def test_one_waits_for_a_service_that_is_starting(client: Client, server: TroubleServer) -> None:
    starting = {"status": "starting", "collections": 1, "checkpoints": {}}
    server.will(
        Reply(hang_up=True),
        Reply(502, PAGE, HTML),
        said(starting, 503),
        said(starting | {"status": "ready"}),
    )
    assert client.wait_until_ready(timeout=10).status == "ready"
    assert len(server.asked) == 4
    server.will(said(starting, 503))
    assert client.ready().status == "starting"


def test_nobody_waits_for_what_waiting_does_not_change(
    client: Client, server: TroubleServer
) -> None:
    server.will(refused(401, "unauthorized"))
    with pytest.raises(UnauthorizedError):
        client.wait_until_ready(timeout=10)
    assert len(server.asked) == 1
    client.close()
    with pytest.raises(ServiceError, match="is closed"):
        client.wait_until_ready(timeout=10)


def test_waiting_for_a_service_ends(client: Client, server: TroubleServer) -> None:
    starting = {"status": "starting", "collections": 1, "checkpoints": {}}
    server.will(said(starting, 503))
    with pytest.raises(ServiceTimeoutError, match="it is starting"):
        client.wait_until_ready(timeout=2.5)
    server.will(Reply(before=20))
    began = time.monotonic()
    with pytest.raises(ServiceTimeoutError):
        client.wait_until_ready(timeout=0.3)
    assert time.monotonic() - began < 15
    failed = starting | {"status": "failed", "problems": ["no such checkpoint"]}
    server.will(said(failed, 503))
    with pytest.raises(ServiceError, match="no such checkpoint"):
        client.wait_until_ready(timeout=10)
    server.will(refused(503, "overloaded", "stopping"))
    with pytest.raises(OverloadedError, match="stopping"):
        client.ready()
