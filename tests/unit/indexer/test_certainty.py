"""What is not certainly gone is never removed, and what is there again comes back."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from blipsearch.collection import Collection
from blipsearch.library import Library
from blipsearch.testing import sample_image
from indexer.plan import make_plan
from indexer.sources import FileListing, list_files, origins_of
from tests.unit.indexer.synchronised import CountingRetriever, by_path, synchronise


@pytest.fixture(scope="module")
def retriever(golden: Path) -> CountingRetriever:
    loaded = CountingRetriever.from_pretrained(str(golden / "itm"))
    loaded.batches = []
    return loaded


@pytest.fixture
def collection(retriever: CountingRetriever, tmp_path: Path) -> Iterator[Collection]:
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", retriever.identity) as made,
    ):
        yield made


def picture(path: Path, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sample_image(number).save(path, "PNG")
    return path


def statuses(collection: Collection) -> dict[str, str]:
    return {Path(path).name: entry.status for path, entry in by_path(collection).items()}


def test_a_file_that_was_given_by_name_comes_back_with_its_drive(
    collection: Collection, retriever: CountingRetriever, tmp_path: Path
) -> None:
    drive = tmp_path / "drive"
    odd, hidden = picture(drive / "scan.dat", 1), picture(drive / ".hidden" / "2.png", 2)
    plain = picture(drive / "3.png", 3)
    synchronise(collection, retriever, [drive])
    synchronise(collection, retriever, [odd, hidden])
    assert set(statuses(collection).values()) == {"indexed"}
    drive.rename(tmp_path / "away")
    synchronise(collection, retriever)
    assert set(statuses(collection).values()) == {"missing"}
    (tmp_path / "away").rename(drive)
    synchronise(collection, retriever)
    assert statuses(collection) == {
        odd.name: "indexed",
        hidden.name: "indexed",
        plain.name: "indexed",
    }


def test_a_root_that_goes_while_it_is_looked_through_proves_nothing(
    collection: Collection, retriever: CountingRetriever, tmp_path: Path
) -> None:
    drive = tmp_path / "drive"
    for number in range(4):
        picture(drive / f"{number}.png", number)
    synchronise(collection, retriever, [drive])
    (whole,) = list_files(origins_of(collection.sources()))
    shutil.rmtree(drive)
    drive.mkdir()
    part = FileListing(str(drive), whole.files[:1])
    plan = make_plan(collection, [part])
    assert plan.absent.unclaimed() == []
    assert [lost.images for lost in plan.lost] == [4]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_became_damaged_loses_nothing(
    kind: str, collection: Collection, retriever: CountingRetriever, tmp_path: Path
) -> None:
    files = [picture(tmp_path / "files" / f"{number}.png", number) for number in range(4)]
    archive = tmp_path / f"photos.{kind}"
    if kind == "tar":
        with tarfile.open(archive, "w") as tar:
            for file in files:
                tar.add(file, file.name)
    else:
        with zipfile.ZipFile(archive, "w") as zipped:
            for file in files:
                zipped.write(file, file.name)
    synchronise(collection, retriever, [archive])
    assert len(statuses(collection)) == 4
    whole = archive.read_bytes()
    offsets = [0, 512, len(whole) // 2]
    if kind == "tar":
        with tarfile.open(archive) as tar:
            offsets += [member.offset for member in tar.getmembers()[2:]]
    for size in offsets:
        archive.write_bytes(whole[:size])
        synchronise(collection, retriever, prune=True)
        assert len(statuses(collection)) == 4, size
    archive.write_bytes(whole)
    synchronise(collection, retriever, prune=True)
    assert set(statuses(collection).values()) == {"indexed"}


@pytest.mark.parametrize("content", ["", "\n", "path\n", "nothing\nof,this,kind\n"])
def test_a_list_that_became_empty_or_another_loses_nothing(
    content: str, collection: Collection, retriever: CountingRetriever, tmp_path: Path
) -> None:
    files = [picture(tmp_path / "files" / f"{number}.png", number) for number in range(3)]
    listing = tmp_path / "list.csv"
    whole = "path\n" + "".join(f"{file}\n" for file in files)
    listing.write_text(whole)
    synchronise(collection, retriever, [listing])
    listing.write_text(content)
    synchronise(collection, retriever, prune=True)
    assert len(statuses(collection)) == 3
    listing.write_text(whole)
    synchronise(collection, retriever, prune=True)
    assert set(statuses(collection).values()) == {"indexed"}


def test_a_root_within_a_root_that_is_away_loses_nothing(
    collection: Collection, retriever: CountingRetriever, tmp_path: Path
) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    picture(outer / "1.png", 1), picture(inner / "2.png", 2)
    synchronise(collection, retriever, [inner])
    synchronise(collection, retriever, [outer])
    inner.rename(tmp_path / "away")
    for sources in ([outer], [], [outer / "*.png"], [f"{outer}/"]):
        synchronise(collection, retriever, sources, prune=True)
        assert len(statuses(collection)) == 2, sources
        inner.mkdir()
        synchronise(collection, retriever, sources, prune=True)
        assert len(statuses(collection)) == 2, sources
        inner.rmdir()
    (tmp_path / "away").rename(inner)
    synchronise(collection, retriever)
    assert set(statuses(collection).values()) == {"indexed"}


def test_a_root_is_one_however_it_is_written(
    collection: Collection,
    retriever: CountingRetriever,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture(tmp_path / "photos" / "1.png", 1)
    monkeypatch.chdir(tmp_path)
    for written in (
        "photos",
        "photos/",
        "./photos/../photos",
        f"/{tmp_path}/photos",
        "photos/1.png",
    ):
        synchronise(collection, retriever, [written])
    assert len(collection.sources()) == 1
    assert len(statuses(collection)) == 1


def test_uploaded_pictures_are_a_source_like_others_and_come_back_whatever_their_names(
    collection: Collection, retriever: CountingRetriever, tmp_path: Path
) -> None:
    uploads = tmp_path / "library" / f"uploads-{collection.id}"
    photos = tmp_path / "photos"
    picture(uploads / "abc", 1), picture(uploads / "def.png", 2), picture(photos / "3.png", 3)
    synchronise(collection, retriever, [uploads / "abc", uploads / "def.png", photos])
    assert len(statuses(collection)) == 3
    synchronise(collection, retriever, prune=True)
    assert set(statuses(collection).values()) == {"indexed"}
    uploads.rename(tmp_path / "away")
    synchronise(collection, retriever, prune=True)
    (tmp_path / "away").rename(uploads)
    synchronise(collection, retriever, prune=True)
    assert set(statuses(collection).values()) == {"indexed"}


def test_a_file_of_a_list_is_gone_only_where_its_folder_has_others(
    collection: Collection, retriever: CountingRetriever, tmp_path: Path
) -> None:
    here, also, there = (
        picture(tmp_path / name, number)
        for number, name in enumerate(("here/1.png", "here/2.png", "drive/3.png"))
    )
    listing = tmp_path / "list.csv"
    listing.write_text(f"path\n{here}\n{also}\n{there}\n")
    synchronise(collection, retriever, [listing])
    there.parent.rename(tmp_path / "away")
    shutil.copy(tmp_path / "away" / "3.png", tmp_path / "here" / "copy.png")
    listing.write_text(f"path\n{here}\n{also}\n{there}\nhere/copy.png\n")
    also.unlink()
    summary = synchronise(collection, retriever, prune=True)
    assert (summary.pruned, summary.moved, summary.missing) == (1, 0, 1)
    assert statuses(collection) == {"1.png": "indexed", "3.png": "missing", "copy.png": "indexed"}
    (tmp_path / "away").rename(there.parent)
    assert synchronise(collection, retriever, prune=True).missing == 0
    assert set(statuses(collection).values()) == {"indexed"}
