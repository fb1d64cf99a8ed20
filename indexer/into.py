"""Into: embed a collection's images once more beside it, with another checkpoint."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from blipsearch.collection import Collection
from blipsearch.contents import is_web
from blipsearch.errors import SourceError
from blipsearch.records import Given, KnownFile, Source
from blipsearch.wording import counted
from indexer.indexing import Retrievers, run_listings
from indexer.lock import indexing_alone
from indexer.records import IndexOptions, IndexSummary, Progress
from indexer.sources import FileListing, FoundFile, list_files, origins_of

__all__ = ["index_into"]

MOST_NAMED = 5


def index_into(
    old: Collection,
    new: Collection,
    retrievers: Retrievers,
    options: IndexOptions | None = None,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> IndexSummary:
    """Bring a collection to hold what another one of the library does, by its own checkpoint.

    It gets the other's sources and, of their files, those that the other knows; what is new in
    them since is left for the next run over the sources. Files that are not there now are said
    and left out, be it that their images were missing before or are so now. It also takes over
    tags, metadata, people's captions and what was given. A run that ended early is continued by
    the next. The old collection is only read.

    Raises CollectionCheckpointError where `new` is of another checkpoint than the retrievers, and
    LibraryBusyError while another process indexes into it.
    """
    options = options or IndexOptions()
    away: list[str] = []
    # Once, as another process may index into the old one and add some.
    sources = old.sources()

    def find() -> list[FileListing]:
        listings = _known_files(old, sources, new, options)
        for source, listing in zip(sources, listings, strict=True):
            away.extend(_not_there(listing, old.known_files(source.id)))
        return listings

    with indexing_alone(new.directory):
        for source in sources:
            _add(new, source)
        summary = run_listings(new, retrievers, find, options, on_progress, stop)
        new.take_over(old)
    return replace(summary, notices=(*summary.notices, *_said(away, old)))


def _add(new: Collection, source: Source) -> None:
    """Add a source of the old collection. Raises SourceError where its name is another's."""
    try:
        new.add_source(source.root, source.name, source.kind)
    except SourceError as error:
        name, within = source.name, f"--collection {new.name}"
        raise SourceError(
            f"in collection {new.name!r} {error}: `blipsearch sources move {name} {source.root} "
            f"{within}` where it is the same source, elsewhere now, else `blipsearch sources "
            f"rename {name} OTHER {within}`"
        ) from error


@dataclass(frozen=True, slots=True)
class _AsBefore:
    """In place of a sidecar: what is said comes from the old collection, after the run."""

    stamp: str

    def read(self) -> Given:
        """Nothing of its own."""
        return Given()


def _known_files(
    old: Collection, sources: Sequence[Source], new: Collection, options: IndexOptions
) -> list[FileListing]:
    """What there is now of what the old collection knows, by its sources."""
    found = list_files(origins_of(sources), sources, options.rules)
    by_root = {listing.root: listing for listing in found}
    in_new = {source.root: source.id for source in new.sources()}
    listings = []
    for source in sources:
        listing = _narrowed(source, by_root.get(source.root), old.known_files(source.id))
        known = new.known_files(in_new[source.root])
        stamps = {path: file.given_stamp for path, file in known.items()}
        files = [
            replace(file, given=_AsBefore(stamps.get(file.path, ""))) for file in listing.files
        ]
        listings.append(replace(listing, files=tuple(files)))
    return listings


def _narrowed(
    source: Source, listing: FileListing | None, known: Mapping[str, KnownFile]
) -> FileListing:
    """A listing of what is known alone; of folders also what was once given by its own name."""
    if listing is None:
        return FileListing(source.root, (), kind=source.kind, reachable=False)
    files = {file.path: file for file in listing.files if file.path in known}
    if is_web(source.root):  # it does not say what it has
        files = {path: FoundFile(path, one.size, one.mtime_ns) for path, one in known.items()}
    if source.kind == "folder" and listing.reachable:
        for path in known:
            if path not in files and (file := _found(source.root, path)) is not None:
                files[path] = file
    return replace(listing, files=tuple(files.values()), name=None, only=frozenset(known))


def _found(root: str, path: str) -> FoundFile | None:
    try:
        status = os.stat(os.path.join(root, path))  # noqa: PTH116, PTH118  # called for every file
    except OSError:
        return None
    return FoundFile(path, status.st_size, status.st_mtime_ns)


def _not_there(listing: FileListing, known: Iterable[str]) -> list[str]:
    """The known files of a root that cannot be taken along, by root and path."""
    there = {file.path for file in listing.files}
    known = listing.only or known
    return [f"{listing.root}: {path}" for path in sorted(known) if path not in there]


def _said(away: Sequence[str], old: Collection) -> list[str]:
    if not away:
        return []
    named = ", ".join(away[:MOST_NAMED])
    more = f" and {len(away) - MOST_NAMED:,} more" if len(away) > MOST_NAMED else ""
    said = (
        f"{counted(len(away), 'image')} of collection {old.name!r} cannot be taken along, as their "
        f"files are not there now ({named}{more}); run the command again once they are"
    )
    return [said]
