"""API keys: told once, kept as a hash, gone when they are taken back."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blipsearch.errors import KeyExistsError, KeyNotFoundError, SettingsError
from blipsearch.library import Library, upgrade_library

OLD = Path(__file__).parents[2] / "data" / "libraries"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path, create=True) as opened:
        yield opened


def test_a_key_is_found_by_its_text_and_known_by_its_name(library: Library) -> None:
    made, key = library.keys.make("phone", "read")
    assert library.keys.find(key) == made
    assert (made.name, made.scope, made.revoked_at) == ("phone", "read", None)
    assert library.keys.all() == [made]


def test_keys_are_long_and_no_two_are_alike(library: Library) -> None:
    keys = [library.keys.make(f"key {number}", "write")[1] for number in range(20)]
    assert len(set(keys)) == 20
    assert {key[:3] for key in keys} == {"bs_"}
    assert {len(key) for key in keys} == {3 + 43}  # 256 bits at 6 a character


def test_the_key_itself_is_nowhere_on_disk(library: Library) -> None:
    _, key = library.keys.make("phone", "read")
    library.close()
    for path in library.path.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes()
    with closing(sqlite3.connect(library.path / "catalog.sqlite")) as connection:
        (stored,) = connection.execute("SELECT sha256 FROM api_keys").fetchone()
    assert stored == hashlib.sha256(key.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    ["", "bs_", "bs_" + "a" * 43, "bs_" + "é" * 43, "bs_\0", "bs_\udcff", "bs_" + "a" * 10**6],
)
def test_other_texts_are_no_keys(library: Library, other: str) -> None:
    _, key = library.keys.make("phone", "read")
    for text in (other, key[:-1], key + "A", key.lower(), f" {key}"):
        assert library.keys.find(text) is None


def test_digests_are_compared_in_constant_time(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = library.keys.make("phone", "read")
    compared = []
    compare = hmac.compare_digest

    def noting(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    assert library.keys.find(key) is not None
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert compared == [(digest, digest)]


def test_a_revoked_key_opens_nothing_in_any_process_but_stays_in_the_list(library: Library) -> None:
    _, key = library.keys.make("phone", "read")
    with Library.open(library.path) as other:
        assert other.keys.find(key) is not None
        revoked = library.keys.revoke("phone")
        assert other.keys.find(key) is None
        assert other.keys.all() == [revoked]
        assert other.keys.exist()
    assert revoked.revoked_at is not None
    assert library.keys.revoke("phone") == revoked  # again: as it was


def test_a_name_is_taken_until_its_key_is_forgotten(library: Library) -> None:
    _, first = library.keys.make("phone", "read")
    library.keys.revoke("phone")
    with pytest.raises(KeyExistsError, match="blipsearch keys remove"):
        library.keys.make("phone", "write")
    library.keys.remove("phone")
    assert not library.keys.exist()
    _, second = library.keys.make("phone", "write")
    assert library.keys.find(first) is None
    assert library.keys.find(second) is not None


def test_what_is_not_there_is_named_beside_what_is(library: Library) -> None:
    with pytest.raises(KeyNotFoundError, match="no key 'tablet'; there are none"):
        library.keys.revoke("tablet")
    library.keys.make("phone", "read")
    for attempt in (library.keys.revoke, library.keys.remove):
        with pytest.raises(KeyNotFoundError, match="no key 'tablet'; there are phone"):
            attempt("tablet")


@pytest.mark.parametrize("name", ["", " phone", "a" * 101, "pho\nne", "pho\0ne", "-x", "\udcff"])
def test_a_name_that_cannot_be_shown_is_refused(library: Library, name: str) -> None:
    with pytest.raises(SettingsError, match="a key cannot be called"):
        library.keys.make(name, "read")


def test_a_scope_is_read_or_write(library: Library) -> None:
    with pytest.raises(SettingsError, match="read or write, not admin"):
        library.keys.make("phone", "admin")  # type: ignore[arg-type]
    library.keys.make("phone", "read")
    catalog = library.path / "catalog.sqlite"
    with closing(sqlite3.connect(catalog)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE api_keys SET scope = 'admin'")


def test_the_keys_of_a_stored_library_open_what_they_opened(tmp_path: Path) -> None:
    shutil.copytree(OLD / "0004", tmp_path / "library")
    upgrade_library(tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        found = library.keys.find("bs_an old key")
        assert found is not None
        assert (found.name, found.scope) == ("phone", "read")
        assert library.keys.find("bs_a lost key") is None
        assert [key.name for key in library.keys.all()] == ["phone", "lost"]
