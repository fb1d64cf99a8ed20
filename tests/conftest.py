"""What tests of several parts share: real checkpoints, real pictures, a real library."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blipsearch.cli import run
from tests.support import Command, Finished, draw_picture

DATA = Path(__file__).parent / "data"

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple")


@pytest.fixture(scope="session")
def golden() -> Path:
    """The tiny checkpoints whose numbers the original BLIP code wrote down."""
    return DATA / "golden"


@pytest.fixture
def blipsearch(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a `blipsearch` command line through its real edge, in this process."""

    def command(*arguments: object) -> Finished:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exited:
            run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        code = exited.value.code
        return Finished(code if isinstance(code, int) else 0, out, err)

    return command


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight small pictures, half of them in a folder below."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "below").mkdir()
    for number, colour in enumerate(COLOURS):
        below = folder / "below" if number % 2 else folder
        suffix = (".jpg", ".png", ".webp")[number % 3]
        draw_picture(below / f"{colour}{suffix}", colour)
    return folder


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, golden: Path, pictures: Path) -> Path:
    """A library whose collection `default` holds the eight pictures; not to be written to."""
    directory = tmp_path_factory.mktemp("library")
    with pytest.raises(SystemExit) as exited:
        run(
            [
                *("index", str(pictures), "--library", str(directory)),
                *("--checkpoint", str(golden / "itm"), "--device", "cpu"),
            ]
        )
    assert exited.value.code == 0
    return directory


@pytest.fixture
def own_library(library: Path, tmp_path: Path) -> Path:
    """A copy of the library that a test may write to."""
    return Path(shutil.copytree(library, tmp_path / "own"))


@pytest.fixture(scope="module")
def module_library(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the library that the tests of a module may write to."""
    return Path(shutil.copytree(library, tmp_path_factory.mktemp("own") / "library"))
