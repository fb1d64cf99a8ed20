"""Image states against the catalog: what is damaged, of older content, or of images long gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from blipsearch.catalog import Catalog
from blipsearch.collection import STATES
from blipsearch.errors import LibraryError
from blipsearch.records import CollectionInfo
from blipsearch.states import StatesReport, check_states, drop_states
from blipsearch.upkeep.catalog_checks import in_collection
from blipsearch.upkeep.findings import Finding, OnProgress, examples_of

__all__ = ["check_collection_states", "drop_useless_states"]

_REPORT_EVERY = 256


def check_collection_states(
    catalog: Catalog, info: CollectionInfo, directory: Path, on_progress: OnProgress | None = None
) -> tuple[int, list[Finding]]:
    """How many records there are, and what is wrong with them. Raises LibraryError.

    States are a cache: a search believes none that is found here, and computes it again.
    """

    def report(done: int, total: int) -> None:
        if on_progress is not None and (done % _REPORT_EVERY == 0 or done == total):
            on_progress(f"states of {info.name}", done, total)

    def look(on_records: Callable[[int, int], None] | None) -> StatesReport:
        return check_states(
            directory / STATES,
            info.checkpoint.fingerprint,
            info.states_kind,
            lambda: catalog.checks.contents(info.id),
            on_records,
        )

    try:
        found = look(report)
        if found.bad or found.unfit:
            # What is being written looks damaged: only what stays so is.
            again = look(None)
            still_bad = set(again.bad)
            found = replace(
                found,
                bad=tuple(one for one in found.bad if one in still_bad),
                unfit=tuple(one for one in found.unfit if one in again.unfit),
            )
    except OSError as error:
        raise LibraryError(
            f"cannot read the image states of {in_collection(info)}: {error}; they are a cache: "
            f"delete {directory / STATES} if they stay unreadable"
        ) from error
    return found.records, _findings(info, found)


def drop_useless_states(catalog: Catalog, info: CollectionInfo, directory: Path) -> StatesReport:
    """Drop the records of a collection that no search would believe, and say which they were.

    `directory` is the collection's. Raises LibraryError.
    """
    try:
        return drop_states(
            directory / STATES,
            info.checkpoint.fingerprint,
            info.states_kind,
            lambda: catalog.checks.contents(info.id),
        )
    except OSError as error:
        raise LibraryError(
            f"cannot mend the image states in {directory / STATES}: {error}; delete that folder"
        ) from error


_WHAT = {
    "damaged": "records of image states are damaged",
    "stale": "records of image states are of an older content of their image",
    "orphaned": "records of image states are of images that are not there any more",
}


def _findings(info: CollectionInfo, report: StatesReport) -> list[Finding]:
    counts = Counter(record.fault for record in report.bad)
    findings = [
        Finding(
            "states",
            _WHAT[fault],
            in_collection(info),
            count,
            examples_of([f"image {one.image_id}" for one in report.bad if one.fault == fault]),
            "`blipsearch repair` drops them; searches compute them again",
            is_mendable=True,
        )
        for fault, count in sorted(counts.items())
    ]
    if report.unfit:
        findings.append(
            Finding(
                "states",
                "files of image states are damaged, or of another checkpoint or kind",
                in_collection(info),
                len(report.unfit),
                examples_of(report.unfit),
                "`blipsearch repair` deletes them",
                is_mendable=True,
            )
        )
    return findings
