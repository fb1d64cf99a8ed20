"""Verifying a library: the catalog, and all that is derived from it or known by it, against it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blipsearch.errors import (
    CollectionNotFoundError,
    LibraryBusyError,
    LibraryError,
    LibraryNotFoundError,
    LibraryRevisionError,
)
from blipsearch.library import Library
from blipsearch.records import CollectionInfo
from blipsearch.upkeep.catalog_checks import (
    RESTORE,
    check_catalog,
    check_numbers,
    damaged_embeddings,
    embeddings_finding,
)
from blipsearch.upkeep.file_checks import check_files
from blipsearch.upkeep.findings import Finding, OnProgress, VerifyReport
from blipsearch.upkeep.snapshot_checks import check_snapshot
from blipsearch.upkeep.states_checks import check_collection_states

__all__ = ["chosen_collections", "verify"]


def verify(
    path: Path,
    *,
    collection: str | None = None,
    contents: bool = False,
    on_progress: OnProgress | None = None,
) -> VerifyReport:
    """Look at everything in a library, or in one collection of it; nothing is changed.

    With `contents` every picture is read and its hash compared. It may run while others read and
    write; what changes meanwhile is no finding. A catalog too damaged to be read is a finding, too.
    Raises LibraryNotFoundError, LibraryRevisionError, LibraryBusyError, CollectionNotFoundError.
    """
    found = _Found()
    with found.catching(path), Library.open(path) as library:
        found.findings += check_catalog(library.catalog)
        for info in chosen_collections(library, collection):
            with found.catching(path):
                _verify_collection(found, library, info, on_progress)
            with found.catching(path):
                files = check_files(
                    library.catalog, info, contents=contents, on_progress=on_progress
                )
                found.findings += files.findings
                found.files += files.looked_at
    return VerifyReport(tuple(found.findings), found.images, found.files, found.states)


def chosen_collections(library: Library, name: str | None) -> list[CollectionInfo]:
    """The one collection of that name, or all. Raises CollectionNotFoundError."""
    if name is None:
        return library.collections()
    return [library.info(name)]


class _Found:
    """What was found so far."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.images = 0
        self.files = 0
        self.states = 0

    @contextmanager
    def catching(self, path: Path) -> Iterator[None]:
        """Take damage that stops a check for a finding, once."""
        try:
            yield
        except (
            LibraryNotFoundError,
            LibraryRevisionError,
            LibraryBusyError,
            CollectionNotFoundError,
        ):
            raise
        except LibraryError as error:
            finding = Finding("catalog", str(error), str(path), 1, (), RESTORE, is_mendable=False)
            if finding not in self.findings:
                self.findings.append(finding)


def _verify_collection(
    found: _Found, library: Library, info: CollectionInfo, on_progress: OnProgress | None
) -> None:
    catalog, directory = library.catalog, library.directory(info)
    found.findings += check_numbers(catalog, info)
    images, damaged = damaged_embeddings(catalog, info, on_progress)
    found.images += images
    if damaged:
        # What is to be compared with them would differ for no reason of its own.
        found.findings.append(embeddings_finding(info, damaged))
    else:
        snapshot = check_snapshot(catalog, info, directory, on_progress)
        found.findings += [] if snapshot is None else [snapshot]
    records, findings = check_collection_states(catalog, info, directory, on_progress)
    found.states += records
    found.findings += findings
