"""Archives, manifests and remote roots as sources, and names for sources."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from blipsearch.errors import SourceError
from blipsearch.places import SourceKind
from blipsearch.records import Given, Source
from indexer.sources import FileListing, SourceRules, list_files, origins_of, resolve_sources
from tests.unit.indexer.archive_makers import jpeg, write_tar, write_zip


def listed(source: str | Path, rules: SourceRules | None = None) -> FileListing:
    (listing,) = list_files(resolve_sources([source], rules=rules), (), rules)
    return listing


def paths(listing: FileListing) -> list[str]:
    return [file.path for file in listing.files]


def given(listing: FileListing) -> dict[str, Given]:
    return {file.path: file.given.read() for file in listing.files if file.given is not None}


def known(root: str | Path, name: str = "before", kind: SourceKind = "folder") -> Source:
    return Source(1, name, str(root), kind)


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_an_archive_is_a_root_whose_members_are_images(tmp_path: Path, name: str) -> None:
    members = ["b10.jpg", "b9.jpg", "below/c.png", "note.md", ".hidden/d.jpg", "__MACOSX/._b9.jpg"]
    path = tmp_path / name
    (write_zip if name == "a.zip" else write_tar)(path, dict.fromkeys(members, b"content"))

    listing = listed(path)

    assert (listing.root, listing.kind) == (str(path), "archive")
    assert paths(listing) == ["b9.jpg", "b10.jpg", "below/c.png"]
    assert {(file.size, file.mtime_ns) for file in listing.files} == {(7, path.stat().st_mtime_ns)}


def test_a_shard_of_a_web_dataset_gives_captions_tags_and_metadata(tmp_path: Path) -> None:
    row = {"tags": ["boat", "sea"], "caption": "two boats", "licence": "CC0"}
    shard = write_tar(
        tmp_path / "shard-000000.tar",
        {
            "000.jpg": jpeg(),
            "000.txt": b"a boat\n",
            "000.json": json.dumps(row).encode(),
            "001.webp": b"x",
            "001.txt": b"a dog",
            "002.png": b"x",
        },
    )

    listing = listed(shard)

    assert paths(listing) == ["000.jpg", "001.webp", "002.png"]
    assert given(listing) == {
        "000.jpg": Given({"licence": "CC0"}, ("boat", "sea"), ("a boat", "two boats")),
        "001.webp": Given({}, (), ("a dog",)),
    }


def test_archives_in_folders_are_opened_only_by_name_or_pattern(tmp_path: Path) -> None:
    write_tar(tmp_path / "s-1.tar", {"a.jpg": b"x"})
    write_tar(tmp_path / "s-2.tar", {"a.jpg": b"x"})
    make(tmp_path, "b.jpg")

    assert paths(listed(tmp_path)) == ["b.jpg"]
    listings = list_files(resolve_sources([tmp_path / "s-*.tar"]))
    assert [listing.root for listing in listings] == [
        *(str(tmp_path / "s-1.tar"), str(tmp_path / "s-2.tar"))
    ]
    listings = list_files(resolve_sources([tmp_path / "*", tmp_path / "s-1.tar"]))
    assert [listing.kind for listing in listings] == ["folder", "archive", "archive"]


def test_a_damaged_archive_speaks_only_of_what_is_left(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{number}.jpg": b"x" * 5000 for number in range(9)})
    path.write_bytes(path.read_bytes()[:20_000])

    listing = listed(path)

    assert listing.only == frozenset(paths(listing))
    assert "damaged" in listing.notices[0]
    whole = listed(write_tar(path, {"../x.jpg": b"x", "y.jpg": b"x"}))
    assert whole.only is None
    assert "1 members are links" in whole.notices[0]


def test_an_archive_that_cannot_be_opened_is_refused_unless_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(SourceError, match="cannot be opened: damaged"):
        resolve_sources([path])

    before = [known(path, kind="archive")]
    (listing,) = list_files(resolve_sources([path], before), before)
    assert not listing.reachable
    assert "cannot be opened" in listing.notices[0]


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(params=["list.jsonl", "list.csv", "list.parquet"])
def manifest(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a manifest may be written, beside two images."""
    make(tmp_path, "images/a.jpg", "images/b.jpg")
    return tmp_path / str(request.param)


