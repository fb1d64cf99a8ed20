"""Catalog: what is true about a library, in one SQLite file; the only opener of sessions.

A method is one transaction. Errors of the database leave here as LibraryError and its kin.
What is SQLite's own lives in `catalog/sqlite.py`, what the tables look like in `tables.py`.
"""

from __future__ import annotations

from pathlib import Path

from blipsearch.catalog.annotations import Annotations
from blipsearch.catalog.arrivals import Arrivals
from blipsearch.catalog.changes import Changes, Follower
from blipsearch.catalog.checking import Checks
from blipsearch.catalog.collections import Collections
from blipsearch.catalog.database import Database
from blipsearch.catalog.duplicates import Duplicates
from blipsearch.catalog.entries import Entries
from blipsearch.catalog.filtering import Filtering
from blipsearch.catalog.fulltext import FullText
from blipsearch.catalog.given import GivenRecords
from blipsearch.catalog.images import Images
from blipsearch.catalog.keys import Keys
from blipsearch.catalog.mending import Mending
from blipsearch.catalog.runs import Runs
from blipsearch.catalog.snapshots import SnapshotTokens
from blipsearch.catalog.sources import Sources
from blipsearch.catalog.sqlite import BUSY_SECONDS
from blipsearch.catalog.takeover import Takeover
from blipsearch.catalog.transfer import Transfer

__all__ = ["Catalog", "Changes"]


class Catalog:
    """One open catalog, in parts by what they are about; safe to share between threads."""

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._database = Database(path, busy_seconds=busy_seconds)
        self.path = path
        self.collections = Collections(self._database)
        self.sources = Sources(self._database)
        self.follower = Follower(self._database)
        self.images = Images(self._database)
        self.entries = Entries(self._database)
        self.annotations = Annotations(self._database)
        self.given = GivenRecords(self._database)
        self.duplicates = Duplicates(self._database)
        self.filtering = Filtering(self._database)
        self.full_text = FullText(self._database)
        self.runs = Runs(self._database)
        self.snapshots = SnapshotTokens(self._database)
        self.keys = Keys(self._database)
        self.checks = Checks(self._database)
        self.mending = Mending(self._database)
        self.takeover = Takeover(self._database)
        self.transfer = Transfer(self._database)
        self.arrivals = Arrivals(self._database)

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._database.close()
