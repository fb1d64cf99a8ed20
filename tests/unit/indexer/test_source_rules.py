"""Which files of a folder are passed over, ignored or found behind links."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blipsearch.records import Source
from indexer.sources import FileListing, SourceRules, list_files, list_paths, resolve_sources

LINKS = SourceRules(follow_links=True)


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def found(
    *sources: Path, known: tuple[Path, ...] = (), rules: SourceRules | None = None
) -> dict[str, list[str]]:
    before = [Source(number, f"s{number}", str(root)) for number, root in enumerate(known)]
    listings = list_files(resolve_sources(sources), before, rules)
    return {listing.root: [file.path for file in listing.files] for listing in listings}


def test_what_systems_and_tools_keep_for_themselves_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "b/node_modules/x/logo.png")
    make(tmp_path, "lost+found/c.jpg", "$RECYCLE.BIN/d.jpg", "#recycle/e.jpg", ".Trash-1000/f.jpg")
    make(tmp_path, "System Volume Information/g.jpg", "__pycache__/h.jpg", "__MACOSX/i.jpg")

    assert found(tmp_path) == {str(tmp_path): ["a.jpg"]}
    assert found(tmp_path / "**/*.jpg") == {str(tmp_path): ["a.jpg"]}


def test_an_ignore_file_counts_in_its_folder_and_below(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "a.png", "raw/b.jpg", "2020/raw/c.jpg", "2020/d.png", "2020/keep.png")
    (tmp_path / ".blipsearchignore").write_text("# no drafts\n*.png\n/raw/\n")
    (tmp_path / "2020/.blipsearchignore").write_text("!keep.png\nraw\n")

    assert found(tmp_path) == {str(tmp_path): ["2020/keep.png", "a.jpg"]}
    assert found(tmp_path / "**/*.png") == {str(tmp_path): ["2020/keep.png"]}
    assert found(tmp_path / "2020", known=(tmp_path,)) == {str(tmp_path): ["2020/keep.png"]}


def test_a_file_that_is_named_is_taken_though_it_is_ignored(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / ".blipsearchignore").write_text("*.jpg")

    assert found(tmp_path / "a.jpg") == {str(tmp_path): ["a.jpg"]}
    assert found(tmp_path) == {str(tmp_path): []}


def test_an_ignore_file_that_cannot_be_used_is_said_or_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "below/b.jpg")
    (tmp_path / ".blipsearchignore").mkdir()
    (tmp_path / "below/.blipsearchignore").write_bytes(b"[z-a]\n!\n\xff\xfe\n\0\n" + b"x" * 100_000)

    (listing,) = list_files(resolve_sources([tmp_path]))

    assert [file.path for file in listing.files] == ["a.jpg", "below/b.jpg"]
    assert len(listing.notices) == 1
    assert ".blipsearchignore does not count" in listing.notices[0]


LINES = st.lists(
    st.one_of(
        st.from_regex(r"\A!?/?([ab*?]|\*\*)(/([ab*?]|\*\*)){0,2}/?\Z"),
        st.sampled_from(
            ["*", "!*/", "!*.jpg", "*.jpg", "a/**", "!a/b", "**/b.jpg", "/*", "!/a", "[ab]", "# a"]
        ),
        st.sampled_from(
            ["", "  ", "a ", "a\\ ", "\\#", "[!a]*", "b.*", "a*/", "!b.jpg", "[", "\\"]
        ),
    ),
    max_size=5,
)
TREE = [
    *("a.jpg", "b.jpg", "a/a.jpg", "a/b.jpg", "a/b/a.jpg", "a/b/b.jpg", "b/a.jpg"),
    *("b/b/b.jpg", "b/a/a.jpg", "a/a/a/b.jpg"),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("there is no git to compare with")
    folder = tmp_path_factory.mktemp("repository")
    make(folder, *TREE)
    subprocess.run(["git", "init", "-q", str(folder)], check=True, capture_output=True)
    return folder


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(top=LINES, inner=LINES)
def test_ignore_files_mean_what_they_mean_to_git(
    repository: Path, top: list[str], inner: list[str]
) -> None:
    for name in (".blipsearchignore", ".gitignore"):
        (repository / name).write_text("\n".join(top))
        (repository / "a" / name).write_text("\n".join(inner))
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    checked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(TREE),
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    expected = set(TREE) - set(checked.stdout.splitlines())

    assert set(found(repository)[str(repository)]) == expected


def test_links_are_followed_when_that_is_asked_for_and_each_file_is_found_once(
    tmp_path: Path,
) -> None:
    make(tmp_path, "photos/a.jpg", "photos/z/b.jpg", "disk/c.jpg", "disk/deep/d.jpg", "e.jpg")
    photos = tmp_path / "photos"
    (photos / "aaa.jpg").symlink_to(photos / "a.jpg")  # before it in order, yet a copy of it
    (photos / "again").symlink_to(photos / "z", target_is_directory=True)
    (photos / "loop").symlink_to(photos, target_is_directory=True)
    (photos / "z" / "up").symlink_to(tmp_path, target_is_directory=True)
    (photos / "disk").symlink_to(tmp_path / "disk", target_is_directory=True)
    (photos / "twice").symlink_to(tmp_path / "disk" / "deep", target_is_directory=True)
    (photos / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (photos / "single.jpg").symlink_to(tmp_path / "e.jpg")

    assert found(photos) == {str(photos): ["a.jpg", "z/b.jpg"]}
    assert found(photos, rules=LINKS) == {
        str(photos): ["a.jpg", "disk/c.jpg", "disk/deep/d.jpg", "single.jpg", "z/b.jpg"]
    }


def test_a_link_into_another_source_is_left_to_that_source(tmp_path: Path) -> None:
    make(tmp_path, "photos/a.jpg", "disk/c.jpg")
    photos, disk = tmp_path / "photos", tmp_path / "disk"
    (photos / "disk").symlink_to(disk, target_is_directory=True)

    assert found(photos, disk, rules=LINKS) == {str(photos): ["a.jpg"], str(disk): ["c.jpg"]}
    assert found(photos, known=(disk,), rules=LINKS) == {str(photos): ["a.jpg"]}


def test_a_pattern_reaches_through_links_too(tmp_path: Path) -> None:
    make(tmp_path, "photos/a.jpg", "disk/2020/c.jpg", "disk/c.png")
    (tmp_path / "photos/disk").symlink_to(tmp_path / "disk", target_is_directory=True)

    assert found(tmp_path / "photos/*/20*/*.jpg", rules=LINKS) == {
        str(tmp_path / "photos"): ["disk/2020/c.jpg"]
    }


def changed(root: Path, *paths: str | Path) -> FileListing:
    return list_paths(Source(1, "photos", str(root)), [str(path) for path in paths])


def test_some_paths_can_be_looked_at_alone(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg", "below/c.jpg", "below/d.jpg", "notes.txt")

    listing = changed(tmp_path, tmp_path / "a.jpg", "below/c.jpg", "gone.jpg", "notes.txt")
    assert [file.path for file in listing.files] == ["a.jpg", "below/c.jpg"]
    assert listing.only == frozenset({"a.jpg", "below/c.jpg", "gone.jpg", "notes.txt"})

    listing = changed(tmp_path, "below", "/elsewhere/x.jpg")
    assert [file.path for file in listing.files] == ["below/c.jpg", "below/d.jpg"]
    assert listing.only == frozenset({"below", "below/c.jpg", "below/d.jpg"})

    assert [file.path for file in changed(tmp_path, tmp_path).files] == [
        *("a.jpg", "b.jpg", "below/c.jpg", "below/d.jpg")
    ]


def test_a_changed_sidecar_or_ignore_file_means_its_images(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg", "b.png", "below/c.jpg")
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "a.jpg.json").write_text("{}")

    assert [file.path for file in changed(tmp_path, "b.json").files] == ["b.jpg", "b.png"]
    assert [file.path for file in changed(tmp_path, "a.jpg.json").files] == ["a.jpg"]
    (tmp_path / "below/.blipsearchignore").write_text("")
    assert [file.path for file in changed(tmp_path, "below/.blipsearchignore").files] == [
        "below/c.jpg"
    ]


def test_changed_paths_keep_the_rules(tmp_path: Path) -> None:
    make(tmp_path, ".hidden/a.jpg", "@eaDir/b.jpg", "drafts/c.jpg", "d.png", "real/e.jpg")
    (tmp_path / ".blipsearchignore").write_text("drafts\n*.png\n")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)

    for path in (".hidden/a.jpg", "@eaDir/b.jpg", "drafts/c.jpg", "drafts", "d.png", "link/e.jpg"):
        assert not changed(tmp_path, path).files
    assert not changed(tmp_path / "absent", "a.jpg").reachable
