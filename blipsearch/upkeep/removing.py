"""Removing images from a collection by what they are; no picture on disk is ever deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blipsearch.collection import Collection
from blipsearch.errors import ImageNotFoundError, QueryError, SourceError
from blipsearch.filters import Filter
from blipsearch.records import ImageStatus, Source

__all__ = ["Chosen", "Selection", "choose", "remove"]

_END_OF_IDS = 2**63


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images: those for which all that is set here holds.

    `statuses` names some of `missing` and `failed`; empty, the status is of no matter. A filter
    holds for indexed images only.
    """

    ids: tuple[int, ...] = ()
    filter_: Filter | None = None
    source: str | None = None
    statuses: tuple[ImageStatus, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is set."""
        return not (self.ids or self.filter_ is not None or self.source or self.statuses)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The images that a selection is for, ascending, and the source that goes with them.

    That is the selection's own, where it is left without any image.
    """

    ids: tuple[int, ...]
    source: Source | None = None


def choose(collection: Collection, selection: Selection) -> Chosen:
    """Find out what a selection is for; nothing is changed.

    Raises ImageNotFoundError for an id that is not there, SourceError for a source that is not,
    and QueryError for a selection of everything and one that nothing can be in.
    """
    if selection.is_empty:
        raise QueryError(
            "say which images: by id, --filter, --source, --missing or --failed; or --all for the "
            "whole collection"
        )
    if selection.filter_ is not None and selection.statuses:
        raise QueryError(
            "a filter holds for indexed images only, none of which is missing or failed; leave "
            "out the filter, or --missing and --failed"
        )
    source = None if selection.source is None else _source(collection, selection.source)
    found = set(_by_rows(collection, selection, source))
    if selection.filter_ is not None:
        found &= set(collection.matching_ids(selection.filter_).tolist())
    if selection.ids:
        _check_ids(collection, selection.ids)
        found &= set(selection.ids)
    is_emptied = source is not None and len(found) == len(collection.known_files(source.id))
    return Chosen(tuple(sorted(found)), source if is_emptied else None)


def remove(collection: Collection, chosen: Chosen) -> int:
    """Remove what was chosen, for good; returns how many images were still there.

    A source goes with its last image. Their files stay: one in a source that is indexed again comes
    back with another id.
    """
    removed = collection.remove(chosen.ids)
    if chosen.source is not None and not collection.known_files(chosen.source.id):
        collection.remove_source(chosen.source.id)
    return removed


def _by_rows(collection: Collection, selection: Selection, source: Source | None) -> Iterator[int]:
    """The ids that source and statuses leave; those named where there is neither."""
    if source is None and not selection.statuses:
        if selection.ids:
            yield from selection.ids
        elif selection.filter_ is not None:
            yield from collection.matching_ids(selection.filter_).tolist()
        return
    for one in [source] if source is not None else collection.sources():
        for known in collection.known_files(one.id).values():
            if not selection.statuses or known.status in selection.statuses:
                yield known.id


def _check_ids(collection: Collection, ids: tuple[int, ...]) -> None:
    possible = [image_id for image_id in ids if 0 < image_id < _END_OF_IDS]
    there = {entry.id for entry in collection.images(possible)}
    unknown = [image_id for image_id in ids if image_id not in there]
    if unknown:
        raise ImageNotFoundError(
            f"no image {unknown[0]} in collection {collection.info.name!r}; nothing was removed, "
            "see the ids in `blipsearch search --json`"
        )


def _source(collection: Collection, name: str) -> Source:
    """The source of that name, or with that root."""
    sources = collection.sources()
    for source in sources:
        if name in {source.name, source.root}:
            return source
    names = ", ".join(source.name for source in sources) or "none"
    raise SourceError(
        f"collection {collection.info.name!r} has no source {name!r}; there are: {names}"
    )
