"""The batch size: found by trial where that pays, halved where memory says so."""

from pathlib import Path

import pytest

from blipsearch.blip import BlipRetriever
from indexer.batchsize import BatchSize
from indexer.embedding import batch_size_for
from indexer.shares import LEAST_MEMORY, share_out


@pytest.fixture(scope="module")
def retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(str(golden / "itm"))


def embed(size: BatchSize, seconds_each: dict[int, float], batches: int = 40) -> list[int]:
    """Embed batches that take so long an image, by their size; returns the sizes."""
    sizes = []
    for _ in range(batches):
        sizes.append(size.size)
        size.took(size.size, size.size * seconds_each[size.size])
    return sizes


def test_it_doubles_while_that_is_quicker_and_goes_back_where_it_is_not() -> None:
    size = BatchSize(8, 1024, trial=True)

    sizes = embed(size, {8: 0.010, 16: 0.006, 32: 0.004, 64: 0.0039, 128: 0.0039})

    assert sorted(set(sizes)) == [8, 16, 32, 64]
    assert size.size == 32


def test_it_stays_within_what_memory_allows() -> None:
    size = BatchSize(8, 40, trial=True)

    embed(size, {8: 1.0, 16: 0.5, 32: 0.25})

    assert size.size == 32


def test_the_first_batch_of_a_size_and_partial_ones_say_nothing() -> None:
    size = BatchSize(8, 16, trial=True)

    size.took(8, 100.0)
    size.took(3, 0.0)
    for _ in range(3):
        size.took(8, 1.0)
    size.took(16, 50.0)
    for _ in range(3):
        size.took(16, 1.0)

    assert size.size == 16


def test_without_a_trial_it_stays_what_it_is() -> None:
    size = BatchSize(8, 1024, trial=False)

    assert set(embed(size, {8: 1.0})) == {8}


def test_too_many_are_halved_for_good() -> None:
    size = BatchSize(64, 1024, trial=True)

    size.too_many(64)
    assert size.size == 32
    embed(size, {32: 0.1, 64: 0.01})
    assert size.size == 32
    size.too_many(32)
    assert size.size == 16


def test_one_is_the_least() -> None:
    assert BatchSize(8, 0, trial=True).size == 1


def test_a_wanted_size_is_taken_as_it_is(retriever: BlipRetriever) -> None:
    assert batch_size_for(retriever, 100, 1, "float16").size == 100


def test_on_a_cpu_it_is_eight_where_memory_allows(retriever: BlipRetriever) -> None:
    assert batch_size_for(retriever, None, 1 << 30, "float16").size == 8
    assert batch_size_for(retriever, None, 1000, "float16").size == 1


@pytest.mark.parametrize("memory", [LEAST_MEMORY, 1 << 30, 64 << 30])
@pytest.mark.parametrize("threads", [0, 1, 64])
def test_the_shares_are_no_more_than_the_whole(memory: int, threads: int) -> None:
    shares = share_out(memory, threads)

    together = shares.decoding + shares.fetching + shares.waiting + shares.batch + shares.writing
    assert 0 < together <= memory * 14 // 16
    assert 1 <= shares.processes <= 64


def test_less_than_the_least_memory_is_the_least() -> None:
    assert share_out(1, 2) == share_out(LEAST_MEMORY, 2)
