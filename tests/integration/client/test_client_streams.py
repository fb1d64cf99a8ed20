"""Progressive searches over a line that may break."""

from __future__ import annotations

import time

import pytest

from blipsearch import Client
from blipsearch.errors import (
    OverloadedError,
    ServiceError,
    ServiceTimeoutError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
)
from blipsearch.schemas import Judgements
from tests.blocking import KINDS
from tests.troubleserver import (
    EVENTS,
    FOUND,
    HTML,
    MATCHES,
    PAGE,
    RANKING,
    RESULT,
    Reply,
    TroubleServer,
    event,
    said,
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every event loop: what iterates is not the same in each."""
    return str(request.param)


def test_a_progressive_search_tells_event_by_event(client: Client, server: TroubleServer) -> None:
    server.will(Reply(headers=EVENTS, chunks=(RANKING, MATCHES, RESULT), between=0.5))
    told = [(time.monotonic(), event) for event in client.search_stream("a boat")]

    assert isinstance(told[1][1], Judgements)
    assert [getattr(event, "final", None) for _, event in told] == [False, None, True]
    assert told[2][0] - told[0][0] > 0.3
    assert server.asked[0].headers["Accept"] == "text/event-stream"


def test_an_event_may_come_in_pieces_and_be_large(client: Client, server: TroubleServer) -> None:
    large = event("result", FOUND | {"timings": {f"stage {n}": 1.0 for n in range(100_000)}})
    pieces = tuple(large[place : place + 50_000] for place in range(0, len(large), 50_000))
    server.will(Reply(headers=EVENTS, chunks=(RANKING[:9], RANKING[9:], *pieces)))

    *_, last = client.search_stream("a boat")
    assert len(getattr(last, "timings", {})) == 100_000


LEFT_EARLY = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
"""Under trio: httpx2 closes its connection, and leaves generators of its own to the collector."""


@LEFT_EARLY
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(headers=EVENTS, chunks=(RANKING, MATCHES)), UnexpectedAnswerError),
        (Reply(headers=EVENTS, chunks=(RANKING, MATCHES), torn=True), ServiceUnreachableError),
        (Reply(headers=EVENTS, chunks=(RANKING, RESULT[:-1])), UnexpectedAnswerError),
        (
            Reply(headers=EVENTS, chunks=(RANKING, event("result", {"hits": 3}))),
            UnexpectedAnswerError,
        ),
        (Reply(headers=EVENTS, chunks=(RANKING, event("surprise", FOUND))), UnexpectedAnswerError),
    ],
)
def test_a_stream_that_is_cut_or_garbled_is_told_and_not_begun_again(
    client: Client, server: TroubleServer, reply: Reply, error: type[ServiceError]
) -> None:
    server.will(reply)
    told = []
    with pytest.raises(error):
        told += list(client.search_stream("a boat"))

    assert len(server.asked) == 1


@LEFT_EARLY
def test_an_error_in_a_stream_is_the_librarys_own(client: Client, server: TroubleServer) -> None:
    problem = {"error": {"code": "overloaded", "message": "time is up", "detail": {}}}
    server.will(Reply(headers=EVENTS, chunks=(RANKING, event("error", problem))))
    stream = client.search_stream("a boat")

    assert not getattr(next(stream), "final", True)
    with pytest.raises(OverloadedError, match="time is up"):
        next(stream)
    assert len(server.asked) == 1


def test_a_stream_that_says_nothing_more_is_given_up(
    hurried: Client, server: TroubleServer
) -> None:
    server.will(Reply(headers=EVENTS, chunks=(RANKING, RESULT), between=20))
    with pytest.raises(ServiceTimeoutError):
        list(hurried.search_stream("a boat"))

    assert len(server.asked) == 1


def test_a_stream_is_begun_again_while_it_has_not_begun(
    client: Client, server: TroubleServer
) -> None:
    stream = Reply(headers=EVENTS, chunks=(RANKING, RESULT))
    server.will(Reply(502, PAGE, HTML), Reply(hang_up=True), stream)

    assert len(list(client.search_stream("a boat"))) == 2
    assert len(server.asked) == 3


def test_a_page_instead_of_a_stream_is_told(client: Client, server: TroubleServer) -> None:
    for reply in (Reply(200, PAGE, HTML), said(FOUND)):
        server.will(reply)
        with pytest.raises(UnexpectedAnswerError, match=r"text/event-stream"):
            list(client.search_stream("a boat"))


@LEFT_EARLY
def test_leaving_a_stream_hangs_up(client: Client, server: TroubleServer) -> None:
    chunks = (RANKING, *[MATCHES] * 500, RESULT)
    server.will(Reply(headers=EVENTS, chunks=chunks, between=0.02))
    stream = client.search_stream("a boat")
    next(stream)
    stream.close()

    assert server.left.wait(30)
