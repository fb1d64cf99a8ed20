"""What index runs did."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import select, update

from blipsearch.catalog.database import Database
from blipsearch.records import Run, RunCounts
from blipsearch.tables import RunRow

__all__ = ["Runs"]


class Runs:
    """The rows of `runs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, collection_id: int, checkpoint: str) -> int:
        """Record that a run starts now; returns its id."""
        with self._database.writing() as session:
            row = RunRow(
                collection_id=collection_id, checkpoint=checkpoint, started_at=datetime.now(UTC)
            )
            session.add(row)
            session.flush()
            return row.id

    def finish(self, collection_id: int, run_id: int, counts: RunCounts, seconds: float) -> None:
        """Record that a run ended now, and what it did."""
        with self._database.writing() as session:
            session.execute(
                update(RunRow)
                .where(RunRow.id == run_id, RunRow.collection_id == collection_id)
                .values(finished_at=datetime.now(UTC), seconds=seconds, **asdict(counts))
            )

    def newest(self, collection_id: int, limit: int = 100) -> list[Run]:
        """The newest runs, newest first."""
        statement = (
            select(RunRow)
            .where(RunRow.collection_id == collection_id)
            .order_by(RunRow.id.desc())
            .limit(limit)
        )
        with self._database.reading() as session:
            return [_run(row) for row in session.scalars(statement)]


def _run(row: RunRow) -> Run:
    return Run(
        id=row.id,
        checkpoint=row.checkpoint,
        started_at=row.started_at,
        finished_at=row.finished_at,
        seconds=row.seconds,
        counts=RunCounts(
            added=row.added,
            changed=row.changed,
            unchanged=row.unchanged,
            moved=row.moved,
            missing=row.missing,
            failed=row.failed,
        ),
    )
