"""Errors become exit codes in one place."""

import pytest

from blipsearch import errors
from blipsearch.edge import ExitCode, exit_on_error
from blipsearch.errors import BlipSearchError, QueryError


def all_errors(kind: type[BlipSearchError]) -> list[type[BlipSearchError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in all_errors(child))]


def test_an_error_of_ours_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited, exit_on_error():
        raise QueryError("the query is empty")

    assert exited.value.code == ExitCode.FAILED
    assert capsys.readouterr().err == "error: the query is empty\n"


def test_ctrl_c_exits_with_130() -> None:
    with pytest.raises(SystemExit) as exited, exit_on_error():
        raise KeyboardInterrupt

    assert exited.value.code == ExitCode.INTERRUPTED


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), exit_on_error():
        raise ZeroDivisionError


def test_every_error_has_a_code_of_its_own_and_is_drawn_in_the_tree() -> None:
    kinds = [kind for kind in all_errors(BlipSearchError) if kind.__module__ == errors.__name__]
    leaves = [kind for kind in kinds if not kind.__subclasses__()]

    assert len({kind.code for kind in leaves}) == len(leaves)
    assert {kind.__name__ for kind in kinds} == set(errors.__all__)
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in kinds if kind.__name__ not in drawn] == []
