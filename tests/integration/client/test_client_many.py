"""Many searches at a time, as fast as they are wanted."""

from __future__ import annotations

from itertools import count, pairwise

import pytest

from blipsearch import Client
from blipsearch.errors import (
    QueryError,
)
from tests.blocking import KINDS
from tests.troubleserver import (
    FOUND,
    JSON,
    Reply,
    TroubleServer,
    refused,
    said,
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every event loop: what iterates is not the same in each."""
    return str(request.param)


def test_many_searches_are_begun_only_as_they_are_wanted(
    client: Client, server: TroubleServer
) -> None:
    server.will(said(FOUND))
    taken = count()
    found = client.search_many((f"boat {next(taken)}" for _ in range(1_000_000)), concurrency=4)
    for _ in range(3):
        next(found)
    found.close()  # type: ignore[attr-defined]

    assert next(taken) <= 3 + 4 + 1
    assert len(server.asked) <= 3 + 4 + 1


def test_many_searches_run_at_the_same_time_but_not_too_many(
    client: Client, server: TroubleServer
) -> None:
    server.will(Reply(200, said(FOUND).body, JSON, before=0.2))
    pages = list(client.search_many([f"boat {n}" for n in range(12)], concurrency=4))

    assert len(pages) == 12
    starts = sorted(asked.at for asked in server.asked)
    # Each takes 0.2 s: some begin while another is under way.
    assert min(later - earlier for earlier, later in pairwise(starts)) < 0.2
    assert all(starts[place + 4] - starts[place] > 0.15 for place in range(8))


def test_the_first_error_of_many_searches_ends_them(client: Client, server: TroubleServer) -> None:
    server.will(said(FOUND), refused(422, "invalid_query", "the second"), said(FOUND))
    found = client.search_many((f"boat {n}" for n in range(1000)), concurrency=1)

    next(found)
    with pytest.raises(QueryError, match="the second"):
        next(found)
    assert len(server.asked) == 2
    with pytest.raises(QueryError, match="concurrency"):
        list(client.search_many(["a boat"], concurrency=0))
