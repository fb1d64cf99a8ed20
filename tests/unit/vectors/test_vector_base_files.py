"""A snapshot over a base gives the index back, or says which of the files does not hold."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import pytest

from blipsearch.errors import SnapshotError
from blipsearch.records import Embedding
from blipsearch.snapshots import Snapshots
from blipsearch.vectors import IndexKind, SnapshotStamp, VectorIndex, base_paths
from tests.unit.collection_makers import DIM, assert_is_brute_force, unit_rows
from tests.unit.vectors.coded_makers import build, reader_of

PRINT = "f" * 64
STAMP = SnapshotStamp(change=9, fingerprint=PRINT, token="t")  # noqa: S106  # no secret


@dataclass(frozen=True)
class Saved:
    """A snapshot, the files it consists of, and what it must find."""

    snapshot: Path
    head: Path
    lists: Path
    truth: dict[int, Embedding]


def _saved(directory: Path, kind: IndexKind = "coded") -> Saved:
    truth = dict(zip(range(5, 1205), unit_rows(1200, 1), strict=True))
    base = build(directory, truth, kind)
    index = VectorIndex.over(base)
    index.remove(np.arange(5, 105, dtype=np.int64))
    index.add(np.array([200, 9000], dtype=np.int64), unit_rows(2, 2))
    truth = {i: vector for i, vector in truth.items() if i >= 105}
    truth |= dict(zip([200, 9000], unit_rows(2, 2), strict=True))
    index.save(directory / "vectors-1.faiss", STAMP)
    head, lists = base_paths(directory, base.facts.token)
    return Saved(directory / "vectors-1.faiss", head, lists, truth)


@pytest.mark.parametrize("kind", ["coded", "mapped"])
def test_what_was_saved_over_a_base_is_loaded(tmp_path: Path, kind: IndexKind) -> None:
    saved = _saved(tmp_path, kind)
    index, stamp = VectorIndex.load(saved.snapshot)
    assert stamp == STAMP
    assert index.kind == kind
    assert index.ids().tolist() == sorted(saved.truth)
    queries = unit_rows(3, 3)
    found = index.search(queries, 2000, None, reader_of(saved.truth))
    assert_is_brute_force(found, queries, 2000, saved.truth)


def test_a_snapshot_does_not_write_the_base_again(tmp_path: Path) -> None:
    saved = _saved(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (saved.head, saved.lists)}
    index, _ = VectorIndex.load(saved.snapshot)
    index.remove(np.array([500], dtype=np.int64))
    index.save(tmp_path / "vectors-2.faiss", STAMP)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "vectors-2.faiss").stat().st_size < saved.lists.stat().st_size / 10


@pytest.mark.parametrize("which", ["snapshot", "head", "lists"])
@pytest.mark.parametrize("harm", ["torn", "flipped", "missing", "longer"])
def test_any_file_that_does_not_hold_is_noticed(tmp_path: Path, which: str, harm: str) -> None:
    saved = _saved(tmp_path)
    path: Path = getattr(saved, which)
    data = bytearray(path.read_bytes())
    for share in (0.0, 0.1, 0.5, 0.99):
        harmed = bytearray(data)
        if harm == "torn":
            del harmed[int(len(data) * share) :]
        elif harm == "flipped":
            harmed[int(len(data) * share)] ^= 4
        else:
            harmed += b"\0"
        path.write_bytes(harmed)
        if harm == "missing":
            path.unlink()
        with pytest.raises(SnapshotError):
            VectorIndex.load(saved.snapshot)


@pytest.mark.parametrize("harm", ["torn", "another beginning"])
def test_of_a_mapped_base_size_and_beginning_are_checked(tmp_path: Path, harm: str) -> None:
    saved = _saved(tmp_path, "mapped")
    data = bytearray(saved.lists.read_bytes())
    if harm == "torn":
        del data[-1]
    else:
        data[100] ^= 1
    saved.lists.write_bytes(data)
    with pytest.raises(SnapshotError, match="torn" if harm == "torn" else "damaged"):
        VectorIndex.load(saved.snapshot)


def test_a_snapshot_over_another_base_than_it_names_is_refused(tmp_path: Path) -> None:
    saved = _saved(tmp_path)
    (tmp_path / "other").mkdir()
    truth = dict(zip(range(1, 2001), unit_rows(2000, 8), strict=True))
    other = build(tmp_path / "other", truth, "coded")
    for path, name in ((saved.head, "head"), (saved.lists, "faiss")):
        path.write_bytes((tmp_path / "other" / f"base-{other.facts.token}.{name}").read_bytes())
    with pytest.raises(SnapshotError, match="not taken over the base"):
        VectorIndex.load(saved.snapshot)


def test_a_snapshot_of_the_first_format_is_still_loaded(tmp_path: Path) -> None:
    """As it was written before there were bases: a header, the ids, faiss's own bytes."""
    ids, vectors = np.array([4, 1, 7], dtype="<i8"), unit_rows(3, 1)
    flat = faiss.IndexFlatIP(DIM)
    flat.add(vectors)
    payload = ids.tobytes() + faiss.serialize_index(flat).tobytes()
    facts = {"kind": "exact", "dim": DIM, "count": 3, "change": 9, "fingerprint": PRINT}
    facts |= {"token": "t", "payload_bytes": len(payload)}
    facts |= {"payload_sha256": hashlib.sha256(payload).hexdigest()}
    text = json.dumps(facts).encode()
    digest = hashlib.sha256(text).digest()
    header = struct.pack("<8sII32s", b"blipvec\0", 1, len(text), digest)
    (tmp_path / "old").write_bytes(header + text + payload)
    index, stamp = VectorIndex.load(tmp_path / "old")
    assert (index.kind, index.ids().tolist(), stamp) == ("exact", [1, 4, 7], STAMP)
    assert index.search(vectors, 1).ids[:, 0].tolist() == [4, 1, 7]


