"""`blipsearch plan` shows the index that suits a collection, measured, and builds it on demand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.collection_makers import indexed_file, new_collection, opened_collection

COUNT = 1500


def _plan(library: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "blipsearch", "plan", "--collection", "photos"]
    command += ["--library", str(library), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("library")
    with new_collection(directory) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(COUNT)])
        photos.snapshot()
    return directory


def test_the_choice_is_shown_measured_beside_what_was_not_chosen(library: Path) -> None:
    done = _plan(library, "--vector-memory", "75kB")
    assert done.returncode == 0, done.stderr
    assert "coded (IVF128,SQ8)" in done.stdout
    assert "the closest codes that fit in 75 kB" in done.stdout
    assert (
        "on a sample of 1,300 vectors, with 200 of the collection's own embeddings" in done.stdout
    )
    assert "recall@100" in done.stdout
    assert "not exact" in done.stdout
    assert "it takes 108 kB, more than 75 kB" in done.stdout
    assert "in use: exact, 1,500 vectors" in done.stdout


def test_the_json_says_the_same(library: Path) -> None:
    done = _plan(library, "--vector-memory", "75kB", "--vector-recall", "0.95", "--json")
    said = json.loads(done.stdout)
    assert said["needs"] == {"memory": 75_000, "recall": 0.95}
    assert said["plan"]["kind"] == "coded"
    assert said["plan"]["total_bytes"] <= 75_000
    assert said["measured"]["recall"] >= 0.9
    assert said["measured"]["milliseconds"] > 0
    assert [one["kind"] for one in said["alternatives"]] == ["exact", "compact", "mapped"]
    assert said["index"]["kind"] == "exact"


def test_a_size_to_come_can_be_planned_for(library: Path) -> None:
    said = json.loads(
        _plan(library, "--count", "1000000", "--vector-memory", "1GB", "--json").stdout
    )
    assert said["vectors"] == 1_000_000
    assert said["plan"]["description"] == "IVF4096,SQ8"
    assert said["measured"]["vectors"] == COUNT - 200


def test_a_small_collection_is_told_that_it_is(tmp_path: Path) -> None:
    with new_collection(tmp_path):
        pass
    done = _plan(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 vectors are too few to train anything else on" in done.stdout
    assert "too small for a sample of it to tell" in done.stdout


def test_what_was_chosen_is_built_on_demand(tmp_path: Path, library: Path) -> None:
    with new_collection(tmp_path) as photos:
        source = photos.add_source("/pictures")
        photos.write([indexed_file(source.id, f"{n}.jpg", n) for n in range(COUNT)])
    done = _plan(tmp_path, "--vector-memory", "75kB", "--build")
    assert done.returncode == 0, done.stderr
    assert "in use: IVF128,SQ8, 1,500 vectors" in done.stdout
    with opened_collection(tmp_path) as photos:
        assert photos.index_info.kind == "coded"
    with opened_collection(library) as photos:
        assert photos.index_info.kind == "exact"


def test_a_build_for_a_size_to_come_is_refused(library: Path) -> None:
    done = _plan(library, "--count", "1000000", "--build")
    assert done.returncode == 2
    assert "leave out --count" in done.stderr


def test_a_recall_that_cannot_be_is_refused(library: Path) -> None:
    done = _plan(library, "--vector-recall", "1.5")
    assert done.returncode == 1
    assert "setting 'vector_recall' cannot be 1.5" in done.stderr
