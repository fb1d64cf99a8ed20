"""Calls of many threads become batches: together, in order, in time, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.batching import Batcher, CancelledError, Lane, Ticket
from blipsearch.errors import OverloadedError, QueryError


class Doubler:
    """A lane that doubles numbers, remembers its batches, and can be made to wait."""

    def __init__(self, most: int = 8) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()
        self.began = threading.Event()
        self.lane = Lane("double", self._run, most)

    def _run(self, numbers: Sequence[int]) -> list[int]:
        self.began.set()
        self.go.wait(10)
        self.batches.append(list(numbers))
        if -1 in numbers:
            raise QueryError("-1 cannot be doubled")
        return [2 * number for number in numbers]


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    with Batcher(1) as batcher:
        yield batcher


def held(batcher: Batcher, doubler: Doubler) -> None:
    """Let one call occupy the only thread until `doubler.go` is set."""
    doubler.go.clear()
    batcher.submit(doubler.lane, 0, Ticket(10))
    assert doubler.began.wait(10)


def test_calls_that_wait_at_the_same_time_are_computed_together(batcher: Batcher) -> None:
    doubler = Doubler()
    held(batcher, doubler)
    futures = [batcher.submit(doubler.lane, number, Ticket(10)) for number in (1, 2, 3)]
    doubler.go.set()

    assert [future.result(10) for future in futures] == [2, 4, 6]
    assert doubler.batches == [[0], [1, 2, 3]]


def test_a_batch_holds_no_more_than_its_lane_says_and_a_larger_call_goes_alone(
    batcher: Batcher,
) -> None:
    doubler = Doubler(most=4)
    held(batcher, doubler)
    sizes = (3, 2, 1, 9, 1)
    futures = [batcher.submit(doubler.lane, size, Ticket(10), size) for size in sizes]
    doubler.go.set()

    assert [future.result(10) for future in futures] == [2 * size for size in sizes]
    assert doubler.batches[1:] == [[3, 1], [2, 1], [9]]


def test_the_call_that_waited_longest_comes_first_whatever_its_lane(batcher: Batcher) -> None:
    first, second = Doubler(), Doubler()
    held(batcher, first)
    order: list[str] = []
    for name, doubler in (("a", second), ("b", first), ("c", second)):
        future = batcher.submit(doubler.lane, 1, Ticket(10))
        future.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
    last = batcher.submit(first.lane, 1, Ticket(10))
    first.go.set()

    last.result(10)
    assert order[:2] == ["a", "c"]


def test_without_gathering_each_call_is_a_batch() -> None:
    with Batcher(1, gathering=False) as batcher:
        doubler = Doubler()
        held(batcher, doubler)
        futures = [batcher.submit(doubler.lane, number, Ticket(10)) for number in (1, 2)]
        doubler.go.set()
        assert [future.result(10) for future in futures] == [2, 4]
    assert doubler.batches == [[0], [1], [2]]


def test_one_bad_call_fails_alone(batcher: Batcher) -> None:
    doubler = Doubler()
    held(batcher, doubler)
    good, bad, other = (batcher.submit(doubler.lane, n, Ticket(10)) for n in (1, -1, 3))
    doubler.go.set()

    assert (good.result(10), other.result(10)) == (2, 6)
    with pytest.raises(QueryError, match="-1"):
        bad.result(10)


def test_what_was_cancelled_or_is_too_late_is_dropped_before_it_is_computed(
    batcher: Batcher,
) -> None:
    doubler = Doubler()
    held(batcher, doubler)
    left, late = Ticket(10), Ticket(0.01)
    futures = [batcher.submit(doubler.lane, 1, ticket) for ticket in (left, late)]
    wanted = batcher.submit(doubler.lane, 2, Ticket(10))
    left.cancel()
    time.sleep(0.02)
    doubler.go.set()

    assert wanted.result(10) == 4
    with pytest.raises(CancelledError):
        futures[0].result(10)
    with pytest.raises(OverloadedError) as refused:
        futures[1].result(10)
    assert refused.value.reason == "time"
    assert doubler.batches == [[0], [2]]


def test_who_waits_is_told_when_the_time_is_up_though_the_thread_is_busy(
    batcher: Batcher,
) -> None:
    doubler = Doubler()
    held(batcher, doubler)

    with pytest.raises(OverloadedError, match=r"0\.05 seconds"):
        batcher.call(doubler.lane, 1, Ticket(0.05))
    doubler.go.set()


def test_a_thread_waits_for_requests_that_are_on_their_way_to_join_the_batch() -> None:
    with Batcher(1, wait=60) as batcher, ThreadPoolExecutor(4) as threads:
        doubler = Doubler()
        for _ in range(4):
            batcher.begin()

        def ask(number: int) -> int:
            time.sleep(number * 0.01)
            doubled: int = batcher.call(doubler.lane, number, Ticket(120))
            batcher.end()
            return doubled

        began = time.monotonic()
        assert list(threads.map(ask, range(4))) == [0, 2, 4, 6]
        assert time.monotonic() - began < 30  # nobody else could come: no use to wait on
    assert [sorted(batch) for batch in doubler.batches] == [[0, 1, 2, 3]]


def test_closing_finishes_the_batch_at_hand_and_refuses_the_rest() -> None:
    batcher = Batcher(1)
    doubler = Doubler()
    held(batcher, doubler)
    waiting = batcher.submit(doubler.lane, 1, Ticket(10))
    closing = threading.Thread(target=batcher.close)
    closing.start()
    with pytest.raises(OverloadedError) as refused:
        waiting.result(10)
    doubler.go.set()
    closing.join(10)

    assert refused.value.reason == "stopping"
    assert doubler.batches == [[0]]
    with pytest.raises(OverloadedError):
        batcher.submit(doubler.lane, 2, Ticket(10))


def test_batches_are_told_with_their_kind_size_and_wait() -> None:
    told: list[tuple[str, int]] = []

    def watch(kind: str, size: int, waited: float) -> None:
        assert waited >= 0
        told.append((kind, size))

    with Batcher(1, watch=watch) as batcher:
        assert batcher.call(Doubler().lane, 4, Ticket(10)) == 8
    assert told == [("double", 1)]
