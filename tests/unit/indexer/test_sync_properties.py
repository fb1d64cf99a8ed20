"""Whatever happens to files and roots between runs, the catalog has what an oracle has.

The oracle knows nothing of how it is done: it has the files by root and path, the rows as they
should be, and the rules in words.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.records import Embedding
from blipsearch.testing import sample_image
from tests.unit.indexer.synchronised import CountingRetriever, synchronise

ROOTS = ("a", "b", "c")
BAD = 0
"""The content that is no picture."""

Key = tuple[str, str]
"""A root and a path in it."""


@dataclass(frozen=True)
class File:
    content: int
    version: int


@dataclass(frozen=True)
class Row:
    id: int
    file: File
    status: str

    @property
    def content(self) -> int | None:
        """What an image is known to hold; of a file that failed nothing is."""
        return None if self.file.content == BAD else self.file.content


class Oracle:
    """Which rows there should be after a run over some roots."""

    def __init__(self) -> None:
        self.files: dict[Key, File] = {}
        self.rows: dict[Key, Row] = {}
        self.away: set[str] = set()
        self.emptied: set[str] = set()
        self.seen: set[int] = set()

    def there(self) -> dict[Key, File]:
        """The files that can be found now."""
        gone = self.away | self.emptied
        return {key: file for key, file in self.files.items() if key[0] not in gone}

    def lost(self, roots: set[str]) -> set[str]:
        """The roots of which nothing is certain."""
        full = {root for root, _ in self.there()}
        known = {root for root, _ in self.rows}
        return {root for root in roots if root in self.away or (root in known - full)}

    def run(self, roots: set[str], ids: dict[Key, int], *, prune: bool) -> tuple[int, int]:
        """Bring the rows up to date; `ids` are what the catalog has now, for those that are new.

        Returns how many images had to be embedded and how many are missing.
        """
        there, lost = self.there(), self.lost(roots)
        full = {root for root, _ in there}
        embedded, gone = 0, set()
        free: dict[int, Key] = {}
        for key, row in list(self.rows.items()):
            is_there = key in there
            if key[0] in lost:
                self.rows[key] = replace(row, status="missing")
            elif key[0] in roots and is_there:
                embedded += self._seen_again(key, row, there[key])
            elif key[0] in roots:
                self.rows[key] = replace(row, status="missing")
                gone.add(key)
            if not is_there and key[0] in full and row.content is not None:
                free[row.id] = key
        new = {key: there[key] for key in there if key[0] in roots and key not in self.rows}
        embedded += self._new(new, free, ids)
        gone &= self.rows.keys()
        for key in gone if prune else ():
            del self.rows[key]
        missing = sum(key[0] in lost or (key in gone and not prune) for key in self.rows)
        return embedded, missing

    def _seen_again(self, key: Key, row: Row, file: File) -> int:
        status = "failed" if file.content == BAD else "indexed"
        self.rows[key] = replace(row, file=file, status=status)
        return int(file.content not in (row.file.content, BAD))

    def _new(self, new: dict[Key, File], free: dict[int, Key], ids: dict[Key, int]) -> int:
        """Give new files the rows of their content that are free, as many as there are."""
        embedded = 0
        contents = {image_id: self.rows[key].content for image_id, key in free.items()}
        for content in {file.content for file in new.values()}:
            keys = [key for key, file in new.items() if file.content == content]
            fitting = {image_id for image_id, its in contents.items() if its == content}
            taken = {ids[key] for key in keys} & fitting
            assert len(taken) == min(len(keys), len(fitting))
            assert len({ids[key] for key in keys}) == len(keys)
            assert not self.seen & ({ids[key] for key in keys} - taken)
            for image_id in taken:
                del self.rows[free[image_id]]
            status = "failed" if content == BAD else "indexed"
            self.rows |= {key: Row(ids[key], new[key], status) for key in keys}
            embedded += 0 if content == BAD else len(keys) - len(taken)
        self.seen |= {row.id for row in self.rows.values()}
        return embedded


PATHS = ("1.png", "2.png", "below/1.png", "below/deep/3.png")

_roots = st.sampled_from(ROOTS)
_keys = st.tuples(_roots, st.sampled_from(PATHS))
_contents = st.sampled_from([1, 2, BAD])
_which = st.integers(0, 1000)


@dataclass
class World:
    """Three roots on disk, the collection that knows them, and the oracle of both."""

    base: Path
    collection: Collection
    retriever: CountingRetriever
    contents: dict[int, bytes]
    embeddings: dict[int, Embedding]
    oracle: Oracle = field(default_factory=Oracle)
    version: int = 0

    def put(self, key: Key, content: int) -> None:
        """Make a new file, a copy of another, or a file that gets another content."""
        if self._is_open(key[0]):
            self._write(key, content)

    def touch(self, which: int) -> None:
        """Give a file another mtime."""
        for key in self._some(which):
            self._write(key, self.oracle.files[key].content)

    def delete(self, which: int) -> None:
        """Delete a file, and the folders that it leaves empty."""
        for key in self._some(which):
            del self.oracle.files[key]
            self.base.joinpath(*key).unlink()

    def move(self, which: int, to: Key, *, touched: bool) -> None:
        """Move a file to a path where there is none."""
        for key in self._some(which):
            if not self._is_open(to[0]) or to in self.oracle.files:
                return
            self.oracle.files[to] = self.oracle.files.pop(key)
            self.base.joinpath(*to).parent.mkdir(parents=True, exist_ok=True)
            self.base.joinpath(*key).rename(self.base.joinpath(*to))
            if touched:
                self._write(to, self.oracle.files[to].content)

    def disconnect(self, root: str, *, leave_a_folder: bool) -> None:
        """Take a root away, as a drive that drops out."""
        if not self._is_open(root):
            return
        (self.base / root).rename(self.base / f"{root}-kept")
        (self.oracle.emptied if leave_a_folder else self.oracle.away).add(root)
        if leave_a_folder:
            (self.base / root).mkdir()

    def connect(self, root: str) -> None:
        """Bring a root back."""
        if self._is_open(root):
            return
        if root in self.oracle.emptied:
            (self.base / root).rmdir()
        (self.base / f"{root}-kept").rename(self.base / root)
        self.oracle.emptied.discard(root)
        self.oracle.away.discard(root)

    def copy(self, which: int, to: Key) -> None:
        """Copy a file to a path where there is none."""
        for key in self._some(which):
            if to not in self.oracle.files:
                self.put(to, self.oracle.files[key].content)

    def run_again(self, roots: set[str]) -> None:
        """Index some roots once more: nothing happens."""
        change = self.collection.info.change
        self.run(roots, prune=False)
        assert self.collection.info.change == change

    def _is_open(self, root: str) -> bool:
        return root not in self.oracle.away | self.oracle.emptied

    def _some(self, which: int) -> list[Key]:
        """One of the files that can be got at, if there is any."""
        files = sorted(self.oracle.there())
        return [files[which % len(files)]] if files else []

    def _write(self, key: Key, content: int) -> None:
        self.version += 1
        self.oracle.files[key] = File(content, self.version)
        path = self.base.joinpath(*key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.contents[content])
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + self.version))

    def run(self, roots: set[str], *, prune: bool) -> None:
        """Index some roots, and hold the collection against the oracle."""
        sources = [self.base / root for root in sorted(roots)]
        summary = synchronise(self.collection, self.retriever, sources, prune=prune)
        entries = {
            (Path(entry.source.root).name, entry.path): entry for entry in self.collection.entries()
        }
        ids = {key: entry.id for key, entry in entries.items()}
        embedded, missing = self.oracle.run(roots, ids, prune=prune)
        assert {key: (entry.id, entry.status) for key, entry in entries.items()} == {
            key: (row.id, row.status) for key, row in self.oracle.rows.items()
        }
        assert self.retriever.embedded() == embedded
        assert summary.missing == missing
        self._check_search()

    def _check_search(self) -> None:
        """Hold the embeddings against those of the same content, and searches against the rows."""
        indexed = {row.id for row in self.oracle.rows.values() if row.status == "indexed"}
        for row in self.oracle.rows.values():
            if row.id in indexed:
                found = self.collection.embedding(row.id)
                expected = self.embeddings.setdefault(row.file.content, found)
                np.testing.assert_allclose(found, expected, atol=1e-5)
        for embedding in self.embeddings.values():
            hits = self.collection.search(embedding[None], 50).ids[0]
            assert set(hits[hits >= 0].tolist()) == indexed


Event = Callable[[World], None]

_events = st.one_of(
    st.builds(lambda key, content: lambda world: world.put(key, content), _keys, _contents),
    st.builds(lambda which: lambda world: world.touch(which), _which),
    st.builds(lambda which: lambda world: world.delete(which), _which),
    st.builds(lambda which, to: lambda world: world.copy(which, to), _which, _keys),
    st.builds(
        lambda which, to, touched: lambda world: world.move(which, to, touched=touched),
        *(_which, _keys, st.booleans()),
    ),
    st.builds(
        lambda root, left: lambda world: world.disconnect(root, leave_a_folder=left),
        *(_roots, st.booleans()),
    ),
    st.builds(lambda root: lambda world: world.connect(root), _roots),
)
_runs = st.builds(
    lambda roots, prune: lambda world: world.run(roots, prune=prune),
    st.one_of(st.just(set(ROOTS)), st.sets(_roots, min_size=1)),
    st.booleans(),
)
_rounds = st.tuples(st.lists(_events, min_size=2, max_size=6), _runs)


@pytest.fixture(scope="module")
def retriever(golden: Path) -> CountingRetriever:
    return CountingRetriever.from_pretrained(str(golden / "itm"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty library, to be copied: making one takes longer than what is tried in it."""
    directory = tmp_path_factory.mktemp("fresh") / "library"
    Library.open(directory, create=True).close()
    return directory


