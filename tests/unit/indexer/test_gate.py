"""The gate for memory: never more than it holds, and nobody waits for ever."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from indexer.gate import GateClosedError, MemoryGate


def test_the_gate_never_lets_more_through_than_it_holds() -> None:
    gate = MemoryGate(100)
    random = np.random.default_rng(3)
    lock = threading.Lock()
    held: list[int] = []
    highest: list[int] = []

    def work(amount: int) -> None:
        with gate.hold(amount):
            with lock:
                held.append(amount)
                highest.append(sum(held))
            os.sched_yield()
            with lock:
                held.remove(amount)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, random.integers(1, 70, 300).tolist()))

    assert len(highest) == 300
    assert max(highest) <= 100


def test_a_need_beyond_the_gate_is_met_alone() -> None:
    gate = MemoryGate(100)
    alone: list[bool] = []
    inside: list[int] = []

    def work(amount: int) -> None:
        with gate.hold(amount):
            inside.append(amount)
            if amount > 100:
                alone.append(inside == [amount])
            os.sched_yield()
            inside.remove(amount)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, [10, 500, 20, 1000, 100, 101] * 10))

    assert alone == [True] * 30


def test_the_gate_opens_again_after_an_error() -> None:
    gate = MemoryGate(10)

    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), gate.hold(10):
            raise ValueError("damaged")
    with gate.hold(10):
        pass


def test_a_large_need_is_not_overtaken_by_small_ones() -> None:
    gate = MemoryGate(100)
    order: list[int] = []

    def wait_for(amount: int) -> None:
        with gate.hold(amount):
            order.append(amount)

    held = gate.acquire(60)
    waiting = [threading.Thread(target=wait_for, args=(amount,)) for amount in (90, 20)]
    for number, thread in enumerate(waiting, 1):
        thread.start()
        while len(gate._waiting) < number:
            os.sched_yield()
    gate.release(held)
    for thread in waiting:
        thread.join()

    assert order == [90, 20]


def test_who_waits_before_a_closed_gate_is_told() -> None:
    gate = MemoryGate(10)
    told: list[bool] = []

    def wait() -> None:
        with pytest.raises(GateClosedError):
            gate.acquire(10)
        told.append(True)

    gate.acquire(10)
    waiting = threading.Thread(target=wait)
    waiting.start()
    while not gate._waiting:
        os.sched_yield()
    gate.close()
    waiting.join()

    assert told == [True]
