"""Folders that are watched: what changes in them is indexed while it is looked at, and no more."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.records import Source
from blipsearch.testing import sample_image, write_sample_images
from indexer.indexing import index_collection, index_paths
from indexer.records import IndexSummary
from indexer.sources import resolve_sources
from indexer.watched import Watched
from indexer.watching import WatchOptions, watch_sources


@dataclass
class Watch:
    """A collection that is kept in step with some sources; `looks` are what was told."""

    collection: Collection
    retriever: BlipRetriever
    looks: list[Watched] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def follow(self, *sources: Path | str, full_pass_seconds: float = 900.0) -> None:
        options = WatchOptions(settle_seconds=0.1, full_pass_seconds=full_pass_seconds)
        names = [str(source) for source in sources]

        def run() -> None:
            try:
                watch_sources(
                    self.collection,
                    resolve_sources(names),
                    OfThese(self.collection, self.retriever, names),
                    options,
                    self.looks.append,
                    self._stop,
                )
            except BaseException as error:
                self._errors.append(error)
                raise

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()
        self.wait_for(lambda: bool(self.looks))

    def wait_for(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 240
        while not holds():
            assert not self._errors
            assert time.monotonic() < end, (self.looks, self.paths())
            time.sleep(0.02)

    def wait_for_paths(self, *paths: str) -> None:
        self.wait_for(lambda: self.paths() == sorted(paths))

    def paths(self) -> list[str]:
        return sorted(self.ids())

    def ids(self) -> dict[str, int]:
        return {entry.path: entry.id for entry in self.collection.entries(status="indexed")}

    @property
    def whole(self) -> int:
        """How many looks were at everything."""
        return sum(one.paths is None for one in self.looks)

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@dataclass(frozen=True)
class OfThese:
    """Indexing as the command line does it."""

    collection: Collection
    retriever: BlipRetriever
    sources: Sequence[str]

    def everything(self) -> IndexSummary:
        return index_collection(self.collection, self.retriever, self.sources)

    def some(self, source: Source, paths: Sequence[str]) -> IndexSummary:
        return index_paths(self.collection, self.retriever, source, paths)


@pytest.fixture(scope="module")
def retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(golden / "itm")


@pytest.fixture
def watch(tmp_path: Path, retriever: BlipRetriever) -> Iterator[Watch]:
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("default", retriever.identity) as collection,
    ):
        watching = Watch(collection, retriever)
        try:
            yield watching
        finally:
            watching.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_sample_images(tmp_path / "photos", 3)
    return tmp_path / "photos"


def appear(path: Path, number: int) -> None:
    """Put a picture somewhere, whole at once: nobody sees half of it."""
    with TemporaryDirectory(dir=path.parents[2]) as beside:
        sample_image(number).save(Path(beside) / path.name)
        (Path(beside) / path.name).replace(path)


def test_pictures_that_come_change_move_and_go_are_followed(watch: Watch, photos: Path) -> None:
    watch.follow(photos)
    watch.wait_for_paths("000.png", "001.png", "002.png")
    ids = watch.ids()
    old = watch.collection.embedding(ids["001.png"])

    appear(photos / "new.png", 10)
    watch.wait_for_paths("000.png", "001.png", "002.png", "new.png")
    appear(photos / "001.png", 11)
    watch.wait_for(lambda: sum(look.summary.changed for look in watch.looks) == 1)
    assert (watch.collection.embedding(ids["001.png"]) != old).any()
    (photos / "000.png").rename(photos / "moved.png")
    watch.wait_for_paths("001.png", "002.png", "moved.png", "new.png")
    (photos / "002.png").unlink()
    watch.wait_for_paths("001.png", "moved.png", "new.png")

    assert watch.ids()["moved.png"] == ids["000.png"]
    assert watch.whole == 1
    assert sum(look.summary.added for look in watch.looks) == 4
    assert sum(look.summary.moved for look in watch.looks) == 1
    assert watch.looks[1].line.startswith("1 change: 1 added (")


def test_whole_folders_come_are_renamed_and_go(watch: Watch, photos: Path, tmp_path: Path) -> None:
    watch.follow(photos)
    write_sample_images(tmp_path / "trip" / "deep", 3, seed=50)
    (tmp_path / "trip").rename(photos / "trip")
    watch.wait_for(lambda: len(watch.paths()) == 6)
    ids = watch.ids()

    (photos / "trip").rename(photos / "journey")
    watch.wait_for(lambda: "journey/deep/000.png" in watch.paths() and len(watch.paths()) == 6)
    assert watch.ids()["journey/deep/001.png"] == ids["trip/deep/001.png"]

    shutil.rmtree(photos / "journey")
    watch.wait_for_paths("000.png", "001.png", "002.png")
    assert watch.whole == 1


def test_folders_made_and_filled_at_once_are_not_missed(watch: Watch, photos: Path) -> None:
    watch.follow(photos)
    for number in range(5):
        write_sample_images(photos / "a" / "b" / str(number), 2, seed=100 * number)
    watch.wait_for(lambda: len(watch.paths()) == 13)


def test_a_picture_that_moves_from_one_source_to_another_stays_what_it_was(
    watch: Watch, photos: Path, tmp_path: Path
) -> None:
    other = tmp_path / "before"
    write_sample_images(other, 2, seed=70)
    watch.follow(photos, other)
    watch.wait_for(lambda: len(watch.collection.sources()) == 2)
    (image_id,) = (
        one.id for one in watch.collection.entries() if one.absolute_path == str(other / "000.png")
    )

    (other / "000.png").rename(photos / "moved.png")

    watch.wait_for(lambda: "moved.png" in watch.paths())
    assert watch.ids()["moved.png"] == image_id


def test_a_file_that_is_written_slowly_is_indexed_once_it_is_whole(
    watch: Watch, photos: Path, tmp_path: Path
) -> None:
    watch.follow(photos)
    sample_image(5, size=(400, 400)).save(tmp_path / "slow.png")
    content = (tmp_path / "slow.png").read_bytes()
    with (photos / "slow.png").open("wb") as file:
        for start in range(0, len(content), len(content) // 5):
            file.write(content[start : start + len(content) // 5])
            file.flush()
            time.sleep(0.3)  # longer than it takes to settle: half a picture is looked at
    watch.wait_for(lambda: "slow.png" in watch.paths())
    assert not list(watch.collection.failures())


def test_what_is_said_beside_a_picture_is_followed(watch: Watch, photos: Path) -> None:
    watch.follow(photos)
    image_id = watch.ids()["000.png"]
    side = photos / "000.json"

    side.write_text('{"tags": ["sea"]}')
    watch.wait_for(lambda: watch.collection.image(image_id).tags == ("sea",))
    side.write_text('{"tags": ["lake"]}')
    watch.wait_for(lambda: watch.collection.image(image_id).tags == ("lake",))
    side.unlink()
    watch.wait_for(lambda: watch.collection.image(image_id).tags == ())
    assert watch.whole == 1


def test_what_is_ignored_stays_so(watch: Watch, photos: Path) -> None:
    (photos / ".blipsearchignore").write_text("drafts/\n")
    watch.follow(photos)
    write_sample_images(photos / "drafts", 2, seed=20)
    write_sample_images(photos / "node_modules", 2, seed=30)
    write_sample_images(photos / ".hidden", 2, seed=40)
    (photos / "notes.md").write_text("no picture")
    (photos / "last.png").write_bytes((photos / "000.png").read_bytes())

    watch.wait_for_paths("000.png", "001.png", "002.png", "last.png")
    assert watch.whole == 1
    (photos / ".blipsearchignore").write_text("nothing\n")
    watch.wait_for(lambda: "drafts/001.png" in watch.paths())


def test_a_root_that_goes_leaves_the_searches_and_comes_back_with_it(
    watch: Watch, photos: Path, tmp_path: Path
) -> None:
    watch.follow(photos)
    ids = watch.ids()

    photos.rename(tmp_path / "unplugged")
    watch.wait_for_paths()
    (tmp_path / "unplugged").rename(photos)
    watch.wait_for(lambda: watch.ids() == ids)
    appear(photos / "new.png", 60)
    watch.wait_for(lambda: sum(look.summary.added for look in watch.looks) == 4)

    assert watch.ids().items() > ids.items()


def test_a_pattern_is_watched_by_looking_again(watch: Watch, photos: Path) -> None:
    watch.follow(photos / "*1.png", photos / "002.png")
    watch.wait_for_paths("001.png", "002.png")

    appear(photos / "101.png", 60)
    appear(photos / "102.png", 61)

    watch.wait_for_paths("001.png", "002.png", "101.png")


def test_what_the_library_itself_writes_is_no_event(
    watch: Watch, photos: Path, tmp_path: Path
) -> None:
    watch.follow(tmp_path)  # the library lies in the folder that is watched
    watch.wait_for(lambda: len(watch.paths()) == 3)
    appear(photos / "new.png", 60)
    watch.wait_for(lambda: len(watch.looks) == 2)
    appear(photos / "newer.png", 60)
    watch.wait_for(lambda: len(watch.looks) == 3)

    assert [look.paths for look in watch.looks] == [None, 1, 1]


def test_everything_is_looked_at_now_and_then(watch: Watch, photos: Path) -> None:
    watch.follow(photos, full_pass_seconds=0.2)
    watch.wait_for(lambda: watch.whole >= 3)
    assert {look.line.partition(" (")[0] for look in watch.looks[1:]} == {"everything: nothing new"}
