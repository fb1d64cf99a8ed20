"""A snapshot file gives back the index it was made from, or says that it cannot."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blipsearch.errors import SnapshotError
from blipsearch.vectors import SnapshotStamp, VectorIndex
from tests.unit.collection_makers import DIM, unit_rows

STAMP = SnapshotStamp(change=42, fingerprint="f" * 64, token="t")  # noqa: S106  # no secret


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    index = VectorIndex.exact(DIM)
    index.add(np.arange(20, dtype=np.int64), unit_rows(20, 1))
    index.remove(np.array([3, 19], dtype=np.int64))
    index.save(tmp_path / "saved", STAMP)
    return tmp_path / "saved"


def _rewritten(path: Path, **changes: object) -> bytes:
    """The snapshot with other facts in its header, its checksums made right."""
    data = path.read_bytes()
    magic, version, length, _ = struct.unpack_from("<8sII32s", data)
    facts = json.loads(data[48 : 48 + length]) | changes
    text = json.dumps(facts).encode()
    header = struct.pack("<8sII32s", magic, version, len(text), hashlib.sha256(text).digest())
    return header + text + data[48 + length :]


def test_what_was_saved_is_loaded(saved: Path) -> None:
    index, stamp = VectorIndex.load(saved)
    assert stamp == STAMP
    assert (index.kind, index.dim, len(index)) == ("exact", DIM, 18)
    assert 3 not in index.ids()
    found = index.search(unit_rows(20, 1)[5:6], 1)
    assert found.ids.tolist() == [[5]]


def test_a_loaded_index_can_be_changed(saved: Path) -> None:
    index, _ = VectorIndex.load(saved)
    index.add(np.array([3, 4], dtype=np.int64), unit_rows(2, 9))
    assert index.remove(np.array([0, 3], dtype=np.int64)) == 2
    assert index.search(unit_rows(2, 9)[1:], 1).ids.tolist() == [[4]]


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    VectorIndex.exact(DIM).save(tmp_path / "empty", STAMP)
    index, _ = VectorIndex.load(tmp_path / "empty")
    assert len(index) == 0


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_off_anywhere_is_refused(saved: Path, share: float) -> None:
    torn = saved.with_name("torn")
    data = saved.read_bytes()
    torn.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SnapshotError):
        VectorIndex.load(torn)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_noticed(saved: Path, share: float, bit: int) -> None:
    flipped = saved.with_name("flipped")
    data = bytearray(saved.read_bytes())
    data[int(len(data) * share)] ^= 1 << bit
    flipped.write_bytes(data)
    with pytest.raises(SnapshotError):
        VectorIndex.load(flipped)


def test_bytes_after_the_end_are_noticed(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(SnapshotError, match="torn"):
        VectorIndex.load(saved)


def test_another_format_version_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[8] = 3
    saved.write_bytes(data)
    with pytest.raises(SnapshotError, match="version 3"):
        VectorIndex.load(saved)


def test_a_kind_this_program_does_not_know_is_refused(saved: Path) -> None:
    saved.write_bytes(_rewritten(saved, kind="graph"))
    with pytest.raises(SnapshotError, match="unknown kind 'graph'"):
        VectorIndex.load(saved)


def test_a_payload_faiss_cannot_read_is_refused(saved: Path) -> None:
    payload = bytes(8 * 18) + b"from another faiss"
    changes = {"payload_bytes": len(payload), "payload_sha256": hashlib.sha256(payload).hexdigest()}
    header = _rewritten(saved, **changes)
    length = struct.unpack_from("<8sII32s", header)[2]
    saved.write_bytes(header[: 48 + length] + payload)
    with pytest.raises(SnapshotError, match="cannot read the snapshot"):
        VectorIndex.load(saved)


def test_a_missing_file_and_a_missing_directory_are_said(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot read"):
        VectorIndex.load(tmp_path / "none")
    with pytest.raises(SnapshotError, match="the catalog is complete without it"):
        VectorIndex.exact(DIM).save(tmp_path / "none" / "below", STAMP)
