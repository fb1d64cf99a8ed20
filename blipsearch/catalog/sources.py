"""Sources in the catalog: the named roots of a collection, and what their rows say of them."""

from __future__ import annotations

import os.path
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blipsearch.catalog.changes import removed
from blipsearch.catalog.database import DIRECTORY, Database
from blipsearch.errors import SourceError
from blipsearch.places import SourceKind, is_url
from blipsearch.records import ImageStatus, Source
from blipsearch.tables import CollectionRow, ImageRow, SourceRow

__all__ = ["Sources", "checked_root", "sources_of"]


class Sources:
    """The rows of `sources`. Roots go in and come out absolute, or as URLs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, collection_id: int) -> list[Source]:
        """The collection's sources, oldest first."""
        with self._database.reading() as session:
            return list(sources_of(session, collection_id).values())

    def counts(self, collection_id: int) -> dict[int, dict[ImageStatus, int]]:
        """How many images of each source are in each status, by the source's id."""
        statement = (
            select(ImageRow.source_id, ImageRow.status, func.count())
            .where(ImageRow.collection_id == collection_id)
            .group_by(ImageRow.source_id, ImageRow.status)
        )
        counts: dict[int, dict[ImageStatus, int]] = {}
        with self._database.reading() as session:
            for source_id, status, count in session.execute(statement):
                counts.setdefault(source_id, {})[cast("ImageStatus", status)] = count
        return counts

    def add(
        self, collection_id: int, root: str, name: str | None = None, kind: SourceKind = "folder"
    ) -> Source:
        """Add a root; a root that is already there gives the source it has.

        Without a name the source is called after its root, with a number where that is taken. A
        root that is of another kind now is so from now on. Raises SourceError for a relative root
        or a name another root has.
        """
        root = checked_root(root)
        with self._database.writing() as session:
            if session.get(CollectionRow, collection_id) is None:
                raise removed(session, collection_id)
            sources = sources_of(session, collection_id).values()
            for source in sources:
                if source.root == root and source.kind == kind:
                    return source
                if source.root == root:
                    row = _own(session, collection_id, source.id)
                    row.kind = kind
                    return _source(session, row)
            taken = {source.name: source.root for source in sources}
            if name in taken:
                raise _name_taken(name, taken[name])
            row = SourceRow(
                collection_id=collection_id,
                root=_stored_root(session, root),
                name=name or _free_name(root, taken),
                kind=kind,
            )
            session.add(row)
            session.flush()
            return _source(session, row)

    def rename(self, collection_id: int, source_id: int, name: str) -> Source:
        """Give a source another name. Raises SourceError for one that another source has."""
        with self._database.writing() as session:
            row = _own(session, collection_id, source_id)
            for source in sources_of(session, collection_id).values():
                if source.name == name and source.id != source_id:
                    raise _name_taken(name, source.root)
            row.name = name
            session.flush()
            return _source(session, row)

    def move(self, collection_id: int, source_id: int, root: str) -> Source:
        """Say that a source's files are elsewhere now, with the paths they had.

        Raises SourceError for a relative root and for one that another source has.
        """
        root = checked_root(root)
        with self._database.writing() as session:
            row = _own(session, collection_id, source_id)
            for source in sources_of(session, collection_id).values():
                if source.root == root and source.id != source_id:
                    raise SourceError(
                        f"{root} is the root of the source {source.name!r} already; "
                        "name another folder"
                    )
            row.root = _stored_root(session, root)
            session.flush()
            return _source(session, row)

    def remove(self, collection_id: int, source_id: int) -> None:
        """Forget a source without images. Raises SourceError for one that still has some."""
        with self._database.writing() as session:
            row = _own(session, collection_id, source_id)
            if session.scalar(select(ImageRow.id).where(ImageRow.source_id == source_id).limit(1)):
                raise SourceError(
                    f"the source {row.name!r} still has images; remove them with "
                    f"`blipsearch remove --source {row.name}`"
                )
            session.delete(row)


def sources_of(session: Session, collection_id: int) -> dict[int, Source]:
    """The collection's sources by their id, oldest first."""
    rows = session.scalars(
        select(SourceRow).where(SourceRow.collection_id == collection_id).order_by(SourceRow.id)
    )
    return {row.id: _source(session, row) for row in rows}


def _source(session: Session, row: SourceRow) -> Source:
    root = row.root
    if not is_url(root):
        # Joined to an absolute path, the directory goes: older libraries have none but those.
        root = os.path.normpath(os.path.join(session.info[DIRECTORY], root))  # noqa: PTH118  # plain strings by contract
    return Source(id=row.id, name=row.name, root=root, kind=cast("SourceKind", row.kind))


def _stored_root(session: Session, root: str) -> str:
    """The root as its row has it: relative where it is inside the library's directory."""
    if is_url(root):
        return root
    directory = session.info[DIRECTORY]
    for library in (directory, os.path.realpath(directory)):
        if PurePath(root).is_relative_to(library):
            return PurePath(root).relative_to(library).as_posix()
    return root


def checked_root(root: str) -> str:
    """A root in the one way that it is kept in. Raises SourceError for a relative one."""
    if is_url(root):
        return root.rstrip("/")
    if not Path(root).is_absolute():
        raise SourceError(f"the root of a source must be an absolute path or a URL, not {root!r}")
    normal = os.path.normpath(root)
    return normal[1:] if normal.startswith("//") else normal


def _own(session: Session, collection_id: int, source_id: int) -> SourceRow:
    row = session.get(SourceRow, source_id)
    if row is None or row.collection_id != collection_id:
        raise SourceError(
            f"source {source_id} does not belong to this collection; "
            "see `blipsearch sources list` for those that do"
        )
    return row


def _name_taken(name: str, root: str) -> SourceError:
    return SourceError(f"the name {name!r} belongs to the source {root}; choose another name")


def _free_name(root: str, taken: Iterable[str]) -> str:
    base = PurePath(root).name or "root"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name
