"""Whatever happens to a collection and its snapshots, it searches like numpy over its catalog."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from blipsearch.collection import Collection
from blipsearch.records import Embedding
from tests.unit.collection_makers import (
    assert_is_brute_force,
    failed_file,
    image_file,
    indexed_file,
    new_collection,
    opened_collection,
    unit_row,
    unit_rows,
)

_names = st.lists(st.integers(0, 15).map("{}.jpg".format), min_size=1, max_size=6)
_seeds = st.integers(0, 10_000)
_ids = st.lists(st.integers(1, 40), max_size=8)
_shares = st.floats(0, 1, exclude_max=True)


class CollectionMachine(RuleBasedStateMachine):
    """Two handles on one collection, and a plain account of what it must hold.

    `expected` maps a path to (id, seed of its embedding or None where it failed, missing?).
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="blipsearch-properties-"))
        self.handles = ExitStack()
        self.expected: dict[str, tuple[int, int | None, bool]] = {}
        self.used: set[int] = set()
        self.older: bytes | None = None

    @initialize()
    def make(self) -> None:
        with new_collection(self.directory) as photos:
            self.source_id = photos.add_source("/pictures").id
        self.open()

    def open(self) -> None:
        self.writer: Collection = self.handles.enter_context(opened_collection(self.directory))
        self.reader: Collection = self.handles.enter_context(opened_collection(self.directory))

    def teardown(self) -> None:
        self.handles.close()
        shutil.rmtree(self.directory)

    @rule(names=_names, seed=_seeds)
    def write(self, names: list[str], seed: int) -> None:
        """New files come in, known ones change, failed ones are repaired."""
        files = [indexed_file(self.source_id, name, seed + n) for n, name in enumerate(names)]
        ids = self.writer.write(files)
        for n, (name, image_id) in enumerate(zip(names, ids, strict=True)):
            self._keep(name, image_id, seed + n)

    @rule(names=_names)
    def fail(self, names: list[str]) -> None:
        self.writer.write([], [failed_file(self.source_id, name) for name in names])
        known = self.writer.known_files(self.source_id)
        for name in names:
            self._keep(name, known[name].id, None)

    @rule(names=_names, size=st.integers(1, 9))
    def touch(self, names: list[str], size: int) -> None:
        self.writer.touch([image_file(self.source_id, name, size) for name in names])

    @rule(ids=_ids)
    def remove(self, ids: list[int]) -> None:
        gone = [path for path, (image_id, *_) in self.expected.items() if image_id in ids]
        assert self.writer.remove(ids) == len(gone)
        for path in gone:
            del self.expected[path]

    @rule(ids=_ids, missing=st.booleans())
    def mark(self, ids: list[int], *, missing: bool) -> None:
        (self.writer.mark_missing if missing else self.writer.mark_present)(ids)
        for path, (image_id, seed, _) in list(self.expected.items()):
            if image_id in ids:
                self.expected[path] = (image_id, seed, missing)

    @rule()
    def snapshot(self) -> None:
        path = self.writer.snapshot()
        if self.older is None:
            self.older = path.read_bytes()

    @rule()
    def swap_handles(self) -> None:
        """The one that followed writes now; it must have caught up by itself."""
        self.writer, self.reader = self.reader, self.writer

    @rule()
    def reopen(self) -> None:
        self.handles.close()
        self.open()

    @rule(share=_shares)
    def reopen_with_a_torn_snapshot(self, share: float) -> None:
        self._damage(lambda data: data[: int(len(data) * share)])

    @rule(share=_shares, bit=st.integers(0, 7))
    def reopen_with_a_flipped_bit(self, share: float, bit: int) -> None:
        def flip(data: bytes) -> bytes:
            flipped = bytearray(data or b"\0")
            flipped[int(len(flipped) * share)] ^= 1 << bit
            return bytes(flipped)

        self._damage(flip)

    @rule()
    def reopen_with_an_older_snapshot_under_the_newest_name(self) -> None:
        self._damage(lambda data: self.older or data)

    @rule(all_of_them=st.booleans())
    def reopen_without_snapshots(self, *, all_of_them: bool) -> None:
        self.handles.close()
        for path in self._snapshots()[0 if all_of_them else 1 :]:
            path.unlink()
        self.open()

    @invariant()
    def both_handles_search_like_brute_force(self) -> None:
        truth = self._truth()
        self.reader.refresh()
        assert not self.reader.refresh()
        queries = unit_rows(2, len(self.used))
        within = np.array([*sorted(self.used)[::2], 10**12], dtype=np.int64)
        inside = {i: vector for i, vector in truth.items() if i in within}
        for handle in (self.writer, self.reader):
            assert_is_brute_force(handle.search(queries, 5), queries, 5, truth)
            assert_is_brute_force(handle.search(queries, 5, within), queries, 5, inside)

    @invariant()
    def the_catalog_holds_what_was_written(self) -> None:
        with closing(sqlite3.connect(self.directory / "catalog.sqlite")) as connection:
            rows = connection.execute("SELECT path, id, embedding, status FROM images").fetchall()
        assert {row[0] for row in rows} == set(self.expected)
        for path, image_id, packed, status in rows:
            expected_id, seed, missing = self.expected[path]
            assert image_id == expected_id
            assert packed == (None if seed is None else unit_row(seed).astype("<f4").tobytes())
            alive = "failed" if seed is None else "indexed"
            assert status == ("missing" if missing else alive)

    def _keep(self, path: str, image_id: int, seed: int | None) -> None:
        """Paths keep their ids; a new path has an id nobody had before."""
        if path in self.expected:
            assert self.expected[path][0] == image_id
        else:
            assert image_id not in self.used
        self.used.add(image_id)
        self.expected[path] = (image_id, seed, False)

    def _truth(self) -> dict[int, Embedding]:
        return {
            image_id: unit_row(seed)
            for image_id, seed, missing in self.expected.values()
            if seed is not None and not missing
        }

    def _snapshots(self) -> list[Path]:
        """Oldest first."""
        paths = self.directory.glob("collections/1/vectors-*.faiss")
        return sorted(paths, key=lambda path: int(path.stem.removeprefix("vectors-")))

    def _damage(self, change: Callable[[bytes], bytes]) -> None:
        self.handles.close()
        for path in self._snapshots()[-1:]:
            path.write_bytes(change(path.read_bytes()))
        self.open()


TestCollectionProperties = CollectionMachine.TestCase
TestCollectionProperties.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, print_blob=True
)
