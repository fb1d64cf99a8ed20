"""The commands that keep a library sound: what they print, and what their exit codes say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from blipsearch.library import Library
from tests.support import Command
from tests.unit.upkeep_makers import newest_snapshot

IMAGES = 8


def paths(blipsearch: Command, library: Path, *arguments: object) -> Sequence[str]:
    found = blipsearch("search", *arguments, "--library", library, "--device", "cpu", "--json")
    return [hit["path"] for hit in found.json["hits"]]


def test_a_sound_library_is_said_to_be_so(blipsearch: Command, own_library: Path) -> None:
    finished = blipsearch("verify", "--contents", "--library", own_library)
    assert finished.code == 0
    assert finished.out == "sound: looked at 8 images, 8 files, 8 image states\n"
    assert blipsearch("verify", "--library", own_library, "--json").json == {
        "sound": True,
        "findings": [],
        "images": IMAGES,
        "files": IMAGES,
        "states": IMAGES,
    }
    repaired = blipsearch("repair", "--library", own_library)
    assert (repaired.code, repaired.out) == (0, "nothing to mend\n")


def test_damage_is_found_named_mended_and_gone(blipsearch: Command, own_library: Path) -> None:
    os.truncate(newest_snapshot(own_library), 100)
    finished = blipsearch("verify", "--library", own_library)
    assert finished.code == 1
    assert "snapshot: collection 'default': the snapshot" in finished.out
    assert "`blipsearch repair`" in finished.out
    (finding,) = blipsearch("verify", "--library", own_library, "--json").json["findings"]
    assert (finding["kind"], finding["count"], finding["is_mendable"]) == ("snapshot", 1, True)
    repaired = blipsearch("repair", "--library", own_library, "--json")
    assert repaired.code == 0
    assert [one["what"] for one in repaired.json["mended"]] == ["built the vector snapshot anew"]
    assert blipsearch("verify", "--library", own_library).code == 0


def test_what_cannot_be_mended_has_its_exit_code_and_its_remedy(
    blipsearch: Command, own_library: Path
) -> None:
    with Library.open(own_library) as library, library.collection("default") as collection:
        (source,) = collection.sources()
        collection.move_source(source.id, "/nowhere/at/all")
    finished = blipsearch("verify", "--library", own_library)
    assert finished.code == 1
    assert "drive: collection 'default': the source 'pictures" in finished.out
    repaired = blipsearch("repair", "--library", own_library)
    assert repaired.code == 1
    assert "what remains:" in repaired.out


def test_a_backup_is_made_and_put_back(
    blipsearch: Command, own_library: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    before = paths(blipsearch, own_library, "a red disc")
    made = blipsearch("backup", backup, "--states", "--library", own_library)
    assert made.code == 0
    assert f"backed up 8 images and 0 uploaded pictures to {backup}" in made.out
    again = blipsearch("backup", backup, "--library", own_library)
    assert again.code == 1
    assert "already something at" in again.err
    blipsearch("remove", "--all", "--yes", "--library", own_library)
    refused = blipsearch("restore", backup, "--library", own_library)
    assert refused.code == 1
    assert "--replace" in refused.err
    restored = blipsearch("restore", backup, "--library", own_library, "--replace", "--json").json
    assert restored["path"] == str(own_library)
    assert Path(restored["aside"]).is_dir()
    assert paths(blipsearch, own_library, "a red disc") == before
    assert blipsearch("verify", "--contents", "--library", own_library).code == 0


def test_an_export_is_imported_and_found_the_same(
    blipsearch: Command, own_library: Path, tmp_path: Path
) -> None:
    file, new = tmp_path / "all.parquet", tmp_path / "new"
    exported = blipsearch("export", file, "--library", own_library)
    assert exported.code == 0
    assert f"exported 8 images to {file}" in exported.out
    imported = blipsearch("import", file, "--library", new, "--json")
    assert (imported.code, imported.json["added"], imported.json["failed"]) == (0, IMAGES, 0)
    again = blipsearch("import", file, "--library", new)
    assert "0 added, 0 completed, 8 unchanged" in again.out
    assert paths(blipsearch, new, "a red disc") == paths(blipsearch, own_library, "a red disc")
    some = blipsearch(
        *("export", tmp_path / "some.parquet", "--filter", "name:red*", "--json"),
        *("--library", own_library),
    )
    assert some.json["images"] == 1


def test_a_library_without_pyarrow_names_the_extra(own_library: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None; from blipsearch.cli import run; "
        f"run(['export', {str(tmp_path / 'x.parquet')!r}, '--library', {str(own_library)!r}])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "pip install 'blipsearch[parquet]'" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_images_are_removed_only_where_somebody_says_yes(
    blipsearch: Command, own_library: Path
) -> None:
    removing = ("remove", "--filter", "name:red* OR name:blue*", "--library", own_library)
    looked = blipsearch(*removing, "--dry-run")
    assert looked.code == 0
    assert "would remove 2 images, such as" in looked.out
    refused = blipsearch(*removing)
    assert refused.code == 1
    assert "remove 2 images from collection 'default'?" in refused.err
    assert "--yes" in refused.err
    done = blipsearch(*removing, "--yes", "--json")
    assert (done.code, done.json["images"], done.json["removed"]) == (0, 2, 2)
    assert "comes back" in blipsearch("remove", "3", "--yes", "--library", own_library).err
    assert blipsearch(*removing, "--yes").out == "no such images\n"
    assert "comes back" in blipsearch("remove", "--help").out.replace("\n", " ")


def test_a_collection_is_removed_as_a_whole(blipsearch: Command, own_library: Path) -> None:
    both = blipsearch("remove", "1", "--all", "--yes", "--library", own_library)
    assert both.code == 1
    assert "whole collection" in both.err
    nothing = blipsearch("remove", "--yes", "--library", own_library)
    assert nothing.code == 1
    assert "say which images" in nothing.err
    looked = blipsearch("remove", "--all", "--dry-run", "--library", own_library)
    assert looked.out == "would remove 8 images\n"
    done = blipsearch("remove", "--all", "--yes", "--library", own_library, "--json").json
    assert done["removed"] == IMAGES
    assert blipsearch("status", "--library", own_library, "--json").json["collections"] == []


def test_compacting_says_what_it_freed(blipsearch: Command, own_library: Path) -> None:
    finished = blipsearch("compact", "--library", own_library)
    assert finished.code == 0
    assert " bytes before, " in finished.out
    document = blipsearch("compact", "--library", own_library, "--json").json
    assert document["before"] >= document["after"] > 0


@pytest.mark.parametrize(
    "command",
    [
        *(["verify"], ["repair"], ["compact"], ["backup", "x"], ["remove", "1", "--yes"]),
        ["export", "x.parquet"],
    ],
    ids=lambda command: command[0],
)
def test_a_library_that_is_not_there_is_said_and_not_made(
    blipsearch: Command, tmp_path: Path, command: list[str]
) -> None:
    finished = blipsearch(*command, "--library", tmp_path / "nowhere")
    assert finished.code == 1
    assert "there is no library in" in finished.err
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_no_export_makes_no_library(blipsearch: Command, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    for file in ("x.parquet", "y.parquet"):
        finished = blipsearch("import", tmp_path / file, "--library", tmp_path / "new")
        assert finished.code == 1
        assert file in finished.err
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_no_text_is_printed_wherever_it_turns_up(
    blipsearch: Command, own_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    with Library.open(own_library) as library, library.collection("default") as collection:
        (source,) = collection.sources()
        collection.move_source(source.id, os.fsdecode(b"/nowhere/b\xffd"))
    assert "/nowhere/b\\udcffd" in blipsearch("verify", "--library", own_library).out
    looked = blipsearch("remove", "1", "--dry-run", "--library", own_library)
    assert looked.out.startswith("would remove 1 image, such as\n  /nowhere/b\\udcffd/")


def test_a_collection_without_images_is_removed_and_said(
    blipsearch: Command, own_library: Path
) -> None:
    removing = ("remove", "--yes", "--library", own_library)
    blipsearch(*removing, "--source", "photos")
    with Library.open(own_library) as library, library.collection("default") as collection:
        collection.remove([entry.id for entry in collection.entries()])
    assert blipsearch(*removing, "--all").out == (
        "removed the collection 'default' with 0 images; no picture was deleted\n"
    )


def test_help_does_not_wait_for_torch() -> None:
    program = (
        "import sys\nfrom blipsearch.cli import app, run\n"
        "try:\n    run([sys.argv[1], '--help'])\nexcept SystemExit:\n"
        "    assert not {'torch', 'faiss', 'pyarrow', 'sqlalchemy'} & sys.modules.keys()\n"
    )
    for command in ("verify", "backup", "import", "remove"):
        finished = subprocess.run(
            [sys.executable, "-c", program, command], capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
