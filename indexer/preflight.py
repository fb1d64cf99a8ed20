"""Preflight: what is wrong with a run, found out before it loads a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from blipsearch.collection import Collection
from blipsearch.errors import (
    CollectionNotFoundError,
    LibraryNotFoundError,
    SettingsError,
    SourceError,
)
from blipsearch.library import Library
from indexer.lock import check_not_held
from indexer.request import Request
from indexer.sources import Origin, SourceRules, origins_of, resolve_sources

__all__ = ["check_run", "check_sources"]

NO_SOURCES = "name a folder, as in `blipsearch index FOLDER`"


def check_run(request: Request) -> None:
    """Raise what a run would before it writes anything, but without loading torch.

    SourceError for sources that cannot be used, LibraryBusyError where another process indexes
    into the collection, LibraryError and its kin for a library that cannot be opened.
    """
    if request.into is not None:
        _check_into(request, request.into)
        return
    name, sources = request.settings.collection, request.sources
    try:
        with _opened(request, name) as collection:
            check_not_held(collection.directory)
            check_sources(collection, sources, request.rules)
    except (LibraryNotFoundError, CollectionNotFoundError) as error:
        if not sources:
            raise SourceError(f"there is no collection {name!r} yet; {NO_SOURCES}") from error
        resolve_sources(sources, (), request.rules)


def _check_into(request: Request, into: str) -> None:
    old = request.settings.collection
    if into == old:
        raise SettingsError(f"--into {into} is the collection itself; choose another name")
    with _opened(request, old) as collection:
        check_sources(collection, (), request.rules)
    try:
        with _opened(request, into) as collection:
            check_not_held(collection.directory)
    except CollectionNotFoundError as error:
        if request.checkpoint is None:
            raise SettingsError(
                f"--into {into} makes a new collection; say of which checkpoint it is to be, "
                "with --checkpoint"
            ) from error


@contextmanager
def _opened(request: Request, name: str) -> Iterator[Collection]:
    with Library.open(request.settings.library) as library, library.collection(name) as collection:
        yield collection


def check_sources(
    collection: Collection,
    sources: Sequence[str | os.PathLike[str]],
    rules: SourceRules | None = None,
) -> list[Origin]:
    """Say what the sources mean to a collection; without any, all that it knows.

    Raises SourceError where one cannot be used.
    """
    known = collection.sources()
    if not sources and not known:
        raise SourceError(f"collection {collection.name!r} has no sources yet; {NO_SOURCES}")
    if not sources:
        return origins_of(known)
    origins = resolve_sources(sources, known, rules)
    roots = {one.name: one.root for one in known}
    for origin in origins:
        if origin.name is not None and roots.setdefault(origin.name, origin.root) != origin.root:
            raise SourceError(
                f"the name {origin.name!r} belongs to the source {roots[origin.name]}; choose "
                "another name, or free it with `blipsearch sources rename`"
            )
    return origins
