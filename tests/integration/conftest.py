"""What tests of whole commands share: processes that need not import anything any more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warm import warm_commands


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str]]:
    """The command that starts benchmarks.crash_victim, with everything imported already."""
    with warm_commands(tmp_path_factory.mktemp("commands")) as directory:
        yield (str(directory / "victim"),)
