"""The pictures on disk against the catalog: there, of the same size, of the same content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from blipsearch.catalog import Catalog
from blipsearch.catalog.checking import FileFacts
from blipsearch.contents import open_content
from blipsearch.errors import BlipSearchError
from blipsearch.images import sha256_of
from blipsearch.places import Place
from blipsearch.records import CollectionInfo, Source
from blipsearch.upkeep.catalog_checks import in_collection
from blipsearch.upkeep.findings import Finding, OnProgress, examples_of

__all__ = ["FilesReport", "check_files"]

_Fault = Literal["gone", "size", "content", "unreadable", "unseen"]
"""`unseen` is no fault: without reading it nothing can be said."""

_Outcome = tuple[FileFacts, _Fault | None]

_WHAT: Mapping[_Fault, tuple[str, str]] = {
    "gone": (
        "pictures are not where they were when they were indexed",
        "`blipsearch index` marks them missing, or follows where they were moved to",
    ),
    "size": (
        "pictures have another size than when they were indexed",
        "`blipsearch index` embeds them as they are now",
    ),
    "content": (
        "pictures have another content than when they were indexed",
        "put them back from a copy; or, if they are right, `touch` them and run `blipsearch index`",
    ),
    "unreadable": (
        "pictures cannot be read",
        "look at their permissions and their disk, then run `blipsearch verify` again",
    ),
}


@dataclass(slots=True)
class FilesReport:
    """How many files were looked at, and what was found."""

    looked_at: int = 0
    findings: list[Finding] = field(default_factory=list)


def check_files(
    catalog: Catalog, info: CollectionInfo, *, contents: bool, on_progress: OnProgress | None = None
) -> FilesReport:
    """Look at the file of every indexed image; with `contents` read all of each.

    Without, what is not a local file (a URL, a member of an archive) is not looked at by itself.
    A root that cannot be reached, or is empty, is said once instead of for each of its images.
    """
    report = FilesReport()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as threads:
        for source in catalog.sources.all(info.id):
            pages = catalog.checks.files(info.id, source.id)
            if not _is_reachable(source):
                count = sum(len(page) for page in pages)
                if count:
                    report.findings.append(_drive(info, source, count))
                continue
            found: dict[_Fault, list[FileFacts]] = {}
            for facts, fault in _looked_at(threads, source, pages, contents=contents):
                report.looked_at += fault != "unseen"
                if fault is not None and fault in _WHAT:
                    found.setdefault(fault, []).append(facts)
                if on_progress is not None:
                    on_progress(f"files of {info.name}", report.looked_at, info.indexed)
            for fault, some in sorted(found.items()):
                kept = _kept(catalog, info, some)
                if kept:
                    addresses = [_place(source, facts).address for facts in kept]
                    report.findings.append(_finding(info, fault, addresses))
    return report


def _looked_at(
    threads: ThreadPoolExecutor, source: Source, pages: Iterable[list[FileFacts]], *, contents: bool
) -> Iterator[_Outcome]:
    look = partial(_fault, source, contents=contents)
    for page in pages:
        yield from zip(page, threads.map(look, page), strict=True)


def _fault(source: Source, facts: FileFacts, *, contents: bool) -> _Fault | None:
    """What is wrong with one file."""
    place = _place(source, facts)
    try:
        if place.local_file is not None:
            size = os.stat(place.local_file).st_size  # noqa: PTH116  # plain strings by contract
            if size != facts.size:
                return "size"
        elif not contents:
            return "unseen"
        if not contents:
            return None
        with open_content(place) as file:
            return None if sha256_of(file) == facts.sha256 else "content"
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    except (OSError, BlipSearchError):
        return "unreadable"


def _kept(catalog: Catalog, info: CollectionInfo, some: list[FileFacts]) -> list[FileFacts]:
    """Those of which the catalog still says the same: what went meanwhile is no fault."""
    entries = catalog.entries.get(info.id, [facts.image_id for facts in some])
    now = {(one.id, one.path, one.size, one.sha256) for one in entries if one.status == "indexed"}
    return [one for one in some if (one.image_id, one.path, one.size, one.sha256) in now]


def _place(source: Source, facts: FileFacts) -> Place:
    return Place(source.kind, source.root, facts.path)


def _is_reachable(source: Source) -> bool:
    """Whether a root is there with anything in it; one that is elsewhere is taken to be."""
    if source.kind == "remote":
        return True
    root = Path(source.root)
    try:
        return next(root.iterdir(), None) is not None if source.kind == "folder" else root.is_file()
    except OSError:
        return False


def _drive(info: CollectionInfo, source: Source, count: int) -> Finding:
    return Finding(
        "drive",
        f"the source {source.name!r} cannot be reached or is empty: {source.root}; nothing is lost",
        in_collection(info),
        count,
        (source.root,),
        f"connect the drive again; if it is elsewhere now, `blipsearch sources move {source.name} "
        f"ROOT`; if it is gone for good, `blipsearch remove --source {source.name}`",
        is_mendable=False,
    )


def _finding(info: CollectionInfo, fault: _Fault, addresses: Sequence[str]) -> Finding:
    what, remedy = _WHAT[fault]
    return Finding(
        "files",
        what,
        in_collection(info),
        len(addresses),
        examples_of(addresses),
        remedy,
        is_mendable=False,
    )
