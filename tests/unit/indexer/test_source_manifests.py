"""Manifests that are odd, damaged, or meant to do harm."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from blipsearch.errors import SourceError
from indexer.sources import FileListing, list_files, resolve_sources
from indexer.sources.manifests import list_manifest
from indexer.sources.records import SourceRules


def listed(path: Path) -> FileListing:
    return list_manifest(str(path), SourceRules())


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(name.encode())


def test_a_file_url_is_the_path_that_it_spells(tmp_path: Path) -> None:
    made(tmp_path, "a b%.jpg")
    path = tmp_path / "list.csv"
    path.write_text(
        f"url\nfile://{tmp_path}/a%20b%25.jpg\nfile://other/{tmp_path}/a.jpg\nFILE:a\nfile://a\n"
    )

    listing = listed(path)
    assert [file.path for file in listing.files] == [f"{tmp_path}/a b%.jpg"]
    assert "line 3: 'file://other/" in listing.notices[0]
    assert "names no file of this machine" in listing.notices[0]


def test_a_folder_may_be_named_by_a_file_url(tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    folder.mkdir()
    made(folder, "a.jpg")

    (listing,) = list_files(resolve_sources([f"file://{tmp_path}/my%20photos"]))
    assert (listing.kind, listing.root) == ("folder", str(folder))
    assert len(listing.files) == 1
    with pytest.raises(SourceError, match="this machine"):
        resolve_sources(["file://server/share"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path,x\ra.jpg,1\r", "does not name columns"),
        ("path,x\na.jpg,1\n".encode("utf-16"), "UTF-8"),
        ("path,x\na.jpg,1\n".encode("utf-16-le"), "UTF-8"),
        (b"path,x,x\na.jpg,1,2\n", "'x' more than once"),
        (b"p" * (5 << 20) + b"\na.jpg\n", "does not name columns"),
        (b"", "does not name columns"),
    ],
)
def test_a_csv_that_is_none_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=said):
        resolve_sources([path])
    listing = listed(path)
    assert not listing.reachable
    assert said in listing.notices[0]


def test_columns_of_one_name_in_a_parquet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    names = pa.array(["a.jpg"])
    parquet.write_table(pa.table([names, names], names=["path", "path"]), path)

    with pytest.raises(SourceError, match="one name"):
        resolve_sources([path])


def test_times_finer_than_pythons_are_cut_and_unknown_zones_cost_their_rows(tmp_path: Path) -> None:
    made(tmp_path, "a.jpg")
    path = tmp_path / "list.parquet"
    columns = {
        "path": pa.array(["a.jpg"]),
        "t": pa.array([1001], pa.timestamp("ns")),
        "d": pa.array([1001], pa.duration("ns")),
        "c": pa.array([1001], pa.time64("ns")),
    }
    parquet.write_table(pa.table(columns), path)
    (file,) = listed(path).files
    assert file.given is not None
    assert file.given.read().metadata == {
        "t": "1970-01-01T00:00:00.000001",
        "d": 1e-06,
        "c": "00:00:00.000001",
    }

    columns = {"path": columns["path"], "t": pa.array([1], pa.timestamp("us", "Nowhere/City"))}
    parquet.write_table(pa.table(columns), path)
    listing = listed(path)
    assert not listing.files
    assert "row 1: it has values that cannot be read" in listing.notices[0]


def test_json_nested_without_end_costs_its_line(tmp_path: Path) -> None:
    made(tmp_path, "a.jpg")
    path = tmp_path / "list.jsonl"
    deep = b"[" * 10**6 + b"]" * 10**6
    path.write_bytes(b'{"path": "a.jpg", "x": ' + deep + b'}\n{"path": "a.jpg"}\n')

    listing = listed(path)
    assert [file.path for file in listing.files] == ["a.jpg"]
    assert "line 1: it is no JSON" in listing.notices[0]


def test_with_rows_that_cannot_be_used_nothing_else_is_spoken_of(tmp_path: Path) -> None:
    made(tmp_path, "a.jpg")
    path = tmp_path / "list.jsonl"
    path.write_text('{"path": "a.jpg"}\n{"path": "gone.jpg"}\n{"path": \n')

    # The last row may be of an image that is known: it is not gone.
    assert listed(path).only == frozenset({"a.jpg", "gone.jpg"})
    path.write_text('{"path": "a.jpg"}\n{"path": "gone.jpg"}\n')
    assert listed(path).only is None


def test_an_absolute_path_is_as_good_as_another(tmp_path: Path) -> None:
    made(tmp_path, "a.jpg")
    (tmp_path / "lists").mkdir()
    path = tmp_path / "lists" / "list.csv"
    path.write_text(f"path\n{tmp_path}/a.jpg\n../a.jpg\n{os.devnull}\n")

    listing = listed(path)
    assert [file.path for file in listing.files] == [f"{tmp_path}/a.jpg"]
    assert any("is no file" in notice for notice in listing.notices)
