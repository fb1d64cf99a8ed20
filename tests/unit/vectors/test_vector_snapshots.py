"""The snapshot directory keeps the newest two, and finds the newest that holds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from blipsearch.errors import SnapshotError
from blipsearch.snapshots import Snapshots
from blipsearch.vectors import SnapshotStamp, VectorIndex
from tests.unit.collection_makers import DIM, unit_rows

PRINT = "f" * 64
TOKEN = "0123"  # noqa: S105  # no secret


def _index(count: int) -> VectorIndex:
    index = VectorIndex.exact(DIM)
    index.add(np.arange(count, dtype=np.int64), unit_rows(count, 1))
    return index


def _is_known(token: str) -> bool:
    return token == TOKEN


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "made" / "when needed")
    paths = [snapshots.write(_index(n), SnapshotStamp(n, PRINT, TOKEN)) for n in (1, 2, 3)]
    assert [path.name for path in paths] == [f"vectors-{n}.faiss" for n in (1, 2, 3)]
    assert _names(snapshots.directory) == ["vectors-2.faiss", "vectors-3.faiss"]


def test_generations_are_numbers_not_words(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    for change in range(1, 13):
        snapshots.write(_index(1), SnapshotStamp(change, PRINT, TOKEN))
    assert _names(tmp_path) == ["vectors-11.faiss", "vectors-12.faiss"]
    loaded = snapshots.newest(PRINT, DIM, _is_known)
    assert loaded is not None
    assert loaded.change == 12


def test_a_damaged_newest_gives_way_to_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = Snapshots(tmp_path)
    snapshots.write(_index(1), SnapshotStamp(1, PRINT, TOKEN))
    newest = snapshots.write(_index(2), SnapshotStamp(2, PRINT, TOKEN))
    newest.write_bytes(newest.read_bytes()[:-1])
    loaded = snapshots.newest(PRINT, DIM, _is_known)
    assert loaded is not None
    assert (loaded.change, len(loaded.index)) == (1, 1)
    assert "torn" in caplog.text


@pytest.mark.parametrize(
    ("fingerprint", "dim", "token"), [("e" * 64, DIM, TOKEN), (PRINT, 8, TOKEN), (PRINT, DIM, "4")]
)
def test_a_snapshot_of_another_catalog_is_left_alone(
    tmp_path: Path, fingerprint: str, dim: int, token: str
) -> None:
    """Of another checkpoint, of another width, or one the catalog never recorded."""
    snapshots = Snapshots(tmp_path)
    path = snapshots.write(_index(1), SnapshotStamp(5, PRINT, token))
    assert snapshots.newest(fingerprint, dim, _is_known) is None
    assert path.exists()


def test_what_a_killed_writer_left_goes_after_an_hour(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    for name, age in (("vectors-1.faiss.77.tmp", 7200), ("vectors-1.faiss.78.tmp", 60)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    snapshots.write(_index(1), SnapshotStamp(1, PRINT, TOKEN))
    assert _names(tmp_path) == ["vectors-1.faiss", "vectors-1.faiss.78.tmp"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SnapshotError, match="the catalog is complete"):
        Snapshots(tmp_path / "file").write(_index(1), SnapshotStamp(1, PRINT, TOKEN))


def test_no_directory_is_no_snapshot(tmp_path: Path) -> None:
    assert Snapshots(tmp_path / "none").newest(PRINT, DIM, _is_known) is None
