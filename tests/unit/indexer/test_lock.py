"""One process at a time indexes into a collection, and the next is told which."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from blipsearch.errors import LibraryBusyError, LibraryError
from indexer.lock import check_not_held, holder_of, indexing_alone
from tests.holding import held_elsewhere


def test_the_second_process_is_told_who_the_first_is(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        said = f"process {process.pid} on {socket.gethostname()} since "
        with pytest.raises(LibraryBusyError, match=said), indexing_alone(tmp_path):
            pass
        with pytest.raises(LibraryBusyError, match=said):
            check_not_held(tmp_path)
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.pid == process.pid


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert holder_of(tmp_path) is None
    check_not_held(tmp_path)
    with indexing_alone(tmp_path):
        pass


def test_nobody_holds_what_was_let_go(tmp_path: Path) -> None:
    with indexing_alone(tmp_path):
        pass
    assert holder_of(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["index.lock"]


def test_who_holds_it_may_take_it_once_more_but_not_another_thread(tmp_path: Path) -> None:
    refused: list[LibraryBusyError] = []

    def try_it() -> None:
        try:
            with indexing_alone(tmp_path):
                pass
        except LibraryBusyError as error:
            refused.append(error)

    with indexing_alone(tmp_path):
        with indexing_alone(tmp_path):
            pass
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert f"process {os.getpid()}" in str(refused[0])


def test_looking_for_a_holder_makes_nothing(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "new") is None
    check_not_held(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_lock_that_cannot_be_made_is_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "collections").write_text("a file where the folder should be")
    with (
        pytest.raises(LibraryError, match="cannot take the lock"),
        indexing_alone(tmp_path / "collections" / "1"),
    ):
        pass


def test_a_holder_that_says_nothing_of_itself_still_holds(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path):
        (tmp_path / "indexer.json").write_text("{torn")
        with pytest.raises(LibraryBusyError, match="another process"):
            check_not_held(tmp_path)