@pytest.fixture(scope="module")
def contents() -> dict[int, bytes]:
    made = {BAD: b"no picture"}
    for content in (1, 2):
        file = BytesIO()
        sample_image(content).save(file, format="PNG")
        made[content] = file.getvalue()
    return made


@settings(max_examples=40, deadline=None, print_blob=True)
@given(
    first=st.dictionaries(_keys, _contents, min_size=4),
    rounds=st.lists(_rounds, min_size=2, max_size=4),
)
def test_the_catalog_has_what_the_oracle_has(
    retriever: CountingRetriever,
    fresh: Path,
    contents: dict[int, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[Key, int],
    rounds: list[tuple[list[Event], Event]],
) -> None:
    base = tmp_path_factory.mktemp("sync")
    shutil.copytree(fresh, base / "library")
    retriever.batches = []
    with (
        Library.open(base / "library") as library,
        library.create_collection("photos", retriever.identity) as collection,
    ):
        world = World(base, collection, retriever, contents, {})
        for root in ROOTS:
            (base / root).mkdir()
        for key, content in first.items():
            world.put(key, content)
        world.run(set(ROOTS), prune=False)
        for events, run in rounds:
            for event in events:
                event(world)
            run(world)
        world.run(set(ROOTS), prune=False)
        world.run_again(set(ROOTS))
    shutil.rmtree(base)