def test_a_missing_base_gives_way_to_the_snapshot_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = Snapshots(tmp_path)
    exact = VectorIndex.exact(DIM)
    exact.add(np.array([1], dtype=np.int64), unit_rows(1, 1))
    snapshots.write(exact, STAMP)
    truth = dict(zip(range(1, 1101), unit_rows(1100, 1), strict=True))
    base = build(tmp_path, truth, "coded")
    snapshots.write(VectorIndex.over(base), STAMP)
    (tmp_path / f"base-{base.facts.token}.faiss").unlink()
    loaded = snapshots.newest(PRINT, DIM, lambda token: token == STAMP.token)
    assert loaded is not None
    assert (loaded.path.name, len(loaded.index)) == ("vectors-1.faiss", 1)
    assert "cannot read the base" in caplog.text


def test_bases_that_no_snapshot_names_go_after_an_hour(tmp_path: Path) -> None:
    """Younger ones may be another process's that it has yet to name."""
    snapshots = Snapshots(tmp_path)
    truth = dict(zip(range(1, 1101), unit_rows(1100, 1), strict=True))
    named = build(tmp_path, truth, "coded")
    old, young = build(tmp_path, truth, "coded"), build(tmp_path, truth, "mapped")
    hour = (time.time() - 7200,) * 2
    for base in (named, old):
        for end in ("head", "faiss"):
            os.utime(tmp_path / f"base-{base.facts.token}.{end}", hour)
    (tmp_path / "base-x.faiss.12.tmp").write_bytes(b"half")
    os.utime(tmp_path / "base-x.faiss.12.tmp", hour)
    snapshots.write(VectorIndex.over(named), STAMP)
    tokens = {path.name.split(".")[0] for path in tmp_path.glob("base-*")}
    assert tokens == {f"base-{one.facts.token}" for one in (named, young)}


def test_a_mapped_base_that_was_deleted_is_searched_on(tmp_path: Path) -> None:
    saved = _saved(tmp_path, "mapped")
    index, _ = VectorIndex.load(saved.snapshot)
    saved.lists.unlink()
    found = index.search(unit_rows(1, 3), 5, None, reader_of(saved.truth))
    assert np.all(found.ids >= 0)
