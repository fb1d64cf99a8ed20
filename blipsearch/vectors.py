"""VectorIndex: nearest neighbours among embeddings; the only importer of faiss.

An index is derived from the catalog and can always be built again from it. On disk it is a
snapshot: a header that says what it holds and carries checksums, then faiss's own bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
from collections.abc import Collection
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from blipsearch.errors import EngineMissingError, QueryError, ShapeError, SnapshotError
from blipsearch.records import Embeddings

__all__ = ["Neighbours", "SnapshotStamp", "VectorIndex", "check_unit_rows"]

_FAISS_PACKAGES = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu11", "faiss-gpu-cu12")


def _check_one_faiss(names: Collection[str]) -> None:
    """Refuse two faiss packages side by side: the second one overwrote files of the first."""
    if len(names) > 1:
        raise EngineMissingError(
            f"{' and '.join(sorted(names))} are installed together and overwrite each other; "
            f"run `pip uninstall -y {' '.join(sorted(names))}` and then install one engine: "
            "`pip install 'blipsearch[gpu]'` or `pip install 'blipsearch[cpu]'`"
        )


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


_check_one_faiss([name for name in _FAISS_PACKAGES if _installed(name)])
try:
    import faiss
except ImportError as error:
    raise EngineMissingError(
        f"the search engine is not installed (faiss: {error}); "
        "run `pip install 'blipsearch[gpu]'` with an NVIDIA GPU, "
        "else `pip install 'blipsearch[cpu]'`"
    ) from error

Ids = npt.NDArray[np.int64]
"""Image ids, shape (n,), int64, none negative."""

_UNIT_TOLERANCE = 1e-3
_MAGIC = b"blipvec\0"
_VERSION = 1
_HEADER = struct.Struct("<8sII32s")  # magic, version, bytes of JSON, SHA-256 of the JSON
_LARGEST_JSON = 1 << 20


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest for each of q queries, best first.

    `ids` (q, k) int64, padded with -1; `cosines` (q, k) float32, padded with -inf.
    """

    ids: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SnapshotStamp:
    """What state a snapshot shows.

    `change` is the change number it reaches, `fingerprint` the checkpoint's whose embeddings it
    holds, `token` the name under which the catalog recorded it.
    """

    change: int
    fingerprint: str
    token: str


