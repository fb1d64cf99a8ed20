"""One run over everything that is hard on an indexer: it takes what is good, and says why not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from blipsearch.blip import BlipRetriever
from blipsearch.collection import Collection
from blipsearch.library import Library
from indexer.indexing import index_collection
from indexer.records import IndexOptions, IndexSummary
from tests.data.hostile import photo
from tests.data.torture import IGNORED, INDEXED, REFUSED, write_torture_folder
from tests.data.troubled_decoders import look_or_fail

MIB = 1 << 20

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # what is read here


@pytest.fixture(scope="module")
def retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(str(golden / "itm"))


@pytest.fixture
def collection(retriever: BlipRetriever, tmp_path: Path) -> Iterator[Collection]:
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", retriever.identity) as made,
    ):
        yield made


def own_bytes() -> int:
    """What this process and its decoders have for themselves."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue  # it has just ended
    return total


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Give a function that says how many bytes more there were at the highest than before."""
    over = threading.Event()
    highest = before = own_bytes()

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.05):
            highest = max(highest, own_bytes())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lambda: highest - before
    finally:
        over.set()
        watching.join()


def names(summary: IndexSummary) -> dict[str, str]:
    return {Path(one.path).name: one.reason for one in summary.failed}


def test_the_good_are_indexed_the_bad_have_a_reason_and_memory_stays_bounded(
    collection: Collection, retriever: BlipRetriever, tmp_path: Path
) -> None:
    folder = tmp_path / "torture"
    write_torture_folder(folder)
    assert len(INDEXED) + len(REFUSED) >= 40

    with watched() as peak:
        summary = index_collection(collection, retriever, [folder], IndexOptions())

    assert {entry.path for entry in collection.entries(status="indexed")} == set(INDEXED)
    reasons = names(summary)
    assert set(reasons) - set(IGNORED) == set(REFUSED)
    for name, (_, reason) in REFUSED.items():
        assert reasons[name].startswith(reason), name
    assert {Path(entry.path).name for entry in collection.failures()} >= set(REFUSED)
    assert peak() < 1024 * MIB

    again = index_collection(collection, retriever, [folder], IndexOptions())
    assert (again.added, again.changed, again.unchanged) == (0, 0, len(INDEXED))
    assert names(again) == reasons


def test_large_pictures_stay_within_the_memory_that_was_given(
    collection: Collection, retriever: BlipRetriever, tmp_path: Path
) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    large = photo(4000, 3000)
    large.save(folder / "1.png", compress_level=0)
    large.save(folder / "1.jpg", progressive=True)
    large.resize((2500, 2000)).save(folder / "1.webp", method=0)
    for number in (2, 3):
        for suffix in ("png", "jpg", "webp"):
            (folder / f"{number}.{suffix}").write_bytes((folder / f"1.{suffix}").read_bytes())

    with watched() as peak:
        options = IndexOptions(memory=384 * MIB, threads=4)
        summary = index_collection(collection, retriever, [folder], options)

    assert (summary.added, summary.failed) == (9, ())
    assert peak() < 384 * MIB


def test_decoders_that_crash_and_hang_cost_their_files_and_nothing_else(
    collection: Collection, retriever: BlipRetriever, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        photo(60, 40, number).save(folder / f"{number}.jpg")
    for name in ("abort", "hang", "segfault"):
        photo(60, 40).save(folder / f"{name}.jpg")

    options = IndexOptions(decode_timeout=5.0, batch_size=2, look=look_or_fail)
    summary = index_collection(collection, retriever, [folder], options)

    assert summary.added == 8
    assert names(summary) == {
        "abort.jpg": "the decoder crashed (signal 6)",
        "hang.jpg": "decoding took longer than 5 s",
        "segfault.jpg": "the decoder crashed (signal 11)",
    }
    again = index_collection(collection, retriever, [folder], options)
    assert (again.added, again.unchanged) == (0, 8)
    assert again.failed == summary.failed


def test_a_file_that_grows_while_it_is_read_is_seen_again_by_the_next_run(
    collection: Collection, retriever: BlipRetriever, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    growing = folder / "growing.jpg"
    photo(640, 480).save(growing)
    over = threading.Event()

    def grow() -> None:
        with growing.open("ab") as file:
            while not over.wait(0.001):
                file.write(bytes(1000))
                file.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        summary = index_collection(collection, retriever, [folder], IndexOptions())
    finally:
        time.sleep(0.01)
        over.set()
        thread.join()

    assert (summary.added, summary.failed) == (1, ())
    again = index_collection(collection, retriever, [folder], IndexOptions())
    assert again.changed + again.unchanged == 1
    assert index_collection(collection, retriever, [folder], IndexOptions()).unchanged == 1
