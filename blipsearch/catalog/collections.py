"""Collections in the catalog, and the change numbers they give out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast, get_args

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from blipsearch.catalog.changes import not_found, removed
from blipsearch.catalog.database import Database
from blipsearch.errors import CollectionExistsError, SettingsError
from blipsearch.records import (
    DEFAULT_STATES_BUDGET,
    DEFAULT_STATES_KIND,
    CheckpointIdentity,
    CollectionInfo,
    StatesKind,
)
from blipsearch.tables import CollectionRow, ImageRow

__all__ = ["Collections"]

_MOST_BYTES = 2**63 - 1
"""The largest number of a BIGINT column."""


class Collections:
    """The rows of `collections`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, identity: CheckpointIdentity) -> CollectionInfo:
        """Add a collection. Raises CollectionExistsError where the name is taken."""
        with self._database.writing() as session:
            if session.scalar(select(CollectionRow.id).where(CollectionRow.name == name)):
                raise CollectionExistsError(
                    f"there is already a collection {name!r}; choose another name or add to it "
                    f"with `blipsearch index SOURCE --collection {name}`"
                )
            row = CollectionRow(
                name=name,
                checkpoint=identity.name,
                revision=identity.revision,
                fingerprint=identity.fingerprint,
                dim=identity.dim,
                preprocessing=dict(identity.preprocessing),
                created_at=datetime.now(UTC),
                change=0,
                states_kind=DEFAULT_STATES_KIND,
                states_budget=DEFAULT_STATES_BUDGET,
            )
            session.add(row)
            session.flush()
            return _info(row, {})

    def all(self) -> list[CollectionInfo]:
        """All collections, by name."""
        with self._database.reading() as session:
            rows = session.scalars(select(CollectionRow).order_by(CollectionRow.name)).all()
            return [_info(row, _counts(session, row.id)) for row in rows]

    def find(self, name: str) -> CollectionInfo:
        """The collection of that name. Raises CollectionNotFoundError, listing those there are."""
        with self._database.reading() as session:
            row = session.scalar(select(CollectionRow).where(CollectionRow.name == name))
            if row is None:
                raise not_found(session, repr(name), make=name)
            return _info(row, _counts(session, row.id))

    def info(self, collection_id: int) -> CollectionInfo:
        """The collection with that id, counted now. Raises CollectionNotFoundError."""
        with self._database.reading() as session:
            row = session.get(CollectionRow, collection_id)
            if row is None:
                raise removed(session, collection_id)
            return _info(row, _counts(session, collection_id))

    def name(self, collection_id: int) -> str:
        """What a collection is called now. Raises CollectionNotFoundError."""
        named = select(CollectionRow.name).where(CollectionRow.id == collection_id)
        with self._database.reading() as session:
            name = session.scalar(named)
            if name is None:
                raise removed(session, collection_id)
            return name

    def states(self, collection_id: int) -> tuple[StatesKind, int]:
        """How image states are kept and the bytes they may take. Raises CollectionNotFoundError."""
        columns = select(CollectionRow.states_kind, CollectionRow.states_budget)
        with self._database.reading() as session:
            row = session.execute(columns.where(CollectionRow.id == collection_id)).one_or_none()
            if row is None:
                raise removed(session, collection_id)
            return cast("StatesKind", row.states_kind), row.states_budget

    def set_states(
        self, collection_id: int, kind: StatesKind | None, budget: int | None
    ) -> CollectionInfo:
        """Set how image states are kept and the bytes they may take; None leaves one as it is.

        Raises CollectionNotFoundError, and SettingsError for values that cannot be.
        """
        _check_states(kind, budget)
        with self._database.writing() as session:
            row = session.get(CollectionRow, collection_id)
            if row is None:
                raise removed(session, collection_id)
            if kind is not None:
                row.states_kind = kind
            if budget is not None:
                row.states_budget = budget
            return _info(row, _counts(session, collection_id))

    def switch(self, old: str, new: str) -> None:
        """Let two collections change names, in one transaction.

        Raises CollectionNotFoundError, and SettingsError where the two names are one.
        """
        if old == new:
            raise SettingsError(f"{old!r} cannot change names with itself; name two collections")
        with self._database.writing() as session:
            rows = []
            for name in (old, new):
                row = session.scalar(select(CollectionRow).where(CollectionRow.name == name))
                if row is None:
                    raise not_found(session, repr(name), make=name)
                rows.append(row)
            first, second = rows
            first.name = ""  # no collection's name; names are unique in between, too
            session.flush()
            second.name = old
            session.flush()
            first.name = new

    def remove(self, collection_id: int) -> None:
        """Remove a collection with all its rows; its id is never given out again."""
        with self._database.writing() as session:
            session.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))


def _counts(session: Session, collection_id: int) -> dict[str, int]:
    statement = (
        select(ImageRow.status, func.count())
        .where(ImageRow.collection_id == collection_id)
        .group_by(ImageRow.status)
    )
    return dict(session.execute(statement).all())


def _info(row: CollectionRow, counts: dict[str, int]) -> CollectionInfo:
    return CollectionInfo(
        id=row.id,
        name=row.name,
        checkpoint=CheckpointIdentity(
            name=row.checkpoint,
            revision=row.revision,
            fingerprint=row.fingerprint,
            dim=row.dim,
            preprocessing=row.preprocessing,
        ),
        created_at=row.created_at,
        change=row.change,
        indexed=counts.get("indexed", 0),
        failed=counts.get("failed", 0),
        missing=counts.get("missing", 0),
        states_kind=cast("StatesKind", row.states_kind),
        states_budget=row.states_budget,
    )


def _check_states(kind: StatesKind | None, budget: int | None) -> None:
    kinds = get_args(StatesKind)
    if kind is not None and kind not in kinds:
        raise SettingsError(
            f"image states cannot be kept as {kind!r}: choose one of {', '.join(kinds)}"
        )
    if budget is not None and not 0 <= budget <= _MOST_BYTES:
        raise SettingsError(
            f"image states cannot be kept in {budget} bytes: choose a budget of 0 to {_MOST_BYTES}"
        )
