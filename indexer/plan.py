"""Plan: what the files found and the files known say must be done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from blipsearch.collection import Collection
from blipsearch.images import TOO_LARGE_HINT
from blipsearch.records import ImageFile, KnownFile, Source
from indexer.records import FailedPath
from indexer.sources import FileListing

__all__ = ["Candidate", "Plan", "make_plan"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to look into: new, changed, or once refused for its size.

    `known` is what the catalog holds of it; `reason` why it failed before, where it did.
    """

    file: ImageFile
    absolute_path: str
    known: KnownFile | None
    reason: str = ""


@dataclass(slots=True)
class Plan:
    """Candidates in the order of their sources and paths, and what is settled without them."""

    candidates: list[Candidate] = field(default_factory=list)
    unchanged: int = 0
    missing: int = 0
    failed: list[FailedPath] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def make_plan(collection: Collection, listings: Iterable[FileListing]) -> Plan:
    """Compare the files found with those known, and mark what went and what came back.

    A file of equal size and mtime is not opened. A file is gone only where the file system says
    that it does not exist; where a root has become empty, a drive is more likely missing than
    its images are, so nothing is marked.
    """
    plan = Plan()
    for listing in listings:
        plan.notices += listing.notices
        source = collection.add_source(listing.root)
        known = _marked_present(collection, source, listing)
        _compare(plan, collection, source, listing, known)
        _mark_missing(plan, collection, listing, known)
    return plan


def _marked_present(
    collection: Collection, source: Source, listing: FileListing
) -> dict[str, KnownFile]:
    """Bring back the missing files that were found again; return what is then known."""
    known = collection.known_files(source.id)
    back = [
        known[file.path].id
        for file in listing.files
        if file.path in known and known[file.path].status == "missing"
    ]
    if not back:
        return known
    collection.mark_present(back)
    return collection.known_files(source.id)


def _compare(
    plan: Plan,
    collection: Collection,
    source: Source,
    listing: FileListing,
    known: dict[str, KnownFile],
) -> None:
    reasons = _reasons(collection, source, known.values())
    for found in listing.files:
        before = known.get(found.path)
        reason = reasons.get(found.path, "")
        file = ImageFile(source.id, found.path, found.size, found.mtime_ns)
        absolute_path = os.path.join(listing.root, found.path)  # noqa: PTH118  # called for every file
        as_before = before is not None and (before.size, before.mtime_ns) == (
            found.size,
            found.mtime_ns,
        )
        # The limit on pixels may be another one by now, and a look at the header is cheap.
        if not as_before or reason.endswith(TOO_LARGE_HINT):
            plan.candidates.append(Candidate(file, absolute_path, before, reason))
        elif reason:
            plan.failed.append(FailedPath(absolute_path, reason))
        else:
            plan.unchanged += 1


def _reasons(collection: Collection, source: Source, known: Iterable[KnownFile]) -> dict[str, str]:
    """Why each failed file of a source failed, by its path."""
    if not any(file.status == "failed" for file in known):
        return {}
    return {
        entry.path: entry.reason
        for entry in collection.entries(status="failed", source_id=source.id)
    }


def _mark_missing(
    plan: Plan, collection: Collection, listing: FileListing, known: dict[str, KnownFile]
) -> None:
    found = {file.path for file in listing.files}
    absent = [path for path in known if path not in found]
    gone = [path for path in absent if _is_gone(listing.root, path)]
    if gone and not listing.files and len(gone) == len(known):
        plan.notices.append(
            f"none of the {len(known):,} known images below {listing.root} is there any more; "
            "they are kept as they are, in case a drive is not connected"
        )
        return
    plan.missing += len(gone)
    newly_gone = [known[path].id for path in gone if known[path].status != "missing"]
    if newly_gone:
        collection.mark_missing(newly_gone)


def _is_gone(root: str, path: str) -> bool:
    """Say whether a file certainly does not exist; a disk that fails to answer proves nothing."""
    try:
        os.lstat(os.path.join(root, path))  # noqa: PTH118  # called for every file
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
