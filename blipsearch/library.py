"""Library: one directory that holds a catalog and its collections."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from pathlib import Path
from typing import Self

from blipsearch.catalog import Catalog
from blipsearch.catalog.keys import Keys
from blipsearch.catalog.revisions import Migrations
from blipsearch.collection import STATES, Collection
from blipsearch.errors import LibraryError, LibraryNotFoundError, SettingsError
from blipsearch.records import CheckpointIdentity, CollectionInfo, StatesUsage
from blipsearch.resource import Resource
from blipsearch.schemas import CollectionSummary, StatesSummary
from blipsearch.states import StateStore

__all__ = ["CATALOG", "COLLECTIONS", "UPLOADS", "Library", "upgrade_library", "uploads_of"]

CATALOG = "catalog.sqlite"
COLLECTIONS = "collections"
UPLOADS = "uploads-"
"""What the folders of uploaded pictures are called, with the number of their collection behind."""
_NAME = re.compile(r"[^\W_][\w.-]{0,99}")


def uploads_of(library: Path, collection_id: int) -> Path:
    """Where a collection's uploaded pictures lie: they stay when the collection goes."""
    return library / f"{UPLOADS}{collection_id}"


def upgrade_library(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Bring a library to this program's schema; returns the revisions before and after.

    Where they differ, a copy of the catalog as it was stays beside it. Raises
    LibraryNotFoundError, LibraryRevisionError for a newer library, LibraryError.
    """
    return Migrations.shipped().upgrade(Path(path).expanduser() / CATALOG)


class Library(Resource):
    """An open library; made by `Library.open`. Close it after the collections it gave out."""

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self.path = path
        self._catalog = catalog
        self._closed = False

    def __str__(self) -> str:
        return f"library {self.path}"

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool = False) -> Self:
        """Open the library in a directory; with `create`, make it where there is none.

        Raises LibraryNotFoundError where there is none, LibraryRevisionError where another version
        made it (its file is then untouched), LibraryError where it is damaged or cannot be used.
        """
        directory = Path(path).expanduser()
        database = directory / CATALOG
        migrations = Migrations.shipped()
        try:
            migrations.check(database)
        except LibraryNotFoundError:
            if not create:
                raise
            _make_directory(directory)
            migrations.create(database)
            migrations.check(database)
        return cls(directory, Catalog(database))

    def collections(self) -> list[CollectionInfo]:
        """All collections, by name."""
        return self._catalog.collections.all()

    def states_usage(self, info: CollectionInfo) -> StatesUsage:
        """How many image states of its kind a collection has on disk; it need not be open."""
        fingerprint = info.checkpoint.fingerprint
        directory = self._directory(info) / STATES
        with StateStore(directory, fingerprint, info.states_kind, info.states_budget) as store:
            return store.usage()

    def summary(self, info: CollectionInfo) -> CollectionSummary:
        """Say what a collection is in the words that the service and `status --json` send."""
        usage = self.states_usage(info)
        return CollectionSummary(
            name=info.name,
            images=info.indexed,
            failed=info.failed,
            missing=info.missing,
            checkpoint=info.checkpoint.name,
            fingerprint=info.checkpoint.fingerprint,
            dim=info.checkpoint.dim,
            created_at=info.created_at,
            states=StatesSummary(
                kind=info.states_kind,
                images=usage.images,
                bytes=usage.bytes,
                budget=info.states_budget,
            ),
        )

    def create_collection(self, name: str, identity: CheckpointIdentity) -> Collection:
        """Make and open an empty collection for embeddings of one checkpoint.

        A name has 1 to 100 letters, digits and . _ - and begins with a letter or digit. Raises
        SettingsError for another name and CollectionExistsError where it is taken.
        """
        return self._open(self._catalog.collections.create(_checked_name(name), identity))

    def collection(self, name: str) -> Collection:
        """Open a collection. Raises CollectionNotFoundError, which lists those there are."""
        return self._open(self._catalog.collections.find(_spelled(name)))

    def switch(self, old: str, new: str) -> None:
        """Let two collections change names, in one transaction: what asks for one has the other.

        Raises CollectionNotFoundError, and SettingsError where the two names are one.
        """
        self._catalog.collections.switch(_spelled(old), _spelled(new))

    def remove_collection(self, name: str) -> None:
        """Remove a collection with everything blipsearch stored for it; the pictures stay.

        Raises CollectionNotFoundError.
        """
        info = self._catalog.collections.find(_spelled(name))
        self._catalog.collections.remove(info.id)
        directory = self._directory(info)
        try:
            if directory.exists():
                shutil.rmtree(directory)
        except OSError as error:
            raise LibraryError(
                f"collection {name!r} is removed, but its files are not: {error}; "
                f"delete {directory} by hand"
            ) from error

    @property
    def catalog(self) -> Catalog:
        """What is true about the library, for who keeps it sound; closed with the library."""
        return self._catalog

    def info(self, name: str) -> CollectionInfo:
        """What a collection is, without opening it. Raises CollectionNotFoundError."""
        return self._catalog.collections.find(_spelled(name))

    def directory(self, info: CollectionInfo) -> Path:
        """Where a collection's derived files are; all of them can be made anew."""
        return self._directory(info)

    @property
    def keys(self) -> Keys:
        """The keys that the query service asks for; without any it serves this machine alone."""
        return self._catalog.keys

    def close(self) -> None:
        """Close the catalog; a second call does nothing."""
        self._closed = True
        self._catalog.close()

    def _open(self, info: CollectionInfo) -> Collection:
        return Collection(self._catalog, info, self._directory(info))

    def _directory(self, info: CollectionInfo) -> Path:
        return self.path / COLLECTIONS / str(info.id)


def _make_directory(directory: Path) -> None:
    if (directory / COLLECTIONS).exists():
        raise LibraryError(
            f"{directory} has collections but no catalog: restore {CATALOG} from a copy, "
            f"or delete {directory / COLLECTIONS} to begin anew"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"cannot make the library {directory}: {error}; choose another with --library"
        ) from error


def _spelled(name: str) -> str:
    """The name as it is kept; what is no Unicode becomes an escape, which no name has."""
    return unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode("utf-8"))


def _checked_name(name: str) -> str:
    name = _spelled(name)
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"a collection cannot be called {name!r}: use 1 to 100 letters, digits, '.', '_' or "
            "'-', beginning with a letter or digit"
        )
    return name
