"""The counts of the service, by themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.observe import Metrics
from blipsearch.errors import LibraryBusyError
from blipsearch.schemas import CollectionSummary, StatesSummary


def shown(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one name, by the values of their labels."""
    families = text_string_to_metric_families(metrics.text()[0].decode())
    found = (sample for family in families for sample in family.samples if sample.name == name)
    return {tuple(sample.labels.values()): sample.value for sample in found}


def summary(name: str, images: int) -> CollectionSummary:
    return CollectionSummary(
        name=name,
        images=images,
        failed=0,
        missing=0,
        checkpoint="builtin",
        fingerprint="0" * 64,
        dim=16,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        states=StatesSummary(kind="float16", images=images, bytes=100 * images, budget=10**6),
    )


def test_stages_are_told_in_milliseconds_and_kept_in_seconds() -> None:
    metrics = Metrics()
    metrics.stages({"embed": 2.0, "match": 14.0})
    metrics.stages({"match": 6.0})

    assert shown(metrics, "blipsearch_search_stage_seconds_count") == {("embed",): 1, ("match",): 2}
    sums = shown(metrics, "blipsearch_search_stage_seconds_sum")
    assert sums == pytest.approx({("embed",): 0.002, ("match",): 0.02})


def test_batches_are_kept_by_kind_with_their_size_and_wait() -> None:
    metrics = Metrics()
    metrics.batch("match", 16, 0.002)
    metrics.batch("match", 1, 0.0)
    metrics.batch("embed", 3, 0.001)

    assert shown(metrics, "blipsearch_batch_size_sum") == {("match",): 17, ("embed",): 3}
    buckets = shown(metrics, "blipsearch_batch_size_bucket")
    assert (buckets["match", "1.0"], buckets["match", "16.0"]) == (1, 2)
    assert shown(metrics, "blipsearch_batch_wait_seconds_count") == {("match",): 2, ("embed",): 1}


def test_the_cache_and_refusals_are_counted_by_what_came_of_them() -> None:
    metrics = Metrics()
    for outcome in ("hit", "miss", "hit", "shared"):
        metrics.cache(outcome)
    metrics.refused("queue")

    assert shown(metrics, "blipsearch_cache_total") == {("hit",): 2, ("miss",): 1, ("shared",): 1}
    assert shown(metrics, "blipsearch_refusals_total") == {("queue",): 1}


def test_requests_in_progress_go_up_and_down() -> None:
    metrics = Metrics()
    metrics.request_began()
    metrics.request_began()
    metrics.request_done("GET", "/healthz", 200, 0.001)

    assert shown(metrics, "blipsearch_requests_in_progress") == {(): 1}


def test_what_is_watched_is_read_when_it_is_asked_for() -> None:
    metrics = Metrics()
    waiting: list[str] = []
    collections = [summary("photos", 3)]
    metrics.watch_queue(lambda: {"requests": len(waiting)}, lambda: {"requests": 2})
    metrics.watch_checkpoints(lambda: {"retrieval": 1, "caption": 0})
    metrics.watch_collections(lambda: collections)

    waiting.append("a request")
    collections.append(summary("maps", 5))

    assert shown(metrics, "blipsearch_queue_depth") == {("requests",): 1}
    assert shown(metrics, "blipsearch_queue_working") == {("requests",): 2}
    loaded = shown(metrics, "blipsearch_checkpoints_loaded")
    assert loaded == {("retrieval",): 1, ("caption",): 0}
    images = shown(metrics, "blipsearch_collection_images")
    assert images == {("photos",): 3, ("maps",): 5}
    assert shown(metrics, "blipsearch_states_bytes")["maps",] == 500


def test_what_cannot_be_read_is_left_out_and_the_rest_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()

    def busy() -> Iterator[CollectionSummary]:
        yield summary("photos", 3)
        raise LibraryBusyError("another process writes")

    metrics.watch_collections(busy)
    metrics.cache("hit")

    assert shown(metrics, "blipsearch_collection_images") == {}
    assert shown(metrics, "blipsearch_cache_total") == {("hit",): 1}
    assert "another process writes" in caplog.text


def test_nothing_is_lost_between_threads() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(500):
            metrics.cache("miss")
            metrics.batch("embed", 2, 0.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert shown(metrics, "blipsearch_cache_total") == {("miss",): 2000}
    assert shown(metrics, "blipsearch_batch_size_sum") == {("embed",): 4000}
