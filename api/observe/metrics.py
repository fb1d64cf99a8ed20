"""What the service counts and measures, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

import blipsearch
from api.observe.readings import Readings, gauge
from blipsearch.blip.device import allocated_bytes
from blipsearch.schemas import CollectionSummary

__all__ = ["CacheOutcome", "Metrics"]

CacheOutcome = Literal["hit", "miss", "shared"]
"""An answer was remembered, computed, or awaited beside the same question already in flight."""

Amounts = Callable[[], Mapping[str, float]]
"""Reads amounts by what they are of."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are counted as `other`: a client may send any word."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
STAGE_SECONDS = (0.0005, 0.001, 0.0025, *SECONDS[:-1])
WAIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The counts of one application, in a registry of its own; safe to use from any thread.

    What happens is told by the methods named after it. What merely is (sizes, depths) is read
    when /metrics is asked, by the functions given to the `watch_...` methods; one that raises an
    error of blipsearch is left out of that answer.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        Info("blipsearch", "The program that runs.", registry=registry).info(
            {"version": blipsearch.__version__}
        )
        self._readings = Readings()
        registry.register(self._readings)
        self._requests, self._latencies, self._in_progress = _request_series(registry)
        self._batch_sizes, self._batch_waits = _batch_series(registry)
        self._stages = Histogram(
            "blipsearch_search_stage_seconds",
            "Time of each stage of a search that was computed.",
            ("stage",),
            buckets=STAGE_SECONDS,
            registry=registry,
        )
        self._cache = Counter(
            "blipsearch_cache",
            "Questions to the cache of answers.",
            ("outcome",),
            registry=registry,
        )
        self._refusals = Counter(
            "blipsearch_refusals", "Requests refused with 503.", ("reason",), registry=registry
        )
        self._watch("device_memory_bytes", "Memory of tensors.", "device", allocated_bytes)

    def request_began(self) -> None:
        """Count a request as in progress; `request_done` ends it."""
        self._in_progress.inc()

    def request_done(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is the route's template, never a path."""
        self._in_progress.dec()
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._latencies.labels(route).observe(seconds)

    def stages(self, timings: Mapping[str, float]) -> None:
        """Add the stages of a search that was computed, in milliseconds by name."""
        for stage, milliseconds in timings.items():
            self._stages.labels(stage).observe(milliseconds / 1000)

    def batch(self, kind: str, size: int, waited: float) -> None:
        """Add a batch of `size` calls, the first of which waited that many seconds for it."""
        self._batch_sizes.labels(kind).observe(size)
        self._batch_waits.labels(kind).observe(waited)

    def cache(self, outcome: CacheOutcome) -> None:
        """Count a question to the cache of answers."""
        self._cache.labels(outcome).inc()

    def refused(self, reason: str) -> None:
        """Count a refusal with 503: `queue`, `time`, `stopping`, or the code of the error."""
        self._refusals.labels(reason).inc()

    def watch_queue(self, waiting: Amounts, working: Amounts) -> None:
        """Show how much waits in each queue, and how much has left it and is worked on."""
        self._watch("queue_depth", "What waits for its turn.", "queue", waiting)
        self._watch("queue_working", "What has its turn.", "queue", working)

    def watch_checkpoints(self, loaded: Amounts) -> None:
        """Show how many checkpoints are in memory, by task: retrieval, caption, answer."""
        self._watch("checkpoints_loaded", "Checkpoints in memory.", "task", loaded)

    def watch_collections(self, summaries: Callable[[], Iterable[CollectionSummary]]) -> None:
        """Show how many images each collection has, and the bytes of their states on disk."""

        def read() -> Iterable[Metric]:
            found = tuple(summaries())
            return (
                gauge(
                    "blipsearch_collection_images",
                    "Indexed images.",
                    "collection",
                    {each.name: each.images for each in found},
                ),
                gauge(
                    "blipsearch_states_bytes",
                    "Image states on disk.",
                    "collection",
                    {each.name: each.states.bytes for each in found},
                ),
            )

        self._readings.add(read)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """Return all of it in the form that an Accept header prefers, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _watch(self, name: str, meaning: str, label: str, read: Amounts) -> None:
        self._readings.add(partial(_read, name, meaning, label, read))


def _read(name: str, meaning: str, label: str, read: Amounts) -> tuple[Metric]:
    return (gauge(f"blipsearch_{name}", meaning, label, read()),)


def _request_series(registry: CollectorRegistry) -> tuple[Counter, Histogram, Gauge]:
    return (
        Counter(
            "blipsearch_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        ),
        Histogram(
            "blipsearch_request_seconds",
            "Time from a request's headers to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        ),
        Gauge(
            "blipsearch_requests_in_progress",
            "Requests that are being answered.",
            registry=registry,
        ),
    )


def _batch_series(registry: CollectorRegistry) -> tuple[Histogram, Histogram]:
    return (
        Histogram(
            "blipsearch_batch_size",
            "Calls in a batch.",
            ("kind",),
            buckets=SIZES,
            registry=registry,
        ),
        Histogram(
            "blipsearch_batch_wait_seconds",
            "How long the first call of a batch waited for it.",
            ("kind",),
            buckets=WAIT_SECONDS,
            registry=registry,
        ),
    )
