"""Which vector snapshots were taken of this very catalog."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from sqlalchemy import delete, select

from blipsearch.catalog.database import Database
from blipsearch.tables import SnapshotRow

__all__ = ["SnapshotTokens"]

_KEPT = 16


class SnapshotTokens:
    """The rows of `snapshots`.

    A change number alone does not name a state: a catalog that was put back from a copy and
    written to again reaches the same numbers with other images. A random token does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def new(self, collection_id: int, change: int) -> str:
        """Record a snapshot that reaches this change; returns its token. Keeps the newest few."""
        token = secrets.token_hex(16)
        own = SnapshotRow.collection_id == collection_id
        with self._database.writing() as session:
            kept = session.scalars(
                select(SnapshotRow.token).where(own).order_by(SnapshotRow.created_at.desc())
            ).all()[: _KEPT - 1]
            session.execute(delete(SnapshotRow).where(own, SnapshotRow.token.not_in(kept)))
            session.add(
                SnapshotRow(
                    token=token,
                    collection_id=collection_id,
                    change=change,
                    created_at=datetime.now(UTC),
                )
            )
        return token

    def knows(self, collection_id: int, token: str) -> bool:
        """Whether a snapshot was taken of this catalog."""
        statement = select(SnapshotRow.token).where(
            SnapshotRow.collection_id == collection_id, SnapshotRow.token == token
        )
        with self._database.reading() as session:
            return session.scalar(statement) is not None
