"""Five ways to search the same library: each must keep the same contract."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from blipsearch.image_search import ImageSearch
from tests.contract.contract_makers import MAKERS, library_in_process
from tests.support import draw_picture


@pytest.fixture(scope="session", params=list(MAKERS))
def searched(
    request: pytest.FixtureRequest,
    library: Path,
    golden: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ImageSearch]:
    """A library of eight pictures, opened in each way; what a test adds it takes out again."""
    own = Path(shutil.copytree(library, tmp_path_factory.mktemp("contract") / "library"))
    with MAKERS[request.param](own, golden) as opened:
        yield opened


@pytest.fixture(scope="session")
def numbers(library: Path, golden: Path) -> dict[int, tuple[float | None, float, float]]:
    """Match, score and cosine of every image for 'a red ball', by id."""
    with library_in_process(library, golden) as opened:
        found = opened.search("a red ball", limit=8)
        return {hit.id: (hit.match, hit.score, hit.cosine) for hit in found}


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A picture that is not in the library."""
    draw_picture(tmp_path / "teal.png", "teal")
    return tmp_path / "teal.png"
