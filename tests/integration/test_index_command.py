"""`blipsearch index` and `python -m indexer` over real files, in processes of their own or here."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blipsearch.errors import LibraryError
from blipsearch.library import Library
from blipsearch.testing import write_sample_images, write_tiny_checkpoint
from indexer.records import STAGES
from tests.data.hostile import BAD, GOOD, rgb_png, write_hostile_folder
from tests.support import Command, Finished

ROOT = Path(__file__).parents[2]
GIB = 1 << 30

# VmHWM and not ru_maxrss: that one begins with the size of the process that started this one.
MEASURED = """
import runpy, sys
report = sys.argv.pop(1)
try:
    runpy.run_module("indexer", run_name="__main__", alter_sys=True)
finally:
    with open("/proc/self/status") as status, open(report, "w") as file:
        file.write(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""

HELP_LOADS = """
import runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("indexer", run_name="__main__", alter_sys=True)
finally:
    print(sorted({"torch", "numpy", "PIL", "sqlalchemy", "faiss"} & set(sys.modules)))
"""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def python(*arguments: object) -> Finished:
    """Run Python to its end in a process of its own."""
    finished = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=240,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


def indexed_paths(library: Path, collection: str = "default") -> dict[str, tuple[int, int]]:
    """The paths of a collection's indexed images, with their width and height as shown."""
    with Library.open(library) as opened, opened.collection(collection) as one:
        return {
            entry.path: (entry.width or 0, entry.height or 0)
            for entry in one.entries(status="indexed")
        }


@pytest.fixture
def tiny(golden: Path) -> Path:
    return golden / "itm"


def test_a_hostile_folder_is_indexed_but_for_its_bad_files(
    blipsearch: Command, tmp_path: Path, tiny: Path
) -> None:
    folder, library = tmp_path / "photos", tmp_path / "library"
    write_hostile_folder(folder)
    arguments = [folder, "--library", library, "--checkpoint", tiny, "--json"]

    finished = python("-c", MEASURED, tmp_path / "peak", *arguments)

    assert finished.code == 3
    reasons = {Path(one["path"]).name: one["reason"] for one in finished.json["failed"]}
    assert reasons.keys() == BAD.keys()
    for name, reason in reasons.items():
        assert reason.startswith(BAD[name])
    shown = indexed_paths(library)
    assert shown.keys() == GOOD.keys()
    assert shown["photo.jpg"] == (320, 240)
    assert shown["rotated.jpg"] == (240, 320)
    assert finished.json["added"] == len(GOOD)
    assert int((tmp_path / "peak").read_text()) * 1024 < 2 * GIB

    again = blipsearch("index", *arguments)
    assert again.code == 3
    assert (again.json["added"], again.json["unchanged"]) == (0, len(GOOD))
    assert again.json["failed"] == finished.json["failed"]


def test_many_huge_pictures_at_once_stay_within_two_gib(tmp_path: Path, tiny: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    huge = rgb_png(10_000, 10_000)
    for number in range(4):
        (folder / f"{number}.png").write_bytes(huge)

    finished = python(
        *("-c", MEASURED, tmp_path / "peak", folder, "--threads", 4),
        *("--library", tmp_path / "library", "--checkpoint", tiny, "--json"),
    )

    assert finished.code == 0
    assert finished.json["added"] == 4
    assert int((tmp_path / "peak").read_text()) * 1024 < 2 * GIB


def test_the_first_run_adds_and_the_second_finds_nothing_to_do(
    blipsearch: Command, tmp_path: Path, pictures: Path, tiny: Path
) -> None:
    where = ["--library", tmp_path / "library", "--device", "cpu"]

    first = blipsearch("index", pictures, *where, "--checkpoint", tiny)
    second = blipsearch("index", pictures, *where)

    assert (first.code, second.code) == (0, 0)
    assert first.out.splitlines()[:6] == [
        "added             8",
        "changed           0",
        "unchanged         0",
        "moved             0",
        "missing           0",
        "failed            0",
    ]
    assert first.out.splitlines()[-1].endswith("collection 'default' holds 8 images")
    assert "added             0" in second.out
    assert "unchanged         8" in second.out
    (loaded,) = [line for line in first.err.splitlines() if not line.startswith("indexing: ")]
    assert "on cpu, float32" in loaded


def test_json_is_one_object_with_everything_that_happened(
    blipsearch: Command, tmp_path: Path, pictures: Path, tiny: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    where = ["--library", tmp_path / "library", "--collection", "holiday", "--json"]

    finished = blipsearch("index", pictures, bad, *where, "--checkpoint", tiny)

    assert finished.code == 3
    document = finished.json
    assert document.pop("seconds") > 0
    assert document.pop("images_per_second") > 0
    assert document.pop("limited_by") in STAGES
    assert document == {
        "collection": "holiday",
        "images": 8,
        "added": 8,
        "changed": 0,
        "unchanged": 0,
        "moved": 0,
        "missing": 0,
        "pruned": 0,
        "failed": [{"path": str(bad), "reason": "not an image (it starts with 'no picture')"}],
        "interrupted": False,
        "notices": [],
    }


def test_failed_images_are_listed_with_their_reason(
    blipsearch: Command, tmp_path: Path, tiny: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/empty.jpg").touch()

    finished = blipsearch(
        "index", tmp_path / "photos", "--library", tmp_path / "library", "--checkpoint", tiny
    )

    assert finished.code == 3
    assert f"  {tmp_path}/photos/empty.jpg: the file is empty" in finished.out.splitlines()


def test_ctrl_c_stops_cleanly_and_the_next_run_completes(
    blipsearch: Command, tmp_path: Path, tiny: Path
) -> None:
    folder, library = tmp_path / "photos", tmp_path / "library"
    write_sample_images(folder, 400)
    arguments = [folder, "--library", library, "--checkpoint", tiny, "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "indexer", *map(str, arguments), "--batch-size", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        wait_for_images(library, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()

    interrupted = Finished(process.returncode, out, err)
    assert interrupted.code == 130
    assert "stopping after the batch at hand" in interrupted.err
    assert "Traceback" not in interrupted.err
    assert interrupted.json["interrupted"]
    done = interrupted.json["added"]
    assert 0 < done < 400
    assert len(indexed_paths(library)) == done

    finished = blipsearch("index", *arguments)
    assert finished.code == 0
    assert (finished.json["added"], finished.json["unchanged"]) == (400 - done, done)


def wait_for_images(library: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the process has written its first images."""
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if count_images(library):
            return
        time.sleep(0.05)
    pytest.fail("nothing was indexed in time")


def count_images(library: Path) -> int:
    try:
        with Library.open(library) as opened:
            return sum(one.indexed for one in opened.collections())
    except LibraryError:
        return 0  # not there yet, or in the making


def test_a_collection_is_continued_with_its_own_checkpoint(
    blipsearch: Command, tmp_path: Path, pictures: Path, tiny: Path
) -> None:
    library = tmp_path / "library"
    other = write_tiny_checkpoint(tmp_path / "other", "itm")
    assert blipsearch("index", pictures, "--library", library, "--checkpoint", tiny).code == 0

    refused = blipsearch("index", pictures, "--library", library, "--checkpoint", other)
    beside = blipsearch(
        *("index", pictures, "--library", library, "--checkpoint", other),
        *("--collection", "beside", "--json"),
    )

    assert refused.code == 1
    assert refused.err.splitlines()[-1].startswith("error: collection 'default' was embedded with")
    assert "Traceback" not in refused.err
    assert beside.json["added"] == 8


def test_a_mistyped_source_is_said_before_anything_is_loaded_or_made(
    blipsearch: Command, tmp_path: Path, pictures: Path
) -> None:
    finished = blipsearch(
        *("index", pictures, tmp_path / "fotos", "--library", tmp_path / "library"),
        *("--checkpoint", tmp_path / "no checkpoint"),
    )

    assert finished.code == 1
    assert finished.err.startswith(f"error: source '{tmp_path}/fotos' does not exist")
    assert len(finished.err.splitlines()) == 1
    assert not (tmp_path / "library").exists()


def test_a_quoted_pattern_is_expanded(
    blipsearch: Command, tmp_path: Path, pictures: Path, tiny: Path
) -> None:
    finished = blipsearch(
        *("index", f"{pictures}/**/*.jpg", "--library", tmp_path / "library"),
        *("--checkpoint", tiny, "--json"),
    )

    assert finished.json["added"] == len(list(pictures.rglob("*.jpg")))


def test_a_note_says_that_a_known_root_became_empty(
    blipsearch: Command, tmp_path: Path, tiny: Path
) -> None:
    folder, library = tmp_path / "photos", tmp_path / "library"
    files = write_sample_images(folder, 3)
    blipsearch("index", folder, "--library", library, "--checkpoint", tiny)
    for file in files:
        file.unlink()

    finished = blipsearch("index", folder, "--library", library)

    assert finished.code == 0
    assert f"note: {folder} is empty, the 3 known images of it gone" in finished.err
    assert f"searches leave out the 3 known images of {folder} until it is back" in finished.err
    assert finished.out.splitlines()[-1].endswith("collection 'default' holds 0 images")


def test_wrong_use_is_exit_code_2(blipsearch: Command) -> None:
    assert blipsearch("index", "--no-such-flag").code == 2
    assert blipsearch("index", ".", "--batch-size", "many").code == 2
    assert blipsearch("index", ".", "--into", "other").code == 2


def test_without_a_source_and_a_collection_the_error_says_what_to_name(
    blipsearch: Command, tmp_path: Path
) -> None:
    finished = blipsearch("index", "--library", tmp_path / "library")

    assert finished.code == 1
    assert "name a folder, as in `blipsearch index FOLDER`" in finished.err


def test_a_setting_out_of_range_is_a_clear_error(blipsearch: Command, pictures: Path) -> None:
    finished = blipsearch("index", pictures, "--batch-size", 0)

    assert finished.code == 1
    assert finished.err.startswith("error: setting 'batch_size' cannot be 0")


def states_settings(blipsearch: Command, library: Path) -> tuple[str, int]:
    (collection,) = blipsearch("status", "--library", library, "--json").json["collections"]
    return collection["states"]["kind"], collection["states"]["budget"]


def test_how_states_are_kept_is_chosen_by_the_first_run_and_changed_by_another(
    blipsearch: Command, tmp_path: Path, pictures: Path, tiny: Path
) -> None:
    library = tmp_path / "library"
    index = ["index", pictures, "--library", library]

    blipsearch(*index, "--checkpoint", tiny, "--states", "int8", "--states-budget", "1.5 GB")
    assert states_settings(blipsearch, library) == ("int8", 1_500_000_000)

    assert blipsearch(*index, "--states", "none").code == 0
    assert states_settings(blipsearch, library) == ("none", 1_500_000_000)

    assert blipsearch(*index, "--states-budget", "512MiB").code == 0
    assert blipsearch(*index).code == 0
    assert states_settings(blipsearch, library) == ("none", 512 << 20)


def test_a_collection_without_a_choice_keeps_float16_states_in_20_gb(
    blipsearch: Command, tmp_path: Path, pictures: Path, tiny: Path
) -> None:
    library = tmp_path / "library"

    blipsearch("index", pictures, "--library", library, "--checkpoint", tiny)

    assert states_settings(blipsearch, library) == ("float16", 20_000_000_000)


def test_a_refused_run_changes_no_setting_of_the_states(
    blipsearch: Command, tmp_path: Path, pictures: Path, tiny: Path
) -> None:
    library = tmp_path / "library"
    index = ["index", pictures, "--library", library]
    other = write_tiny_checkpoint(tmp_path / "other", "itm")
    blipsearch(*index, "--checkpoint", tiny)

    assert blipsearch(*index, "--checkpoint", other, "--states", "int8").code == 1

    assert states_settings(blipsearch, library)[0] == "float16"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        (
            *("--states", "float8"),
            "setting 'states' cannot be 'float8': Input should be 'float16', 'int8', 'merged' or",
        ),
        ("--states-budget", "much", "setting 'states_budget' cannot be 'much': write a number"),
        ("--states-budget", "1,5 GB", "setting 'states_budget' cannot be '1,5 GB': write a number"),
        ("--states-budget", "1.000.000", "setting 'states_budget' cannot be '1.000.000'"),
        ("--states-budget", "-1GB", "setting 'states_budget' cannot be '-1GB': write a number"),
        (
            *("--states-budget", "3 parsecs"),
            "setting 'states_budget' cannot be '3 parsecs': could not interpret byte unit: parsecs",
        ),
        ("--states-budget", "100EB", "setting 'states_budget' cannot be '100EB': Input should be"),
    ],
)
def test_states_that_cannot_be_kept_so_are_a_clear_error(
    blipsearch: Command, tmp_path: Path, pictures: Path, option: str, value: str, said: str
) -> None:
    finished = blipsearch("index", pictures, "--library", tmp_path / "library", option, value)

    assert finished.code == 1
    assert finished.err.startswith(f"error: {said}")
    assert f"BLIPSEARCH_{option[2:].replace('-', '_').upper()}" in finished.err
    assert len(finished.err.splitlines()) == 1
    assert not (tmp_path / "library").exists()


def test_help_answers_without_loading_the_engine() -> None:
    finished = python("-c", HELP_LOADS)

    assert finished.code == 0
    assert "Usage: python -m indexer [OPTIONS] [[NAME=]SOURCE]..." in finished.out
    assert finished.out.splitlines()[-1] == "[]"


def test_python_m_indexer_reports_errors_in_one_line(tmp_path: Path) -> None:
    finished = python("-m", "indexer", tmp_path / "absent")

    assert finished.code == 1
    assert finished.err.startswith("error: source ")
    assert len(finished.err.splitlines()) == 1
