"""What the README and the docs show is run, and what it prints looks as they say.

Blocks are followed in the order of their page. A `console` block is a session: lines after `$ ` are
commands, the others their output. Outputs are compared by their words: each number stands for any
number, and `...` for any lines.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reader import CHECKPOINTS, FOLLOWED, reading
from tests.readme import CONSOLE, PAGES, ROOT, Page
from tests.support import draw_picture
from tests.warm import warm_commands

FROM_NOTHING = (
    "README.md",
    "docs/quickstart.md",
    "docs/duplicates.md",
    "docs/indexing.md",
    "docs/sources.md",
)
"""Pages whose reader has a folder of photos and no library yet; the others have indexed theirs."""

RUN = [page for page in PAGES if any(block.language in FOLLOWED for block in page.blocks)]


@pytest.fixture
def place(tmp_path: Path, golden: Path) -> Path:
    """A directory with a folder `photos` and copies of checkpoints, as a reader has one."""
    for name, task in CHECKPOINTS.items():
        (tmp_path / name).symlink_to(golden / task)
    (tmp_path / "photos").mkdir()
    for colour in ("red", "green", "blue", "yellow"):
        draw_picture(tmp_path / "photos" / f"{colour}.jpg", colour)
    return tmp_path


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The commands of the docs, with everything imported already."""
    with warm_commands(tmp_path_factory.mktemp("commands")) as directory:
        yield directory


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_every_block_of_a_page_runs_and_prints_what_it_shows(
    page: Page, place: Path, golden: Path, library: Path, commands: Path
) -> None:
    if page.name not in FROM_NOTHING:
        shutil.copytree(library, place / "library")
    with reading(place, golden, commands) as reader:
        for block in page.blocks:
            if not block.text.startswith("$ make "):
                reader.follow(block)


def test_the_two_commands_come_first_and_ci_runs_the_second() -> None:
    assert [step.command for step in CONSOLE[:2]] == ["make demo", "make test"]
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    commands = {step.command for page in PAGES for step in page.console}
    named = {word for page in PAGES for word in page.code if word.startswith("make ")}
    for command in sorted(named | {one for one in commands if one.startswith("make ")}):
        subprocess.run(
            ["make", "--dry-run", *shlex.split(command)[1:]],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
