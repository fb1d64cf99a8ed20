"""Gauges that are read when /metrics is asked, and not before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from blipsearch.errors import BlipSearchError

__all__ = ["Reader", "Readings", "gauge"]

logger = logging.getLogger("blipsearch.service")

Reader = Callable[[], Iterable[Metric]]
"""Reads one or several gauges."""


def gauge(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """Make a gauge with one value for each value of its label."""
    family = GaugeMetricFamily(name, meaning, labels=(label,))
    for value, amount in values.items():
        family.add_metric((value,), amount)
    return family


class Readings(Collector):
    """Collects from its readers; what one cannot read now is left out, and the log says so."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []

    def add(self, reader: Reader) -> None:
        """Ask this reader, too, from now on."""
        self._readers.append(reader)

    def collect(self) -> Iterator[Metric]:
        """Read everything as it is now."""
        for reader in tuple(self._readers):
            try:
                yield from tuple(reader())
            except BlipSearchError as error:
                logger.warning("some metrics cannot be read: %s", error)