def test_a_manifest_lists_images_by_path_or_url_with_what_is_known(manifest: Path) -> None:
    absolute = str(manifest.parent / "images/a.jpg")
    rows = [
        {"file_name": "images/b.jpg", "caption": "a boat", "tags": "sea, boat", "rating": 5},
        {
            "file_name": str(manifest.parent / "images/a.jpg"),
            "caption": "",
            "tags": "",
            "rating": 3,
        },
        {"file_name": "https://example.org/c", "caption": "a dog", "tags": "", "rating": 1},
    ]
    write_rows(manifest, rows)

    listing = listed(manifest)

    assert (listing.root, listing.kind) == (str(manifest), "manifest")
    assert set(paths(listing)) == {"images/b.jpg", absolute, "https://example.org/c"}
    assert given(listing) == {
        "images/b.jpg": Given({"rating": 5}, ("sea", "boat"), ("a boat",)),
        absolute: Given({"rating": 3}),
        "https://example.org/c": Given({"rating": 1}, (), ("a dog",)),
    }
    stamps = {file.path: (file.size, file.mtime_ns) for file in listing.files}
    status = (manifest.parent / "images/b.jpg").stat()
    assert stamps["images/b.jpg"] == (status.st_size, status.st_mtime_ns)
    assert stamps["https://example.org/c"] == (0, 0)


def test_a_row_has_another_stamp_when_it_says_something_else(manifest: Path) -> None:
    def stamp(**said: object) -> str:
        write_rows(manifest, [{"path": "images/a.jpg", **said}])
        given = listed(manifest).files[0].given
        assert given is not None
        return given.stamp

    first = stamp(tags="a", n=1)
    assert stamp(n=1, tags="a") == first
    assert stamp(tags="b", n=1) != first
    assert stamp(tags="a", n=2) != first


def test_rows_that_name_the_same_image_count_once_and_absent_ones_not(manifest: Path) -> None:
    rows = [{"path": path} for path in ("images/a.jpg", "images/../images/a.jpg", "gone.jpg")]
    write_rows(manifest, rows)

    listing = listed(manifest)

    assert paths(listing) == ["images/a.jpg"]
    assert any("1 image that is not there" in notice for notice in listing.notices)
    assert any("1 image more than once" in notice for notice in listing.notices)


def test_a_path_column_may_be_named(manifest: Path) -> None:
    write_rows(manifest, [{"photo": "images/a.jpg", "path": "images/b.jpg"}])

    assert paths(listed(manifest)) == ["images/b.jpg"]
    assert paths(listed(manifest, SourceRules(path_column="photo"))) == ["images/a.jpg"]
    assert given(listed(manifest, SourceRules(path_column="photo"))) == {
        "images/a.jpg": Given({"path": "images/b.jpg"})
    }
    with pytest.raises(SourceError, match="has no column 'picture'; there are photo, path"):
        listed(manifest, SourceRules(path_column="picture"))
    write_rows(manifest, [{"photo": "images/a.jpg"}])
    with pytest.raises(SourceError, match="name it with --path-column; there are photo"):
        listed(manifest)


def test_bad_rows_are_told_with_their_line_a_few_at_most(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    path = tmp_path / "list.jsonl"
    bad = ["no json", "[1]", '{"path": 7}', '{"path": "x\\u0000.jpg"}', '{"path": "pipe.jpg"}']
    bad += ["[" * 100_000, '{"other": 1}', '{"path": "zip://a.jpg::https://127.0.0.1/a.zip"}']
    bad += ['{"path": "' + "x" * 5_000_000 + '"}', '{"path": ""}', '{"path": "/dev/zero"}']
    path.write_text("\n".join(['{"path": "a.jpg"}', "", *bad]), encoding="utf-8")

    listing = listed(path)

    assert paths(listing) == ["a.jpg"]
    assert len(listing.notices) == 6
    assert f"{path}, line 3: it is no JSON" in listing.notices[0]
    assert "6 more rows" in listing.notices[-1]


def test_a_csv_may_be_written_by_anybody(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b, c.jpg", "007.jpg")
    path = tmp_path / "list.csv"
    path.write_bytes(
        b'\xef\xbb\xbfID;Path;Comment;Flag\r\n007;a.jpg;"two\nlines";true\r\n\r\n'
        b'1.5;"b, c.jpg";;no\r\n2;007.jpg;x;y;too;many\r\n-3;007.jpg;caf\xe9;\0\r\n'
    )

    listing = listed(path)

    assert given(listing) == {
        "a.jpg": Given({"ID": "007", "Comment": "two\nlines", "Flag": True}),
        "b, c.jpg": Given({"ID": 1.5, "Flag": "no"}),
        "007.jpg": Given({"ID": -3, "Comment": "caf?", "Flag": ""}),
    }
    assert "line 6: it has 6 columns, the first line 4" in listing.notices[0]


def test_columns_of_any_type_become_what_json_can_hold(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    row = {
        "image": {"path": "a.jpg", "bytes": b"\xff\xd8"},
        "when": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        "day": date(2024, 5, 6),
        "price": Decimal("1.50"),
        "thumbnail": b"\x89PNG\xff",
        "nothing": float("nan"),
        "most": float("inf"),
        "absent": None,
        "box": [1.0, float("nan")],
        "size": {"w": 3, "h": None},
        "tags": ["a", "b"],
        "captions": ["one", "two"],
    }
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "list.parquet")

    said = given(listed(tmp_path / "list.parquet"))["a.jpg"]

    assert said.tags == ("a", "b")
    assert said.captions == ("one", "two")
    assert said.metadata == {
        "when": "2024-05-06T07:08:09+00:00",
        "day": "2024-05-06",
        "price": 1.5,
        "box": [1.0, None],
        "size": {"w": 3, "h": None},
    }


def test_what_the_catalog_would_not_take_is_said_when_it_is_read(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    path = write_rows(tmp_path / "list.jsonl", [{"path": "a.jpg", "story": "x" * 200_000}])
    file = listed(path).files[0]
    assert file.given is not None
    with pytest.raises(SourceError, match="line 1 cannot be used"):
        file.given.read()


def test_a_manifest_that_is_none_is_refused_unless_it_is_known(manifest: Path) -> None:
    manifest.write_bytes(b"\x00\x01PAR1 nonsense" if manifest.suffix == ".parquet" else b"\n\n")
    if manifest.suffix == ".jsonl":
        assert not listed(manifest).files
        return
    with pytest.raises(SourceError, match="cannot be read"):
        resolve_sources([manifest])
    (listing,) = list_files(origins_of([known(manifest, kind="manifest")]))
    assert not listing.reachable


@pytest.fixture
def memory() -> Iterator[str]:
    """A remote root in fsspec's memory."""
    files = fsspec.filesystem("memory")
    files.pipe(
        {
            "/shop/a10.jpg": jpeg(),
            "/shop/a9.jpg": jpeg(),
            "/shop/a9.txt": b"a nine",
            "/shop/2020/b.png": b"x",
            "/shop/2020/notes.md": b"x",
            "/shop/.thumbs/c.jpg": b"x",
        }
    )
    yield "memory://shop"
    files.rm("/shop", recursive=True)


def test_a_remote_root_is_listed_like_a_folder(memory: str) -> None:
    listing = listed(f"{memory}/")

    assert (listing.root, listing.kind, listing.only) == (memory, "remote", None)
    assert paths(listing) == ["2020/b.png", "a9.jpg", "a10.jpg"]
    assert all(file.size and file.mtime_ns for file in listing.files)
    assert given(listing) == {"a9.jpg": Given({}, (), ("a nine",))}


def test_parts_of_a_remote_root_speak_of_themselves_alone(memory: str) -> None:
    assert paths(listed(f"{memory}/20*/*.png")) == ["2020/b.png"]
    assert listed(f"{memory}/20*/*.png").only == frozenset({"2020/b.png"})
    single = listed(f"{memory}/2020/b.png")
    assert (single.root, paths(single)) == (f"{memory}/2020", ["b.png"])
    assert single.only == frozenset({"b.png"})
    before = [known(memory, kind="remote")]
    (inner,) = list_files(resolve_sources([f"{memory}/2020"], before), before)
    assert (inner.root, paths(inner)) == (memory, ["2020/b.png"])
    assert inner.only == frozenset({"2020/b.png"})


def test_a_remote_root_that_is_not_there_is_not_reachable() -> None:
    for url in ("memory://no-such-shop", "nowhere://shop"):
        (listing,) = list_files(origins_of([known(url, kind="remote")]))
        assert not listing.reachable
        assert "cannot be listed" in listing.notices[0]


def test_a_url_of_the_web_is_one_image_of_its_server() -> None:
    listing = listed("https://example.org/photos/a?size=large")

    assert (listing.root, listing.kind) == ("https://example.org", "remote")
    assert [(one.path, one.size, one.mtime_ns) for one in listing.files] == [
        ("photos/a?size=large", 0, 0)
    ]
    assert listing.only == frozenset({"photos/a?size=large"})
    (whole,) = list_files(origins_of([known("https://example.org", kind="remote")]))
    assert (whole.files, whole.only, whole.reachable) == ((), frozenset(), True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://example.org", "does not say what it has"),
        ("https://example.org/", "does not say what it has"),
        ("s3://bucket/shard.tar", "from a disk only"),
        ("s3://bucket/list.parquet", "from a disk only"),
    ],
)
def test_urls_that_cannot_be_sources_say_why(url: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        resolve_sources([url])


def test_a_source_may_be_given_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "photos/a.jpg", "photos/2020/b.jpg", "odd=name/c.jpg")
    monkeypatch.chdir(tmp_path)

    assert listed("holiday=photos").name == "holiday"
    assert listed("my.s3-1=memory://bucket").name == "my.s3-1"
    assert listed("photos").name is None
    assert (listed("odd=name").name, listed("odd=name").root) == (None, str(tmp_path / "odd=name"))
    before = [known(tmp_path / "photos")]
    (inner,) = list_files(resolve_sources(["year=photos/2020"], before), before)
    assert inner.name is None
    assert "no name of its own" in inner.notices[0]
    with pytest.raises(SourceError, match="does not exist"):
        resolve_sources(["holiday=absent"])


def test_a_known_source_that_is_not_there_is_not_reachable(tmp_path: Path) -> None:
    gone, here = tmp_path / "gone", tmp_path / "here"
    make(here, "a.jpg")
    before = [known(gone, "disk"), Source(2, "home", str(here))]

    for source in (str(gone), "disk"):
        (listing,) = list_files(resolve_sources([source], before), before)
        assert (listing.root, listing.files, listing.reachable) == (str(gone), (), False)
        assert "is not there" in listing.notices[0]
    (listing,) = list_files(resolve_sources(["home"], before), before)
    assert paths(listing) == ["a.jpg"]
    listings = list_files(origins_of(before), before)
    assert [(one.root, one.reachable) for one in listings] == [
        (str(gone), False),
        (str(here), True),
    ]
    with pytest.raises(SourceError, match="does not exist"):
        resolve_sources(["neither"], before)


@pytest.mark.skipif(os.geteuid() == 0, reason="to root nothing is closed")
def test_a_root_that_cannot_be_looked_into_is_not_reachable(tmp_path: Path) -> None:
    make(tmp_path, "closed/a.jpg")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(SourceError, match="cannot be read"):
            resolve_sources([tmp_path / "closed"])
        (listing,) = list_files(origins_of([known(tmp_path / "closed")]))
        assert not listing.reachable
    finally:
        (tmp_path / "closed").chmod(0o700)
