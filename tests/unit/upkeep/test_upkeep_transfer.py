"""What is exported and imported again is the same; strangers' files are taken row by row or not."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blipsearch.collection import Collection
from blipsearch.errors import CollectionCheckpointError, LibraryError, SourceError
from blipsearch.filters.text import parse_filter
from blipsearch.library import Library
from blipsearch.records import Exif, Given, GivenRecord, IndexedFile
from blipsearch.upkeep.exporting import ExportReport, export
from blipsearch.upkeep.importing import ImportReport, import_export
from blipsearch.upkeep.verifying import verify
from tests.unit.collection_makers import (
    DIM,
    failed_file,
    identity,
    image_file,
    indexed_file,
    unit_row,
    unit_rows,
)
from tests.unit.upkeep_makers import opened_photos, set_embedding

COUNT = 30
HEADER = b"blipsearch"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library whose images have everything that an image may have."""
    directory = tmp_path / "library"
    exif = Exif(datetime(2024, 5, 6, 7, 8, 9), "Nikon Z6", "50mm", 48.2, -16.37, 6)  # noqa: DTZ001  # the camera's clock
    with (
        Library.open(directory, create=True) as library,
        library.create_collection("photos", identity()) as photos,
    ):
        folder = photos.add_source("/pictures/holiday")
        archive = photos.add_source("/pictures/shards/0.tar", "shard", "archive")
        remote = photos.add_source("s3://bucket/photos", None, "remote")
        files = [indexed_file(folder.id, f"{n}.jpg", n, exif) for n in range(COUNT - 3)]
        record = GivenRecord("stamp 7", Given({"from": "sidecar"}, ("given",), ("a given one",)))
        photos.write(
            [
                *files,
                indexed_file(archive.id, "inside/a.jpg", 100),
                indexed_file(remote.id, "far/away.jpg", 101),
                _with_given(
                    indexed_file(folder.id, os.fsdecode(b"b\xffd \xe2\x82\xac.jpg"), 102), record
                ),
            ],
            [failed_file(folder.id, "broken.jpg")],
        )
        photos.set_tags(1, ["beach", "Ärger"])
        photos.set_metadata(2, {"by": "Ann", "stars": 5, "nested": {"list": [1, None, True]}})
        photos.set_captions(3, ["two dogs on a beach", "written by hand"])
        photos.add_caption(3, "a dog", "Salesforce/blip", 0.75)
        photos.mark_missing([4])
    return directory


def _with_given(file: IndexedFile, record: GivenRecord) -> IndexedFile:
    return IndexedFile(
        *(file.file, file.sha256, file.perceptual_hash, file.width, file.height, file.format),
        *(file.exif, file.embedding, record),
    )


def exported(library: Path, path: Path, filter_: str | None = None) -> ExportReport:
    with Library.open(library) as opened:
        chosen = None if filter_ is None else parse_filter(filter_)
        return export(opened, "photos", path, chosen)


def imported(library: Path, path: Path, collection: str = "photos") -> ImportReport:
    with Library.open(library, create=True) as opened:
        return import_export(opened, path, collection)


def all_that_is_known(photos: Collection) -> list[object]:
    """Everything about every image that has an embedding, but for ids and change numbers."""
    known: list[object] = []
    captions = photos.captions([entry.id for entry in photos.entries()])
    for entry in photos.entries():
        if entry.status == "failed":
            continue
        file = photos.known_file(entry.source.id, entry.path)
        assert file is not None
        known.append(
            (
                *(entry.source.root, entry.source.name, entry.source.kind, entry.path, entry.size),
                *(entry.mtime_ns, entry.sha256, entry.perceptual_hash, entry.width, entry.height),
                *(entry.format, entry.exif, entry.metadata, entry.tags, entry.status),
                photos.embedding(entry.id).tobytes(),
                file.given_stamp,
                [
                    (one.text, one.checkpoint, one.match, one.created_at)
                    for one in captions.get(entry.id, ())
                ],
            )
        )
    return known


def found(photos: Collection) -> list[list[tuple[str, float]]]:
    """What searches find, by path and cosine."""
    neighbours = photos.search(unit_rows(5, seed=9), 10)
    return [
        [
            (entry.path, round(float(cosine), 6))
            for entry, cosine in zip(photos.images(ids.tolist()), cosines, strict=True)
        ]
        for ids, cosines in zip(neighbours.ids, neighbours.cosines, strict=True)
    ]


