"""A vector snapshot against the catalog: it loads, it is the catalog's own, it holds the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blipsearch.catalog import Catalog, Changes
from blipsearch.catalog.checking import StoredEmbedding
from blipsearch.errors import ShapeError, SnapshotError
from blipsearch.records import CollectionInfo
from blipsearch.snapshots import Snapshots
from blipsearch.upkeep.catalog_checks import in_collection
from blipsearch.upkeep.findings import Finding, OnProgress
from blipsearch.vectors import SnapshotStamp, VectorIndex

__all__ = ["check_snapshot", "snapshot_fault"]


def check_snapshot(
    catalog: Catalog, info: CollectionInfo, directory: Path, on_progress: OnProgress | None = None
) -> Finding | None:
    """Check the newest snapshot; None where it is right, or where there is none yet.

    All embeddings of the catalog have to be sound.
    """
    path = Snapshots(directory).newest_path()
    fault = None if path is None else snapshot_fault(catalog, info, path, on_progress)
    if path is None or fault is None:
        return None
    return Finding(
        "snapshot",
        fault,
        in_collection(info),
        1,
        (str(path),),
        "`blipsearch repair` builds it again from the catalog",
        is_mendable=True,
    )


def snapshot_fault(
    catalog: Catalog, info: CollectionInfo, path: Path, on_progress: OnProgress | None = None
) -> str | None:
    """What is wrong with a snapshot, in a sentence; None where nothing is.

    Vectors beside a coded base are compared number by number, those in it by the base's checksums.
    """
    try:
        index, stamp = VectorIndex.load(path)
    except SnapshotError as error:
        return None if not path.exists() else str(error)  # replaced by a newer one meanwhile
    fault = _foreign(catalog, info, index, stamp)
    if fault is not None:
        return fault
    try:
        through = catalog.follower.replay(
            info.id, info.checkpoint.dim, stamp.change, lambda changes: _apply(index, changes)
        )
    except ShapeError as error:
        return f"the catalog's changes do not fit the snapshot: {error}"
    return _difference(catalog, info, index, through, on_progress)


def _foreign(
    catalog: Catalog, info: CollectionInfo, index: VectorIndex, stamp: SnapshotStamp
) -> str | None:
    own = info.checkpoint
    if (stamp.fingerprint, index.dim) != (own.fingerprint, own.dim):
        return "the snapshot holds embeddings of another checkpoint"
    if not catalog.snapshots.knows(info.id, stamp.token):
        return "the snapshot was taken of another catalog"
    if stamp.change > catalog.follower.newest(info.id):
        return "the snapshot is newer than the catalog"
    return None


def _apply(index: VectorIndex, changes: Changes) -> None:
    index.remove(changes.gone)
    index.add(changes.ids, changes.embeddings)


def _difference(
    catalog: Catalog,
    info: CollectionInfo,
    index: VectorIndex,
    through: int,
    on_progress: OnProgress | None,
) -> str | None:
    """Where index and catalog differ; images that changed since the replay do not count."""
    exact_ids, vectors = index.exact_part()
    order = np.argsort(exact_ids)
    exact_ids, vectors = exact_ids[order], vectors[order]
    indexed: list[int] = []
    differing: list[int] = []
    for page in catalog.checks.embeddings(info.id):
        own = [one for one in page if one.is_indexed]
        indexed += [one.image_id for one in own]
        rows = np.searchsorted(exact_ids, [one.image_id for one in own])
        for one, row in zip(own, rows.tolist(), strict=True):
            is_exact = row < len(exact_ids) and exact_ids[row] == one.image_id
            if is_exact and not _same(one, vectors[row]):
                differing.append(one.image_id)
        if on_progress is not None:
            total = max(len(indexed), info.indexed)
            on_progress(f"snapshot of {info.name}", len(indexed), total)
    in_index = set(index.ids().tolist())
    wrong = {*differing, *in_index.symmetric_difference(indexed)}
    wrong -= catalog.checks.changed_after(info.id, through)
    if not wrong:
        return None
    if len(wrong) == 1:
        return f"the snapshot differs from the catalog in image {min(wrong)}"
    return f"the snapshot differs from the catalog in {len(wrong):,} images, such as {min(wrong)}"


def _same(one: StoredEmbedding, vector: object) -> bool:
    return np.asarray(vector, dtype="<f4").tobytes() == one.packed
