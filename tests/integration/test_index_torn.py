"""What a power cut may leave of a library's files: the next run goes on and ends the same."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.crash_compare import differences
from blipsearch.cli import run
from blipsearch.library import Library
from tests.support import Command

CUTS = range(6)


@pytest.fixture(scope="module")
def stopped(
    golden: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A library as it lies on the disk while it is written to: all commits are in SQLite's log."""
    directory = tmp_path_factory.mktemp("stopped") / "library"
    with Library.open(directory, create=True) as other:
        # Only who is the last to leave takes over what is in the log.
        assert other.collections() == []
        with pytest.raises(SystemExit) as exited:
            run(
                [
                    *("index", str(pictures), "--library", str(directory), "--batch-size", "1"),
                    *("--checkpoint", str(golden / "itm"), "--device", "cpu"),
                ]
            )
        assert exited.value.code == 0
        yield directory


@pytest.fixture
def torn(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may cut."""
    return Path(shutil.copytree(stopped, tmp_path / "torn"))


def _cut(path: Path, chance: random.Random) -> None:
    """Lose an end of a file, or have garbage there."""
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    if chance.random() < 0.5:
        del content[at:]
    else:
        content[at:] = chance.randbytes(len(content) - at)
    path.write_bytes(content)


def _index_again(blipsearch: Command, pictures: Path, library: Path, checkpoint: Path) -> None:
    finished = blipsearch(
        *("index", pictures, "--library", library),
        *("--device", "cpu", "--checkpoint", checkpoint / "itm"),
    )
    assert finished.code == 0, finished.err


@pytest.mark.parametrize("seed", CUTS)
def test_a_log_without_its_end_loses_no_more_than_its_last_commits(
    blipsearch: Command, torn: Path, library: Path, pictures: Path, golden: Path, seed: int
) -> None:
    log = torn / "catalog.sqlite-wal"
    assert log.stat().st_size > 0
    # What SQLite shares between processes never survives a power cut.
    (torn / "catalog.sqlite-shm").unlink()
    _cut(log, random.Random(seed))

    _index_again(blipsearch, pictures, torn, golden)

    assert differences(torn, library, pictures) == []


@pytest.mark.parametrize("seed", CUTS)
def test_torn_snapshots_and_states_cost_only_their_making(
    blipsearch: Command, torn: Path, library: Path, pictures: Path, golden: Path, seed: int
) -> None:
    chance = random.Random(seed)
    files = [*torn.glob("collections/*/vectors-*"), *torn.glob("collections/*/states/*")]
    for path in sorted(file for file in files if file.stat().st_size):
        if chance.random() < 0.7:
            _cut(path, chance)

    _index_again(blipsearch, pictures, torn, golden)

    assert differences(torn, library, pictures) == []


def test_a_library_that_lost_a_whole_file_beside_its_catalog_goes_on(
    blipsearch: Command, torn: Path, library: Path, pictures: Path, golden: Path
) -> None:
    shutil.rmtree(torn / "collections")

    _index_again(blipsearch, pictures, torn, golden)

    assert differences(torn, library, pictures) == []
