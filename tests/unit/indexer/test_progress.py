"""How a run's progress is told where stderr is no terminal."""

import contextlib
import os
import sys

import pytest

import indexer.progress
from indexer.progress import drawing, indexing
from indexer.records import IndexProgress


def progress(**changes: object) -> IndexProgress:
    values = {
        "done": 40,
        "total": 1000,
        "failed": 0,
        "embedded": 30,
        "seconds": 20.0,
        "limited_by": "embedding",
    }
    return IndexProgress(**{**values, **changes})  # type: ignore[arg-type]  # by name, above


def test_the_pace_counts_images_and_the_rest_counts_files() -> None:
    assert progress().images_per_second == 1.5
    assert progress().seconds_left == 480.0


def test_before_the_first_batch_there_is_no_pace() -> None:
    fresh = progress(done=0, embedded=0, seconds=0.0)

    assert fresh.images_per_second == 0.0
    assert fresh.seconds_left is None


def test_lines_come_at_most_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with indexing() as report:
        report(progress())
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(indexer.progress, "LINE_SECONDS", 0.0)
    with indexing() as report:
        report(progress(failed=3))
        report(progress(done=0, embedded=0))
    assert capsys.readouterr().err.splitlines() == [
        "indexing: 40 of 1,000, 1.5 images/s, 8:00 left, 3 failed, limited by embedding",
        "indexing: 0 of 1,000, 0.0 images/s",
    ]


def test_long_runs_count_hours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer.progress, "LINE_SECONDS", 0.0)
    with indexing() as report:
        report(progress(total=10_040))

    assert "1:23:20 left" in capsys.readouterr().err


def everything(terminal: int) -> str:
    """Read all that was written to a terminal so far."""
    os.set_blocking(terminal, False)
    shown = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            shown += os.read(terminal, 10_000)
    return shown.decode()


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with open(writing, "w", encoding="utf-8") as terminal:  # noqa: PTH123  # a file descriptor
        monkeypatch.setattr(sys, "stderr", terminal)
        with indexing() as report:
            report(progress(done=1000, failed=2))
        monkeypatch.undo()
        shown = everything(reading)
    os.close(reading)

    assert "1000/1000" in shown
    assert "1.5 images/s" in shown
    assert "2 failed" in shown


def test_drawing_counts_pictures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer.progress, "LINE_SECONDS", 0.0)
    with drawing() as report:
        report(7, 300)

    assert capsys.readouterr().err == "drawing: 7 of 300\n"
