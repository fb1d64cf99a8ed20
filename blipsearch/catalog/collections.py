"""Collections and their sources in the catalog, and the change numbers they give out."""

from __future__ import annotations

import os.path
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import cast, get_args

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from blipsearch.catalog.changes import not_found, removed
from blipsearch.catalog.database import Database
from blipsearch.errors import CollectionExistsError, SettingsError, SourceError
from blipsearch.records import (
    DEFAULT_STATES_BUDGET,
    DEFAULT_STATES_KIND,
    CheckpointIdentity,
    CollectionInfo,
    Source,
    StatesKind,
)
from blipsearch.tables import CollectionRow, ImageRow, SourceRow

__all__ = ["Collections", "sources_of"]

_MOST_BYTES = 2**63 - 1
"""The largest number of a BIGINT column."""


class Collections:
    """The rows of `collections` and `sources`."""

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

    def remove(self, collection_id: int) -> None:
        """Remove a collection with all its rows; its id is never given out again."""
        with self._database.writing() as session:
            session.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))

    def sources(self, collection_id: int) -> list[Source]:
        """The collection's sources, oldest first."""
        with self._database.reading() as session:
            return list(sources_of(session, collection_id).values())

    def add_source(self, collection_id: int, root: str, name: str | None = None) -> Source:
        """Add a root; a root that is already there gives the source it has.

        Without a name the source is called after its folder, with a number where that is taken.
        Raises SourceError for a relative root or a name another root has.
        """
        if not Path(root).is_absolute():
            raise SourceError(f"the root of a source must be an absolute path, not {root!r}")
        root = os.path.normpath(root)
        with self._database.writing() as session:
            sources = sources_of(session, collection_id).values()
            for source in sources:
                if source.root == root:
                    return source
            taken = {source.name: source.root for source in sources}
            if name in taken:
                raise SourceError(
                    f"the name {name!r} belongs to the source {taken[name]}; choose another name"
                )
            row = SourceRow(
                collection_id=collection_id, root=root, name=name or _free_name(root, taken)
            )
            session.add(row)
            session.flush()
            return Source(id=row.id, name=row.name, root=row.root)


def sources_of(session: Session, collection_id: int) -> dict[int, Source]:
    """The collection's sources by their id, oldest first."""
    rows = session.scalars(
        select(SourceRow).where(SourceRow.collection_id == collection_id).order_by(SourceRow.id)
    )
    return {row.id: Source(id=row.id, name=row.name, root=row.root) for row in rows}


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


def _free_name(root: str, taken: Iterable[str]) -> str:
    base = PurePath(root).name or "root"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name
