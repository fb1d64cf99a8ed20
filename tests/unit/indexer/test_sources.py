"""What a source means, and which files are found there."""

import os
from pathlib import Path

import pytest

from blipsearch.errors import SourceError
from blipsearch.records import Source
from indexer.sources import FileListing, list_files, natural_key, resolve_sources


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def listed(*sources: str | Path, known: tuple[Path, ...] = ()) -> list[FileListing]:
    sources_known = [Source(number, f"s{number}", str(root)) for number, root in enumerate(known)]
    return list_files(resolve_sources(sources), sources_known)


def found(*sources: str | Path, known: tuple[Path, ...] = ()) -> dict[str, list[str]]:
    return {
        listing.root: [file.path for file in listing.files]
        for listing in listed(*sources, known=known)
    }


def test_a_folder_gives_all_its_images_in_natural_order(tmp_path: Path) -> None:
    make(tmp_path, "img10.jpg", "img2.JPG", "a/b/c.webp", "Z.png", "b.tiff", "notes.txt", "noend")

    assert found(tmp_path) == {
        str(tmp_path): ["a/b/c.webp", "b.tiff", "img2.JPG", "img10.jpg", "Z.png"]
    }


def test_each_file_comes_with_its_size_and_mtime(tmp_path: Path) -> None:
    make(tmp_path, "below/picture.jpg")
    os.utime(tmp_path / "below/picture.jpg", ns=(5, 1_234_567_890_123_456_789))

    (listing,) = listed(tmp_path)

    assert listing.files[0].size == len("below/picture.jpg")
    assert listing.files[0].mtime_ns == 1_234_567_890_123_456_789


def test_hidden_files_and_folders_and_links_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", ".hidden/b.jpg", "._a.jpg", "c/.thumbs/d.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)

    assert found(tmp_path) == {str(tmp_path): ["a.jpg"]}
    assert found(tmp_path / "**/*.jpg") == {str(tmp_path): ["a.jpg"]}
    assert found(tmp_path / "*/*.jpg") == {str(tmp_path): []}


def test_a_folder_named_through_a_link_keeps_the_name_the_user_gave(tmp_path: Path) -> None:
    make(tmp_path, "disk/a.jpg")
    (tmp_path / "photos").symlink_to(tmp_path / "disk", target_is_directory=True)

    assert found(tmp_path / "photos") == {str(tmp_path / "photos"): ["a.jpg"]}


def test_a_file_is_taken_whatever_its_name_and_its_folder_is_the_root(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "notes.txt", ".hidden.jpg")

    assert found(tmp_path / "notes.txt", tmp_path / ".hidden.jpg") == {
        str(tmp_path): [".hidden.jpg", "notes.txt"]
    }


def test_a_relative_source_has_an_absolute_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "photos/a.jpg")
    monkeypatch.chdir(tmp_path)

    assert found("photos") == found("./photos/../photos/") == {str(tmp_path / "photos"): ["a.jpg"]}
    assert found("photos/*.jpg") == {str(tmp_path / "photos"): ["a.jpg"]}


def test_a_pattern_is_expanded_below_its_fixed_part(tmp_path: Path) -> None:
    make(tmp_path, "2020/a.jpg", "2020/b.png", "2021/deep/c.jpg", "notes.txt")

    assert found(tmp_path / "**/*.jpg") == {str(tmp_path): ["2020/a.jpg", "2021/deep/c.jpg"]}
    assert found(tmp_path / "2020/?.*") == {str(tmp_path / "2020"): ["a.jpg", "b.png"]}
    assert found(tmp_path / "*.txt") == {str(tmp_path): []}


def test_a_pattern_that_matches_folders_takes_what_is_in_them(tmp_path: Path) -> None:
    make(tmp_path, "2020/a.jpg", "2021/deep/c.jpg", "other/d.jpg")

    assert found(tmp_path / "20*") == {str(tmp_path): ["2020/a.jpg", "2021/deep/c.jpg"]}
    assert found(tmp_path / "**") == {
        str(tmp_path): ["2020/a.jpg", "2021/deep/c.jpg", "other/d.jpg"]
    }


def test_a_name_with_pattern_letters_that_exists_is_that_file(tmp_path: Path) -> None:
    make(tmp_path, "photo[1].jpg", "photo1.jpg")

    assert found(tmp_path / "photo[1].jpg") == {str(tmp_path): ["photo[1].jpg"]}


def test_a_file_named_twice_is_found_once(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg")

    assert found(tmp_path, tmp_path / "a.jpg", tmp_path / "*.jpg", tmp_path) == {
        str(tmp_path): ["a.jpg", "b.jpg"]
    }


def test_a_folder_inside_another_source_is_no_root_of_its_own(tmp_path: Path) -> None:
    make(tmp_path, "photos/a.jpg", "photos/2020/b.jpg", "photos-old/c.jpg")
    photos = tmp_path / "photos"

    assert found(photos / "2020", photos) == {str(photos): ["2020/b.jpg", "a.jpg"]}
    assert found(photos / "2020", known=(photos,)) == {str(photos): ["2020/b.jpg"]}
    assert found(tmp_path / "photos-old", known=(photos,)) == {
        str(tmp_path / "photos-old"): ["c.jpg"]
    }


def test_a_known_root_inside_a_folder_keeps_its_files(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "2020/b.jpg", "2020/deep/c.jpg", "2021/d.jpg")

    assert found(tmp_path, known=(tmp_path / "2020",)) == {
        str(tmp_path): ["2021/d.jpg", "a.jpg"],
        str(tmp_path / "2020"): ["b.jpg", "deep/c.jpg"],
    }


def test_an_empty_folder_is_listed_with_no_files(tmp_path: Path) -> None:
    assert found(tmp_path) == {str(tmp_path): []}


def test_names_that_are_no_utf8_are_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    make(tmp_path, "a.jpg")
    (tmp_path / name).write_bytes(b"x")

    assert found(tmp_path) == {str(tmp_path): ["a.jpg", name]}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("absent", "does not exist"),
        ("absent/*.jpg", "matches nothing"),
        ("*.gif", "matches nothing"),
        ("a**/x.jpg", "is no pattern"),
        ("a.jpg/b.jpg", "does not exist"),
        ("pipe", "is neither a folder nor a file"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(tmp_path: Path, source: str, message: str) -> None:
    make(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(SourceError, match=message) as refused:
        resolve_sources([tmp_path / "a.jpg", tmp_path / source])

    assert source in str(refused.value)


def test_a_pipe_with_an_images_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")

    assert found(tmp_path) == {str(tmp_path): []}


def test_natural_order_is_total_for_names_of_any_kind() -> None:
    names = ["b", "a10", "a9", "a", "10", "9", "a1b2", "a1b10", "ä", "a/b", "a/1", "٣", ""]

    ordered = sorted(names, key=natural_key)

    assert ordered.index("9") < ordered.index("10")
    assert ordered.index("a9") < ordered.index("a10")
    assert ordered.index("a1b2") < ordered.index("a1b10")
    assert sorted(ordered) == sorted(names)
