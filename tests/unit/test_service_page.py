"""The tables of docs/service.md have every setting and every metric that there is."""

from __future__ import annotations

import re
from pathlib import Path

from api.description.errors import MEANINGS
from api.errors import STATUSES
from api.observe import Metrics
from api.settings import ServiceSettings

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """The names in the first column of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_setting_of_the_service_is_in_its_table() -> None:
    names = first_cells("Options")[1:]  # the heading is the prefix

    assert sorted(names) == sorted(field.upper() for field in ServiceSettings.model_fields)


def test_every_metric_is_in_its_table() -> None:
    metrics = Metrics()
    metrics.watch_queue(dict, dict)
    metrics.watch_checkpoints(dict)
    metrics.watch_collections(tuple)
    text = metrics.text()[0].decode()
    kinds = re.findall(r"^# TYPE (blipsearch_\w+) (\w+)$", text, re.MULTILINE)

    own = [name for name, _ in kinds if not name.endswith("_created")]
    named = [name for name in first_cells("Metrics") if name.startswith("blipsearch_")]
    assert sorted(named) == sorted(own)


def test_every_status_of_an_error_has_its_meaning_in_the_description() -> None:
    assert {status for _, status in STATUSES} <= MEANINGS.keys()
