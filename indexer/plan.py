"""Plan: what the files found and the files known say must be done."""

from __future__ import annotations

from collections.abc import Collection as Sized
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from blipsearch.collection import Collection
from blipsearch.images import RETRY_HINTS
from blipsearch.places import Place
from blipsearch.records import Given, ImageFile, KnownFile, Source
from indexer.absent import Absent, Elsewhere, is_gone, is_there
from indexer.records import FailedPath
from indexer.sources import FileListing, FoundFile, GivenSource, is_named_only

__all__ = ["Candidate", "GivenSource", "Lost", "Plan", "PlanOptions", "make_plan"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to look into: new, changed, or once refused for what may be otherwise by now.

    `known` is what the catalog holds of it, `given` where more is said about it.
    """

    file: ImageFile
    place: Place
    known: KnownFile | None
    given: GivenSource | None = None

    @property
    def absolute_path(self) -> str:
        """Where it is, for people."""
        return self.place.address

    @property
    def reason(self) -> str:
        """Why it failed before; empty where it did not."""
        return "" if self.known is None else self.known.reason


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How a plan is made. With `retry_failed` all failed files are tried again."""

    retry_failed: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A source whose root is not to be had, or is empty all at once, and how many images it has."""

    source: Source
    images: int


@dataclass(slots=True)
class Plan:
    """Candidates in the order of their sources and paths, and what is settled without them.

    `regiven` are images that are as they were, but more or else is said about them. `absent` are
    those whose files are gone, `lost` the roots of which nothing is certain, and `unsure` counts
    such images of other roots.
    """

    candidates: list[Candidate] = field(default_factory=list)
    regiven: list[tuple[int, GivenSource]] = field(default_factory=list)
    unchanged: int = 0
    failed: list[FailedPath] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    absent: Absent = field(default_factory=Absent)
    lost: list[Lost] = field(default_factory=list)
    unsure: int = 0

    @property
    def missing(self) -> int:
        """How many images are known but not there; a file that moved is there again."""
        return len(self.absent) + self.unsure + sum(one.images for one in self.lost)


class _NothingGiven:
    """In place of a sidecar or row that is gone."""

    stamp = ""

    def read(self) -> Given:
        """Nothing is said any more."""
        return Given()


_NOTHING_GIVEN = _NothingGiven()


def make_plan(
    collection: Collection, listings: Sequence[FileListing], options: PlanOptions | None = None
) -> Plan:
    """Compare the files found with those known, and mark what went and what came back.

    A file of equal size and mtime is not opened. A file is gone only where its root is there and
    not empty, and, in a folder, the file system says that it does not exist. Where a root is not
    to be had or is empty all at once, a drive is more likely missing than its images are: they are
    marked as missing, but nobody may take them for gone.
    """
    sources = [_source(collection, listing) for listing in listings]
    plan = Plan(absent=Absent(_elsewhere(collection, sources, listings)))
    for source, listing in zip(sources, listings, strict=True):
        plan.notices += listing.notices
        known = collection.known_files(source.id)
        spoken_of = _spoken_of(known, listing)
        gone = _gone(listing, spoken_of) if listing.reachable else []
        if _is_lost(listing, gone, known):
            _mark_lost(plan, collection, source, listing, spoken_of)
            continue
        _mark_present(collection, listing, known)
        _compare(plan, source, listing, known, options or PlanOptions())
        _mark_gone(plan, collection, gone)
        _mark_unsure(plan, collection, [known[path] for path in listing.unsure & known.keys()])
        _mark_ignored(plan, collection, listing, known)
    return plan


def _source(collection: Collection, listing: FileListing) -> Source:
    source = collection.add_source(listing.root, listing.name, listing.kind)
    if listing.name is not None and source.name != listing.name:
        return collection.rename_source(source.id, listing.name)
    return source


def _elsewhere(
    collection: Collection, sources: Sequence[Source], listings: Sequence[FileListing]
) -> Elsewhere | None:
    """What is to be asked for files that moved here from where this run does not look."""
    looked_through = {
        source.id
        for source, listing in zip(sources, listings, strict=True)
        if listing.only is None or not listing.reachable
    }
    others = {
        source.id: source
        for source in collection.sources()
        if source.kind == "folder" and source.id not in looked_through
    }
    return Elsewhere(collection, others) if others else None


def _spoken_of(known: Mapping[str, KnownFile], listing: FileListing) -> Mapping[str, KnownFile]:
    """The known files of which a listing says whether they are there."""
    only = listing.only
    if only is None:
        return known
    return {path: file for path, file in known.items() if _is_within(path, only)}


def _is_within(path: str, only: Sized[str]) -> bool:
    """Say whether a path is one of these, or below one."""
    while path and path not in only:
        path = path.rpartition("/")[0]
    return bool(path) or "" in only


def _gone(listing: FileListing, known: Mapping[str, KnownFile]) -> list[KnownFile]:
    found = {file.path for file in listing.files}
    return [
        file
        for path, file in known.items()
        if path not in found and path not in listing.unsure and _is_certainly_gone(listing, path)
    ]


def _is_lost(
    listing: FileListing, gone: Sequence[KnownFile], known: Mapping[str, KnownFile]
) -> bool:
    """Whether nothing is certain about a root: it is not to be had, or is empty all at once.

    So is one whose drive went while it was looked through: what was found is not there either.
    """
    if not listing.reachable:
        return True
    if not listing.files:
        return bool(known) and len(gone) + len(listing.unsure & known.keys()) == len(known)
    if not gone or listing.kind != "folder":
        return False
    paths = chain((file.path for file in listing.files), known)
    return all(is_gone(listing.root, path) for path in paths)


def _mark_lost(
    plan: Plan,
    collection: Collection,
    source: Source,
    listing: FileListing,
    known: Mapping[str, KnownFile],
) -> None:
    _take_out(collection, known.values())
    plan.lost.append(Lost(source, len(known)))
    if not known:
        return
    count = f"the {len(known):,} known images" if len(known) > 1 else "the known image"
    if listing.reachable:
        state = "went while it was looked through" if listing.files else "is empty"
        plan.notices.append(f"{listing.root} {state}, {count} of it gone")
    plan.notices.append(
        f"searches leave out {count} of {listing.root} until it is back; nothing is deleted"
    )


def _mark_present(
    collection: Collection, listing: FileListing, known: dict[str, KnownFile]
) -> None:
    """Bring back the missing files that were found again."""
    _mark_named_present(collection, listing, known)
    back = [
        (file.path, before)
        for file in listing.files
        if (before := known.get(file.path)) is not None and before.status == "missing"
    ]
    if back:
        collection.mark_present([before.id for _, before in back])
    for path, before in back:
        known[path] = replace(before, status="indexed" if before.sha256 else "failed")


def _mark_named_present(
    collection: Collection, listing: FileListing, known: Mapping[str, KnownFile]
) -> None:
    """Bring back the missing files that are there, but that only their own names find."""
    if listing.kind != "folder":
        return
    back = [
        file.id
        for path, file in known.items()
        if file.status == "missing" and is_named_only(path)
        if not _is_within(path, listing.ignored) and is_there(listing.root, path)
    ]
    if back:
        collection.mark_present(back)


def _compare(
    plan: Plan,
    source: Source,
    listing: FileListing,
    known: Mapping[str, KnownFile],
    options: PlanOptions,
) -> None:
    for found in listing.files:
        before = known.get(found.path)
        if before is None or _is_to_be_tried(found, before, options):
            place = Place(listing.kind, listing.root, found.path)
            file = ImageFile(source.id, found.path, found.size, found.mtime_ns)
            plan.candidates.append(Candidate(file, place, before, found.given))
        elif before.status == "failed":
            address = Place(listing.kind, listing.root, found.path).address
            plan.failed.append(FailedPath(address, before.reason))
        else:
            plan.unchanged += 1
            if found.given is not None and found.given.stamp != before.given_stamp:
                plan.regiven.append((before.id, found.given))
        if before is not None and before.given_stamp and found.given is None:
            plan.regiven.append((before.id, _NOTHING_GIVEN))


def _is_to_be_tried(found: FoundFile, before: KnownFile, options: PlanOptions) -> bool:
    if (before.size, before.mtime_ns) != (found.size, found.mtime_ns):
        return True
    if before.status != "failed":
        return False
    # A limit may be another one by now, or a library be there that was not.
    return options.retry_failed or not before.lasting or before.reason.endswith(RETRY_HINTS)


def _mark_gone(plan: Plan, collection: Collection, gone: Sequence[KnownFile]) -> None:
    plan.absent.add(gone)
    _take_out(collection, gone)


def _mark_unsure(plan: Plan, collection: Collection, unsure: Sequence[KnownFile]) -> None:
    """Take out of the searches what is not there, but for a reason that may pass."""
    plan.unsure += len(unsure)
    _take_out(collection, unsure)


def _mark_ignored(
    plan: Plan, collection: Collection, listing: FileListing, known: Mapping[str, KnownFile]
) -> None:
    """Take out of the searches what an ignore file names by now, though it is there."""
    if not listing.ignored:
        return
    found = {file.path for file in listing.files}
    ignored = [
        file
        for path, file in known.items()
        if path not in found and _is_within(path, listing.ignored)
        if not _is_certainly_gone(listing, path)
    ]
    plan.absent.add_ignored(ignored)
    _take_out(collection, ignored)


def _take_out(collection: Collection, files: Iterable[KnownFile]) -> None:
    """Mark as missing those that are not yet."""
    newly = [file.id for file in files if file.status != "missing"]
    if newly:
        collection.mark_missing(newly)


def _is_certainly_gone(listing: FileListing, path: str) -> bool:
    """Whether a file that was not found is not there; only folders hide what they have."""
    return listing.kind != "folder" or is_gone(listing.root, path)