class VectorIndex:
    """Unit vectors under 64-bit ids, searched by inner product, which is their cosine.

    Made by `exact` or `load`. Safe to share between threads: a search sees each `add` and
    `remove` wholly or not at all.
    """

    def __init__(self, flat: Any, ids: Ids) -> None:  # noqa: ANN401  # faiss ships no types
        self._flat = flat
        self._ids = ids  # slot in `flat` -> id
        self._lock = threading.Lock()

    @classmethod
    def exact(cls, dim: int) -> VectorIndex:
        """Make an empty index that compares a query with every vector."""
        return cls(faiss.IndexFlatIP(dim), np.empty(0, dtype=np.int64))

    @property
    def kind(self) -> Literal["exact"]:
        """How neighbours are found."""
        return "exact"

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return int(self._flat.d)

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> Ids:
        """All ids, (n,) int64, ascending."""
        with self._lock:
            return np.sort(self._ids)

    def add(self, ids: Ids, vectors: Embeddings) -> None:
        """Add n vectors (n, dim) float32 of unit norm under their ids (n,); replaces ids there.

        Raises ShapeError where shape, dtype or norm differ, an id is negative or comes twice.
        """
        _check_ids(ids)
        check_unit_rows(vectors, self.dim)
        if len(ids) != len(vectors):
            raise ShapeError(f"{len(ids)} ids were given for {len(vectors)} vectors")
        if len(np.unique(ids)) != len(ids):
            raise ShapeError("each id may be given once; some come twice")
        with self._lock:
            slots = np.flatnonzero(np.isin(self._ids, ids))
            order = np.argsort(ids)
            rows = order[np.searchsorted(ids, self._ids[slots], sorter=order)]
            self._vectors()[slots] = vectors[rows]
            new = np.ones(len(ids), dtype=np.bool_)
            new[rows] = False
            self._flat.add(np.ascontiguousarray(vectors[new]))
            self._ids = np.concatenate([self._ids, ids[new]])

    def remove(self, ids: Ids) -> int:
        """Remove these ids; ids not there are left alone. Returns how many were removed."""
        _check_ids(ids)
        with self._lock:
            removed = np.isin(self._ids, ids)
            count = int(np.count_nonzero(removed))
            if not count:
                return 0
            # The last vectors move into the holes, so the cost is that of what is removed.
            kept = len(self._ids) - count
            holes = np.flatnonzero(removed[:kept])
            movers = kept + np.flatnonzero(~removed[kept:])
            vectors = self._vectors()
            vectors[holes] = vectors[movers]
            self._ids[holes] = self._ids[movers]
            self._flat.remove_ids(faiss.IDSelectorRange(kept, kept + count))
            self._ids = self._ids[:kept].copy()
            return count

    def search(self, queries: Embeddings, k: int, within: Ids | None = None) -> Neighbours:
        """Find the k nearest of each query (q, dim) float32 of unit norm, best first.

        With `within` (n,) int64 only those ids count; ids not in the index are left alone, and k
        neighbours come back whenever `within` holds k. Raises ShapeError for other queries and
        QueryError for k < 1.
        """
        check_unit_rows(queries, self.dim)
        if k < 1:
            raise QueryError(f"k must be at least 1, not {k}")
        queries = np.ascontiguousarray(queries)
        found = Neighbours(
            ids=np.full((len(queries), k), -1, dtype=np.int64),
            cosines=np.full((len(queries), k), -np.inf, dtype=np.float32),
        )
        with self._lock:
            cosines, slots = self._nearest(queries, k, within)
            found.ids[:, : slots.shape[1]] = self._ids[slots]
            found.cosines[:, : slots.shape[1]] = cosines
        return found

    def save(self, path: Path, stamp: SnapshotStamp) -> None:
        """Write the index to a file and wait until the disk has it. Raises SnapshotError."""
        with self._lock:
            payload = [
                self._ids.astype("<i8").tobytes(),
                faiss.serialize_index(self._flat).tobytes(),
            ]
        digest = hashlib.sha256()
        for part in payload:
            digest.update(part)
        text = json.dumps(
            {
                "kind": self.kind,
                "dim": self.dim,
                "count": len(payload[0]) // 8,
                "change": stamp.change,
                "fingerprint": stamp.fingerprint,
                "token": stamp.token,
                "payload_bytes": sum(memoryview(part).nbytes for part in payload),
                "payload_sha256": digest.hexdigest(),
            }
        ).encode()
        header = _HEADER.pack(_MAGIC, _VERSION, len(text), hashlib.sha256(text).digest())
        try:
            with path.open("wb") as file:
                file.writelines([header, text, *payload])
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SnapshotError(
                f"cannot write the snapshot {path}: {error}; the catalog is complete without it"
            ) from error

    @classmethod
    def load(cls, path: Path) -> tuple[VectorIndex, SnapshotStamp]:
        """Read a snapshot. Raises SnapshotError where it is torn, changed or another version."""
        try:
            with path.open("rb") as file:
                about = _read_header(file, path)
                payload = file.read()
        except OSError as error:
            raise SnapshotError(f"cannot read the snapshot {path}: {error}") from error
        if len(payload) != about["payload_bytes"]:
            raise SnapshotError(
                f"the snapshot {path} is torn: {len(payload)} of {about['payload_bytes']} bytes"
            )
        if hashlib.sha256(payload).hexdigest() != about["payload_sha256"]:
            raise SnapshotError(f"the snapshot {path} is damaged: its checksum differs")
        if about["kind"] != "exact":
            raise SnapshotError(f"the snapshot {path} is of an unknown kind {about['kind']!r}")
        ids = np.frombuffer(payload, dtype="<i8", count=about["count"]).astype(np.int64)
        try:
            flat = faiss.deserialize_index(np.frombuffer(payload, dtype=np.uint8)[ids.nbytes :])
        except RuntimeError as error:
            raise SnapshotError(
                f"this faiss ({faiss.__version__}) cannot read the snapshot {path}: {error}"
            ) from error
        stamp = SnapshotStamp(about["change"], about["fingerprint"], about["token"])
        return cls(flat, ids), stamp

    def _vectors(self) -> Embeddings:
        """The index's own memory as (n, dim), to be written in place."""
        count = int(self._flat.ntotal)
        if not count:
            return np.empty((0, self.dim), dtype=np.float32)
        flat = faiss.rev_swig_ptr(self._flat.get_xb(), count * self.dim)
        vectors: Embeddings = flat.reshape(count, self.dim)
        return vectors

    def _nearest(
        self, queries: Embeddings, k: int, within: Ids | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Cosines and slots, (q, min(k, how many there are))."""
        if within is None:
            k = min(k, len(self._ids))
            return self._flat.search(queries, k) if k else _nothing(len(queries))
        _check_ids(within)
        allowed = np.isin(self._ids, within)
        slots = np.flatnonzero(allowed)
        k = min(k, len(slots))
        if not k:
            return _nothing(len(queries))
        # Copying out the few is faster than skipping the many; measured to cross near a tenth.
        if len(slots) * 8 <= len(self._ids):
            few = self._vectors()[slots]
            cosines, rows = faiss.knn(queries, few, k, metric=faiss.METRIC_INNER_PRODUCT)
            return cosines, slots[rows]
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.SearchParameters(  # type: ignore[call-arg]  # faiss's stub lacks it
            sel=faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg,arg-type]
        )
        cosines, found = self._flat.search(queries, k, params=selector)
        return cosines, found


def _read_header(file: BinaryIO, path: Path) -> dict[str, Any]:
    """What the snapshot says of itself, once its checksum holds."""
    start = file.read(_HEADER.size)
    if len(start) < _HEADER.size:
        raise SnapshotError(f"the snapshot {path} is torn: it ends within its header")
    magic, version, length, digest = _HEADER.unpack(start)
    if magic != _MAGIC:
        raise SnapshotError(f"{path} is no snapshot of blipsearch")
    if version != _VERSION:
        raise SnapshotError(f"the snapshot {path} has version {version}, not {_VERSION}")
    text = file.read(min(length, _LARGEST_JSON))
    if hashlib.sha256(text).digest() != digest:
        raise SnapshotError(f"the snapshot {path} is damaged: its header's checksum differs")
    about: dict[str, Any] = json.loads(text)
    return about


def check_unit_rows(vectors: Embeddings, dim: int) -> None:
    """Raise ShapeError unless vectors are (n, dim) float32, finite, of norm 1 within 1e-3."""
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ShapeError(f"vectors must have shape (n, {dim}), not {vectors.shape}")
    if vectors.dtype != np.float32:
        raise ShapeError(f"vectors must be float32, not {vectors.dtype}")
    norms = np.linalg.norm(vectors, axis=1)
    # Written so that NaN fails it too.
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= _UNIT_TOLERANCE))
    if wrong.size:
        raise ShapeError(
            f"vectors must be finite and of unit norm; row {wrong[0]} has norm {norms[wrong[0]]}"
        )


def _check_ids(ids: Ids) -> None:
    if ids.ndim != 1 or ids.dtype != np.int64:
        raise ShapeError(f"ids must be (n,) int64, not {ids.shape} {ids.dtype}")
    if ids.size and ids.min() < 0:
        raise ShapeError(f"ids must not be negative; there is {ids.min()}")


def _nothing(queries: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    return np.empty((queries, 0), dtype=np.float32), np.empty((queries, 0), dtype=np.int64)
