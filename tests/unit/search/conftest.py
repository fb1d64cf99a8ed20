"""The checkpoint that the tests of searching share."""

from pathlib import Path

import pytest

from blipsearch.blip import BlipRetriever


@pytest.fixture(scope="session")
def tiny(golden: Path) -> BlipRetriever:
    return BlipRetriever.from_pretrained(golden / "itm")
