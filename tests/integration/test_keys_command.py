"""`blipsearch keys` makes, lists, revokes and forgets the keys of a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from blipsearch.library import Library
from tests.support import Command


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A library without keys."""
    with Library.open(tmp_path / "library", create=True):
        return tmp_path / "library"


def test_a_key_is_printed_once_and_alone_so_that_a_script_can_keep_it(
    blipsearch: Command, empty: Path
) -> None:
    finished = blipsearch("keys", "add", "phone", "--library", empty)
    key = finished.out.removesuffix("\n")

    assert finished.code == 0
    assert "not shown again" in finished.err
    assert "nobody without a key" in finished.err
    with Library.open(empty) as library:
        found = library.keys.find(key)
    assert found is not None
    assert (found.name, found.scope) == ("phone", "read")
    listed = blipsearch("keys", "list", "--library", empty)
    assert "phone: read, made " in listed.out
    assert key not in listed.out


def test_the_list_says_as_json_who_may_do_what(blipsearch: Command, empty: Path) -> None:
    assert blipsearch("keys", "list", "--library", empty, "--json").json == {"keys": []}
    assert "blipsearch keys add" in blipsearch("keys", "list", "--library", empty).out

    blipsearch("keys", "add", "phone", "--scope", "write", "--library", empty)
    (listed,) = blipsearch("keys", "list", "--library", empty, "--json").json["keys"]

    assert set(listed) == {"id", "name", "scope", "created_at", "revoked_at"}
    assert (listed["name"], listed["scope"], listed["revoked_at"]) == ("phone", "write", None)


def test_a_revoked_key_stays_in_the_list_until_it_is_forgotten(
    blipsearch: Command, empty: Path
) -> None:
    key = blipsearch("keys", "add", "phone", "--library", empty).out.strip()

    assert blipsearch("keys", "revoke", "phone", "--library", empty).code == 0
    with Library.open(empty) as library:
        assert library.keys.find(key) is None
    assert ", revoked " in blipsearch("keys", "list", "--library", empty).out

    forgotten = blipsearch("keys", "remove", "phone", "--library", empty)
    assert forgotten.code == 0
    assert "asks for no key any more" in forgotten.err
    assert blipsearch("keys", "list", "--library", empty, "--json").json == {"keys": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "known"), "there is already a key 'known'"),
        (("add", "a/b"), "a key cannot be called 'a/b'"),
        (("revoke", "unknown"), "no key 'unknown'; there are known"),
        (("remove", "unknown"), "no key 'unknown'; there are known"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    blipsearch: Command, empty: Path, arguments: tuple[str, ...], said: str
) -> None:
    blipsearch("keys", "add", "known", "--library", empty)

    finished = blipsearch("keys", *arguments, "--library", empty)

    assert finished.code == 1
    assert said in finished.err
    assert finished.err.count("\n") == 1


@pytest.mark.parametrize("command", [("add", "x"), ("list",), ("revoke", "x"), ("remove", "x")])
def test_a_library_that_is_not_there_is_said_and_not_made(
    blipsearch: Command, tmp_path: Path, command: tuple[str, ...]
) -> None:
    finished = blipsearch("keys", *command, "--library", tmp_path / "nowhere")

    assert finished.code == 1
    assert "there is no library in" in finished.err
    assert "blipsearch index SOURCE" in finished.err
    assert not (tmp_path / "nowhere").exists()


def test_an_unknown_scope_and_a_missing_command_are_usage_errors(
    blipsearch: Command, empty: Path
) -> None:
    assert blipsearch("keys", "add", "x", "--scope", "admin", "--library", empty).code == 2
    assert blipsearch("keys").code == 2
    assert blipsearch("keys", "no-such-command").code == 2
