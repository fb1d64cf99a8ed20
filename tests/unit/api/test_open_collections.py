"""The service's open collections follow names that change."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from api.open_collections import OpenCollections
from blipsearch.library import Library
from blipsearch.vectors import IndexNeeds
from tests.unit.collection_makers import identity


def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not holds():
        time.sleep(0.05)
    return holds()


def test_names_that_were_changed_stand_for_the_other_collection(tmp_path: Path) -> None:
    with (
        Library.open(tmp_path, create=True) as library,
        OpenCollections(library, IndexNeeds(1 << 30, 0.99)) as collections,
    ):
        for name in ("photos", "photos-2", "other"):
            library.create_collection(name, identity()).close()
        first, second = collections.get("photos"), collections.get("photos-2")
        other = collections.get("other")
        with Library.open(tmp_path) as elsewhere:
            elsewhere.switch("photos", "photos-2")
        assert _until(lambda: collections.opened("photos") is second)
        assert _until(lambda: collections.get("photos-2") is first)
        with Library.open(tmp_path) as elsewhere:
            elsewhere.switch("photos", "other")
        assert _until(lambda: collections.get("photos") is other)
        assert _until(lambda: collections.get("other") is second)
