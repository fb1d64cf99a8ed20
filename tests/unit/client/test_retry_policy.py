"""The policy of retries by itself: what is asked again, and how long that waits."""

from __future__ import annotations

import time
from email.utils import formatdate

import httpx2
import pytest
from httpx2 import Response

from blipsearch.client.retrying import Retries

REPEATED = 200


def pauses(outcome: Response | httpx2.RequestError, sent: int = 1) -> list[float]:
    found = [Retries().pause(sent, outcome) for _ in range(REPEATED)]
    assert None not in found
    return [pause for pause in found if pause is not None]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_pause_is_random_below_a_bound_that_doubles(status: int) -> None:
    for sent, bound in ((1, 0.5), (2, 1.0)):
        found = pauses(Response(status), sent)
        assert 0 <= min(found) < bound / 4
        assert bound * 3 / 4 < max(found) < bound


def test_the_bound_has_a_bound() -> None:
    policy = Retries(times=5000)

    assert all((policy.pause(sent, Response(503)) or 0) <= 30 for sent in range(1, 5000))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 410, 413, 422, 500, 501])
def test_other_answers_stand(status: int) -> None:
    assert Retries().pause(1, Response(status)) is None


def test_it_is_over_after_the_last_time() -> None:
    assert Retries(times=2).pause(2, Response(503)) is not None
    assert Retries(times=2).pause(3, Response(503)) is None
    assert Retries(times=0).pause(1, Response(503)) is None


@pytest.mark.parametrize(
    "kind",
    [
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        httpx2.ReadError,
        httpx2.WriteError,
        httpx2.RemoteProtocolError,
    ],
)
def test_a_connection_that_breaks_is_made_again(kind: type[httpx2.RequestError]) -> None:
    assert min(pauses(kind("broken"))) >= 0


@pytest.mark.parametrize(
    "kind", [httpx2.ReadTimeout, httpx2.WriteTimeout, httpx2.DecodingError, httpx2.ProxyError]
)
def test_what_would_be_the_same_again_stands(kind: type[httpx2.RequestError]) -> None:
    assert Retries().pause(1, kind("no")) is None


def test_the_service_says_how_long_to_wait_at_least() -> None:
    found = pauses(Response(503, headers={"Retry-After": "7"}))
    assert min(found) >= 7
    assert max(found) <= 7.5

    date = formatdate(time.time() + 10, usegmt=True)
    found = pauses(Response(503, headers={"Retry-After": date}))
    assert min(found) >= 8
    assert max(found) <= 10.5


@pytest.mark.parametrize(
    "said",
    [
        "",
        "soon",
        "-3",
        "1.5",
        "٣",
        "Mon, 32 Foo 2026 9:9:9 GMT",
        "Tue, 01 Jan 2019 00:00:00 GMT",
    ],
)
def test_what_says_nothing_of_use_is_passed_over(said: str) -> None:
    response = Response(503, headers=[(b"Retry-After", said.encode())])

    assert max(pauses(response)) <= 0.5


@pytest.mark.parametrize("said", ["31", "9" * 400, "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_one_that_wants_to_be_left_alone_for_long_is(said: str) -> None:
    assert Retries().pause(1, Response(503, headers={"Retry-After": said})) is None
