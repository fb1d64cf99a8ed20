"""The command line as a person meets it: help, version, status, and what is missing."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import blipsearch as package
from tests.support import Command
from tests.unit.collection_makers import new_collection
from tests.unit.states_makers import keys, states_of

COMMANDS = (
    *("index", "search", "caption", "ask", "serve", "demo", "status"),
    *("finetune", "keys", "upgrade"),
)

HEAVY = {"torch", "transformers", "faiss", "numpy", "sqlalchemy", "PIL", "fastapi"}


def modules_loaded_by(statement: str) -> set[str]:
    """Run the statement in a fresh interpreter and return the top-level modules it loaded."""
    script = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(finished.stdout.splitlines()[-1].split())


def test_help_lists_every_command(blipsearch: Command) -> None:
    finished = blipsearch("--help")

    assert finished.code == 0
    assert [name for name in COMMANDS if f" {name} " not in finished.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_without_loading_the_engine(command: str) -> None:
    loaded = modules_loaded_by(
        textwrap.dedent(
            f"""
            from blipsearch.cli import run
            try:
                run(["{command}", "--help"])
            except SystemExit as exited:
                assert exited.code == 0, exited.code
            """
        )
    )
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_the_base_package_and_its_wire_types_load_nothing_heavy() -> None:
    loaded = modules_loaded_by("import blipsearch, blipsearch.errors, blipsearch.schemas")

    assert "pydantic" in loaded
    assert loaded & (HEAVY | {"typer", "rich"}) == set()


def test_without_the_engine_opening_a_library_names_the_extra_to_install(tmp_path: Path) -> None:
    root = Path(package.__file__).parents[1]
    (tmp_path / "blipsearch").symlink_to(root / "blipsearch")

    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n"
        "    from blipsearch import open_library\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )

    assert finished.stdout.startswith("EngineMissingError open_library needs ")
    assert "pip install 'blipsearch[cpu]'" in finished.stdout


def test_the_version_is_the_packages(blipsearch: Command) -> None:
    assert blipsearch("--version").out == f"blipsearch {package.__version__}\n"


def test_a_wrong_option_is_a_usage_error(blipsearch: Command) -> None:
    assert blipsearch("search", "a dog", "--no-such-option").code == 2
    assert blipsearch("no-such-command").code == 2
    assert blipsearch("search", "a dog", "--no-rerank", "--min-match", "0.5").code == 2


def test_without_the_engine_the_command_names_the_extra_to_install(tmp_path: Path) -> None:
    """An interpreter that sees only the package itself stands for `pip install blipsearch`."""
    root = Path(package.__file__).parents[1]
    (tmp_path / "blipsearch").symlink_to(root / "blipsearch")

    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from blipsearch.__main__ import main\n"
        "main()"
    )
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
    )

    assert finished.returncode == 1
    assert "pip install 'blipsearch[cpu]'" in finished.stderr
    assert "blipsearch[gpu]" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_status_counts_images_and_names_the_checkpoint(
    blipsearch: Command, library: Path, golden: Path
) -> None:
    listed = blipsearch("status", "--library", library, "--json").json
    said = blipsearch("status", "--library", library).out

    assert listed["library"] == str(library)
    (collection,) = listed["collections"]
    assert (collection["name"], collection["images"], collection["failed"]) == ("default", 8, 0)
    assert collection["checkpoint"] == str(golden / "itm")
    assert collection["dim"] == 16
    assert "default: 8 images, 0 failed, 0 missing" in said


def test_status_says_how_image_states_are_kept_and_what_they_take(
    blipsearch: Command, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    with new_collection(library) as photos:
        photos.set_states(budget=2_000_000)
        photos.states.put(keys([1, 2, 3]), states_of(keys([1, 2, 3])))
        taken = photos.states.usage().bytes

    listed = blipsearch("status", "--library", library, "--json").json["collections"][0]
    said = blipsearch("status", "--library", library).out.splitlines()

    assert listed["states"] == {
        "kind": "float16",
        "images": 3,
        "bytes": taken,
        "budget": 2_000_000,
    }
    assert said[2] == f"    states: float16, 3 images, {taken / 1000:.1f} kB of 2.0 MB"


def test_status_of_a_collection_that_keeps_no_states_says_none(
    blipsearch: Command, tmp_path: Path
) -> None:
    with new_collection(tmp_path) as photos:
        photos.set_states("none")

    assert blipsearch("status", "--library", tmp_path).out.splitlines()[2] == "    states: none"


def test_upgrading_an_up_to_date_library_says_so(blipsearch: Command, library: Path) -> None:
    finished = blipsearch("upgrade", "--library", library)

    assert finished.code == 0
    assert "is up to date" in finished.out


def test_the_library_can_be_named_by_the_environment(
    blipsearch: Command, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLIPSEARCH_LIBRARY", str(library))

    assert blipsearch("status", "--json").json["library"] == str(library)


def test_a_setting_that_cannot_be_used_is_named_with_its_value(
    blipsearch: Command, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLIPSEARCH_CANDIDATES", "many")

    finished = blipsearch("search", "a dog", "--library", library)

    assert finished.code == 1
    assert "'candidates' cannot be 'many'" in finished.err
    assert "BLIPSEARCH_CANDIDATES" in finished.err


def test_the_installed_command_runs_in_a_process_of_its_own(library: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "blipsearch", "status", "--library", str(library), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(finished.stdout)["collections"][0]["images"] == 8
