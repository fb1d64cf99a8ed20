"""What the README and the docs show is run, and what it prints looks as they say.

A `console` block is a session: lines after `$ ` are commands, the others their output. Outputs are
compared by their words: each number stands for any number, and `...` for any lines.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.readme import CONSOLE, PYTHON, ROOT, Step, assert_shown, console
from tests.support import draw_picture


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a folder `photos`, as a reader of the README has one."""
    place = tmp_path_factory.mktemp("reader")
    (place / "photos").mkdir()
    for colour in ("red", "green", "blue", "yellow"):
        draw_picture(place / "photos" / f"{colour}.jpg", colour)
    return place


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def environment(place: Path, golden: Path) -> dict[str, str]:
    """A reader's environment, with tiny checkpoints in place of the Hub's."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BLIPSEARCH_LIBRARY": str(place / "library"),
        "BLIPSEARCH_CHECKPOINT": str(golden / "itm"),
        "BLIPSEARCH_CAPTION_CHECKPOINT": str(golden / "caption"),
        "BLIPSEARCH_ANSWER_CHECKPOINT": str(golden / "vqa"),
    }


@pytest.fixture
def background() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_the_two_commands_come_first_and_ci_runs_the_second() -> None:
    assert [step.command for step in CONSOLE[:2]] == ["make demo", "make test"]
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
    for step in CONSOLE[:2]:
        subprocess.run(
            ["make", "--dry-run", *shlex.split(step.command)[1:]],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )


def test_every_command_of_the_readme_runs_and_prints_what_it_shows(
    place: Path,
    port: int,
    environment: dict[str, str],
    background: list[subprocess.Popen[str]],
) -> None:
    run_session(CONSOLE[2:], port, place, environment, background)


def test_every_command_of_the_services_page_runs_and_prints_what_it_shows(
    tmp_path: Path,
    library: Path,
    port: int,
    environment: dict[str, str],
    background: list[subprocess.Popen[str]],
) -> None:
    shutil.copytree(library, tmp_path / "library")
    own = environment | {"BLIPSEARCH_LIBRARY": str(tmp_path / "library")}
    shown = console((ROOT / "docs" / "service.md").read_text())

    run_session(shown, port, tmp_path, own, background)


def run_session(
    session: Sequence[Step],
    port: int,
    place: Path,
    environment: dict[str, str],
    background: list[subprocess.Popen[str]],
) -> None:
    """Run commands one after the other, with a free port in place of 8000."""
    for step in session:
        command = step.command.replace("8000", str(port))
        if command.endswith("&"):
            background.append(start(command.removesuffix("&"), place, environment))
            continue
        finished = subprocess.run(
            ["bash", "-c", command],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"{command}\n{finished.stdout}{finished.stderr}"
        assert_shown(step.shown, finished.stdout + finished.stderr)


def start(command: str, place: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a server and return once it says that it serves."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=place,
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert "serving" in process.stderr.readline()
    return process


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_every_python_block_of_the_readme_runs(
    block: str, place: Path, environment: dict[str, str]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout
