"""What the user asks to index, and what is found there, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from blipsearch.places import SourceKind
from blipsearch.records import Given

__all__ = ["FileListing", "FoundFile", "GivenSource", "Origin", "SourceRules"]


@dataclass(frozen=True, slots=True)
class SourceRules:
    """How sources are looked through.

    Symbolic links are followed where `follow_links` says so. `path_column` is the column of a
    manifest that names the image; None takes the first one whose name says so.
    """

    follow_links: bool = False
    path_column: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing the user asked to index. `root` is what its images' paths are relative to.

    It is an absolute path, or a URL where `kind` is remote. With a `pattern` only what matches it
    below the root is meant, with a `file` only that file of the root, whatever its name. `name` is
    the name that the user gives the source. An origin that is not `reachable` was known before.
    """

    root: str
    pattern: str | None = None
    file: str | None = None
    kind: SourceKind = "folder"
    name: str | None = None
    reachable: bool = True


@runtime_checkable
class GivenSource(Protocol):
    """Where something is said about an image: sidecars, or a manifest's row."""

    @property
    def stamp(self) -> str:
        """Another one when what is said may have changed."""
        ...

    def read(self) -> Given:
        """Say it. Raises SourceError, naming the file, where it cannot be understood or read."""
        ...


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file below a root: its path there with forward slashes, its size and mtime.

    `given` is where more is said about it.
    """

    path: str
    size: int
    mtime_ns: int
    given: GivenSource | None = None


@dataclass(frozen=True, slots=True)
class FileListing:
    """The files found below one root, in natural order, and what could not be looked into.

    `name` is a name that the user wants for it, if any. A root that is not `reachable` does not
    exist or cannot be read, which says nothing about its images; there are no files then. With
    `only` the listing speaks of these paths and no others; None is the whole root. `ignored` are
    the files and folders that are there, but left out by what an ignore file says. `unsure` are
    files that are not there, though nobody may take them for gone.
    """

    root: str
    files: tuple[FoundFile, ...]
    notices: tuple[str, ...] = ()
    kind: SourceKind = "folder"
    name: str | None = None
    reachable: bool = True
    only: frozenset[str] | None = None
    ignored: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
