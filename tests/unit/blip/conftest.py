"""What the tests of the BLIP layer share: golden numbers and tiny checkpoints of every kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from blipsearch.blip import BlipAnswerer, BlipCaptioner, BlipRetriever
from blipsearch.testing import HUB_VOCABULARY, SMALL_VOCABULARY, TinyTask, write_tiny_checkpoint

TASKS: tuple[TinyTask, ...] = ("itm", "caption", "vqa", "features")


@pytest.fixture(scope="session")
def expected(golden: Path) -> dict[str, Any]:
    """What the original code gave for the golden checkpoints."""
    content: dict[str, Any] = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="session")
def golden_images(golden: Path, expected: dict[str, Any]) -> list[Image.Image]:
    images = []
    for name in expected["images"]:
        with Image.open(golden / name) as image:
            images.append(image.copy())
    return images


@pytest.fixture(scope="session")
def golden_retriever(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(str(golden / "itm"))


@pytest.fixture(scope="session")
def golden_captioner(golden: Path) -> BlipCaptioner:
    return BlipCaptioner.from_pretrained(str(golden / "caption"))


@pytest.fixture(scope="session")
def golden_answerer(golden: Path) -> BlipAnswerer:
    return BlipAnswerer.from_pretrained(str(golden / "vqa"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny checkpoint of each task; tests only read it."""
    folder = tmp_path_factory.mktemp("tiny")
    for task in TASKS:
        write_tiny_checkpoint(folder / task, task, seed=7)
    return folder


@pytest.fixture(scope="session", params=[SMALL_VOCABULARY, HUB_VOCABULARY], ids=["small", "hub"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a small vocabulary, then with the Hub's of 30524."""
    folder = tmp_path_factory.mktemp("either")
    for task in TASKS:
        write_tiny_checkpoint(folder / task, task, seed=3, vocab_size=request.param)
    return folder


@pytest.fixture
def broken(tiny: Path, tmp_path: Path) -> Callable[[TinyTask], Path]:
    """Copy a tiny checkpoint to a place where the test may break it."""

    def copy(task: TinyTask = "itm") -> Path:
        return Path(shutil.copytree(tiny / task, tmp_path / task))

    return copy