def test_what_is_imported_is_what_was_exported(library: Path, tmp_path: Path) -> None:
    report = exported(library, tmp_path / "all.parquet")
    assert report.images == COUNT
    assert report.bytes == report.path.stat().st_size
    done = imported(tmp_path / "new", report.path)
    assert (done.added, done.failed, len(done.sources)) == (COUNT, 0, 3)
    with opened_photos(library) as before, opened_photos(tmp_path / "new") as after:
        assert all_that_is_known(after) == all_that_is_known(before)
        assert found(after) == found(before)
        assert after.checkpoint == before.checkpoint
        assert len(after.find_captions("dogs", 5)) == 1
        for filter_ in ("tag:beach", "camera:nikon*", "meta.by:Ann OR width:640"):
            chosen = parse_filter(filter_)
            assert len(after.matching_ids(chosen)) == len(before.matching_ids(chosen))
    assert {finding.kind for finding in verify(tmp_path / "new").findings} == {"drive"}


def test_a_second_import_changes_nothing(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    imported(tmp_path / "new", path)
    with opened_photos(tmp_path / "new") as photos:
        change = photos.info.change
    again = imported(tmp_path / "new", path)
    assert (again.added, again.completed, again.unchanged) == (0, 0, COUNT)
    here = imported(library, path)
    assert (here.added, here.completed, here.unchanged) == (0, 0, COUNT)
    with opened_photos(tmp_path / "new") as photos:
        assert photos.info.change == change


def test_what_was_given_stays_so_that_the_next_run_takes_nothing_away(
    library: Path, tmp_path: Path
) -> None:
    imported(tmp_path / "new", exported(library, tmp_path / "all.parquet").path)
    with opened_photos(tmp_path / "new") as photos:
        (image,) = (entry for entry in photos.entries() if entry.tags == ("given",))
        change = photos.info.change
        record = GivenRecord("stamp 7", Given({"from": "sidecar"}, ("given",), ("a given one",)))
        photos.annotate([(image.id, record)])
        assert photos.info.change == change
        photos.annotate([(image.id, GivenRecord("stamp 8", Given()))])
        assert (photos.image(image.id).tags, photos.image(image.id).metadata) == ((), {})


def test_what_people_said_here_is_kept_and_completed(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    with opened_photos(library) as photos:
        photos.set_tags(1, ["mine"])
        photos.set_metadata(2, {"by": "Bob", "new": 1})
        photos.set_captions(3, ["mine"])
        photos.write([indexed_file(1, "5.jpg", 5000)])
        photos.remove([7])
    done = imported(library, path)
    assert (done.added, done.completed, done.other) == (1, 3, 1)
    with opened_photos(library) as photos:
        assert photos.image(1).tags == ("beach", "mine", "Ärger")
        assert photos.image(2).metadata["by"] == "Bob"
        assert {"stars", "nested", "new"} <= photos.image(2).metadata.keys()
        assert {one.text for one in photos.captions([3])[3]} == {
            *("mine", "a dog", "two dogs on a beach", "written by hand")
        }
        changed = photos.image(6)
        assert changed.sha256 == indexed_file(1, "5.jpg", 5000).sha256
    assert imported(library, path).unchanged == COUNT - 1


def test_an_image_that_failed_here_is_completed(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    with opened_photos(library) as photos:
        photos.write([], [failed_file(1, "0.jpg")])
    assert imported(library, path).completed == 1
    with opened_photos(library) as photos:
        assert photos.search(unit_row(0)[np.newaxis], 1).ids.tolist() == [[1]]


def test_a_filter_chooses_what_is_exported(library: Path, tmp_path: Path) -> None:
    assert exported(library, tmp_path / "some.parquet", "tag:beach").images == 1
    assert exported(library, tmp_path / "none.parquet", "tag:nothing").images == 0
    done = imported(tmp_path / "new", tmp_path / "none.parquet")
    assert (done.added, done.sources) == (0, ())


def test_the_file_is_plain_parquet(library: Path, tmp_path: Path) -> None:
    table = pq.read_table(exported(library, tmp_path / "all.parquet").path)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), DIM)
    assert table.schema.field("tags").type == pa.list_(pa.string())
    assert table.column("tags")[0].as_py() == ["beach", "Ärger"]
    assert table.column("captions")[2].as_py()[0]["text"] == "two dogs on a beach"
    assert json.loads(table.column("metadata")[1].as_py())["by"] == "Ann"
    header = json.loads(table.schema.metadata[HEADER])
    assert header["format_version"] == 1
    assert header["checkpoint"]["fingerprint"] == "a" * 64
    assert [(one["name"], one["kind"]) for one in header["sources"]] == [
        *(("holiday", "folder"), ("shard", "archive"), ("photos", "remote"))
    ]


def test_many_images_are_written_and_read_in_parts(tmp_path: Path) -> None:
    with (
        Library.open(tmp_path / "library", create=True) as library,
        library.create_collection("photos", identity()) as photos,
    ):
        source = photos.add_source("/pictures")
        vectors = unit_rows(9500, seed=1)
        photos.write(
            [
                IndexedFile(
                    *(image_file(source.id, f"{n}.jpg"), f"{n:064x}", n, 8, 8, "PNG", Exif(), row)
                )
                for n, row in enumerate(vectors)
            ]
        )
    path = exported(tmp_path / "library", tmp_path / "many.parquet").path
    assert pq.ParquetFile(path).num_row_groups == 2
    assert imported(tmp_path / "new", path).added == 9500
    with opened_photos(tmp_path / "new") as photos:
        assert photos.search(vectors[9000:9001], 1).cosines[0, 0] > 0.999


def test_what_is_there_already_is_not_overwritten(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    before = path.read_bytes()
    with pytest.raises(LibraryError, match="already something at"):
        exported(library, path)
    with pytest.raises(LibraryError, match=r"something\.parquet"):
        exported(library, tmp_path / "photo.jpg")
    with pytest.raises(LibraryError, match="cannot write"):
        exported(library, tmp_path / "nowhere" / "all.parquet")
    assert path.read_bytes() == before
    assert {one.name for one in tmp_path.iterdir()} == {"library", "all.parquet"}


def test_embeddings_of_another_checkpoint_are_refused(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    with Library.open(library) as opened:
        opened.create_collection("others", identity("b" * 64)).close()
    with pytest.raises(CollectionCheckpointError):
        imported(library, path, "others")


@contextmanager
def rewritten(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of an export, which are written back as they are at the end of the block."""
    table = pq.read_table(path)
    schema = table.schema
    rows = table.set_column(4, "mtime", table.column("mtime").cast(pa.int64())).to_pylist()
    yield rows
    schema = schema.set(4, pa.field("mtime", pa.int64()))
    if any(len(row["embedding"] or ()) != DIM for row in rows):
        place = schema.get_field_index("embedding")
        schema = schema.set(place, pa.field("embedding", pa.list_(pa.float32())))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


BAD = {
    "norm": ({"embedding": [0.5] * DIM}, "its norm is 2"),
    "nan": ({"embedding": [math.nan] * DIM}, "not finite"),
    "zero": ({"embedding": [0.0] * DIM}, "its norm is 0"),
    "no embedding": ({"embedding": None}, "embedding"),
    "short embedding": ({"embedding": [1.0]}, "shape (1,), not (16,)"),
    "sha256": ({"sha256": "A" * 64}, "sha256"),
    "no sha256": ({"sha256": None}, "sha256"),
    "up": ({"path": "../../etc/passwd"}, "no plain path"),
    "absolute": ({"path": "/etc/passwd"}, "no plain path"),
    "odd path": ({"path": "a//b.jpg"}, "no plain path"),
    "hidden up": ({"path": "a/\x1a002e\x1a002e/b.jpg"}, "no plain path"),
    "hidden nul": ({"path": "a\x1a0000.jpg"}, "NUL"),
    "empty path": ({"path": ""}, "path"),
    "source": ({"source": "nobody"}, "no source 'nobody'"),
    "size": ({"size": -1}, "size"),
    "status": ({"status": "failed"}, "status"),
    "width": ({"width": 0}, "width"),
    "latitude": ({"latitude": 91.0}, "latitude"),
    "infinite": ({"longitude": math.inf}, "longitude"),
    "orientation": ({"orientation": 9}, "orientation"),
    "metadata": ({"metadata": "{"}, "no JSON"),
    "metadata list": ({"metadata": "[1]"}, "no JSON object"),
    "metadata nan": ({"metadata": '{"a": NaN}'}, "metadata"),
    "metadata deep": ({"metadata": '{"a":' + "[" * 20_000 + "]" * 20_000 + "}"}, "metadata"),
    "metadata long": ({"metadata": json.dumps({"a": "x" * 150_000})}, "metadata"),
    "caption": ({"captions": [{"text": "a", "checkpoint": "", "match": 2.0}]}, "captions.0"),
    "given": ({"given": {"stamp": "1", "content": "[]"}}, "given"),
    "twice": ({"path": "1.jpg"}, "names the same file"),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_a_bad_row_is_reported_and_the_others_are_taken(
    library: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    with rewritten(path) as rows:
        rows[2].update(change)
    done = imported(tmp_path / "new", path)
    assert (done.added, done.failed) == (COUNT - 1, 1)
    (bad,) = done.bad
    assert bad.row == 2
    assert said in bad.reason
    assert len(bad.reason) < 1000


def test_a_date_that_python_does_not_know_costs_its_row_only(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    table = pq.read_table(path)
    dates = table.column("taken_at").cast(pa.int64()).to_pylist()
    dates[3] = 2**62
    place = table.schema.get_field_index("taken_at")
    far = pa.array(dates, pa.int64()).cast(pa.timestamp("us"))
    pq.write_table(table.set_column(place, table.schema.field(place), far), path)
    done = imported(tmp_path / "new", path)
    assert (done.added, [bad.row for bad in done.bad]) == (COUNT - 1, [3])


@pytest.mark.parametrize(
    ("root", "kind"), [("pictures", "folder"), ("", "folder"), ("/a\x1a0000b", "folder")]
)
def test_a_source_that_cannot_be_costs_its_images_only(
    library: Path, tmp_path: Path, root: str, kind: str
) -> None:
    def change(header: dict[str, Any]) -> None:
        header["sources"][1] |= {"root": root or "x", "kind": kind}

    path = exported(library, tmp_path / "all.parquet").path
    _with_header(path, change)
    done = imported(tmp_path / "new", path)
    assert (done.added, done.failed) == (COUNT - 1, 1)
    assert "source" in done.bad[0].reason


def test_a_source_whose_name_another_root_has_gets_another(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    with (
        Library.open(tmp_path / "new", create=True) as opened,
        opened.create_collection("photos", identity()) as photos,
    ):
        photos.add_source("/elsewhere", "holiday")
    assert [source.name for source in imported(tmp_path / "new", path).sources] == [
        *("holiday-2", "shard", "photos")
    ]


def test_a_source_that_is_here_stays_of_the_kind_it_is(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    _with_header(path, lambda header: header["sources"][0].update(root="/pictures/shards//0.tar"))
    with (
        Library.open(tmp_path / "new", create=True) as opened,
        opened.create_collection("photos", identity()) as photos,
    ):
        own = photos.add_source("/pictures/shards/0.tar", "shard", "archive")
    done = imported(tmp_path / "new", path)
    assert (done.added, done.failed) == (2, COUNT - 2)
    assert "is of kind archive in this collection, not folder" in done.bad[0].reason
    with opened_photos(tmp_path / "new") as photos:
        assert own in photos.sources()


def test_a_damaged_embedding_is_not_exported_and_says_how_to_mend_it(
    library: Path, tmp_path: Path
) -> None:
    set_embedding(library, 3, b"\1\2")
    with pytest.raises(LibraryError, match="image 3 is damaged; run `blipsearch repair`"):
        exported(library, tmp_path / "all.parquet")
    assert not list(tmp_path.glob("*all.parquet*"))


def _with_header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    table = pq.read_table(path)
    header = json.loads(table.schema.metadata[HEADER])
    change(header)
    metadata = {HEADER: json.dumps(header).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format_version", 2, "has format 2"),
        ("format_version", "x", "damaged export"),
        ("checkpoint", {"name": "x"}, "damaged export"),
        ("sources", [{"name": "x", "root": "/x", "kind": "ftp"}], "damaged export"),
    ],
)
def test_a_header_that_cannot_be_is_refused(
    library: Path, tmp_path: Path, key: str, value: object, said: str
) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    _with_header(path, lambda header: header.update({key: value}))
    with pytest.raises(SourceError, match=said):
        imported(tmp_path / "new", path)
    with Library.open(tmp_path / "new") as opened:
        assert opened.collections() == []


@pytest.mark.parametrize("damage", ["gone", "no parquet", "cut", "strange", "column"])
def test_a_file_that_is_no_export_is_refused(library: Path, tmp_path: Path, damage: str) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    table = pq.read_table(path)
    if damage == "gone":
        path.unlink()
    elif damage == "no parquet":
        path.write_bytes(b"PAR1" + b"x" * 1000)
    elif damage == "cut":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "strange":
        pq.write_table(pa.table({"url": ["https://example.org/a.jpg"]}), path)
    else:
        pq.write_table(table.drop_columns(["sha256"]), path)
    with pytest.raises(SourceError, match=r"all\.parquet"):
        imported(tmp_path / "new", path)


def test_no_flipped_bit_gets_in_and_the_next_import_finishes(library: Path, tmp_path: Path) -> None:
    path = exported(library, tmp_path / "all.parquet").path
    sound = path.read_bytes()
    group = pq.ParquetFile(path).metadata.row_group(0)
    pages = sum(group.column(n).total_compressed_size for n in range(group.num_columns))
    for offset in range(100, pages, 499):
        damaged = bytearray(sound)
        damaged[offset] ^= 0x55
        path.write_bytes(damaged)
        with suppress(SourceError):
            imported(tmp_path / "new", path)
    path.write_bytes(sound)
    done = imported(tmp_path / "new", path)
    assert done.failed == done.other == 0
    with opened_photos(library) as before, opened_photos(tmp_path / "new") as after:
        assert all_that_is_known(after) == all_that_is_known(before)
