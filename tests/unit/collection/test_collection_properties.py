"""Whatever happens to a collection and its snapshots, it searches like numpy over its catalog."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
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
_picks = st.lists(st.integers(0, 15), min_size=1, max_size=6)
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
        self.write([f"{n}.jpg" for n in range(8)], seed=1)
        self.snapshot()

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

    @rule(picks=_picks)
    def remove(self, picks: list[int]) -> None:
        gone = self._picked(picks)
        ids = [self.expected.pop(path)[0] for path in gone]
        assert self.writer.remove([*ids, 10**9]) == len(gone)

    @rule(picks=_picks)
    def mark_missing(self, picks: list[int]) -> None:
        gone = self._picked(picks)
        self.writer.mark_missing([self.expected[path][0] for path in gone])
        for path in gone:
            self.expected[path] = (*self.expected[path][:2], True)

    @rule(picks=_picks)
    def mark_present(self, picks: list[int]) -> None:
        back = self._picked(picks)
        self.writer.mark_present([self.expected[path][0] for path in back])
        for path in back:
            self.expected[path] = (*self.expected[path][:2], False)

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

    @rule(
        harm=st.sampled_from(["torn", "flipped", "older", "deleted", "all deleted"]),
        share=_shares,
        bit=st.integers(0, 7),
    )
    def reopen_with_a_harmed_snapshot(self, harm: str, share: float, bit: int) -> None:
        """The newest file is cut off or changed anywhere, replaced by an older one, or gone."""
        self.handles.close()
        snapshots = self._snapshots()
        if harm == "all deleted":
            for path in snapshots:
                path.unlink()
        elif snapshots and harm == "deleted":
            snapshots[-1].unlink()
        elif snapshots:
            data = bytearray(snapshots[-1].read_bytes())
            if harm == "older":
                data[:] = self.older or data
            elif harm == "torn":
                del data[int(len(data) * share) :]
            elif data:
                data[int(len(data) * share)] ^= 1 << bit
            snapshots[-1].write_bytes(data)
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

    def _picked(self, picks: list[int]) -> list[str]:
        """Some of the paths there are, each once."""
        paths = sorted(self.expected)
        return sorted({paths[pick % len(paths)] for pick in picks} if paths else ())


TestCollectionProperties = CollectionMachine.TestCase
TestCollectionProperties.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, print_blob=True
)
