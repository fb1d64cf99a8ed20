"""Keys of the query service: made, listed, taken back, recognised."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from datetime import UTC, datetime
from typing import cast, get_args

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from blipsearch.catalog.database import Database
from blipsearch.errors import KeyExistsError, KeyNotFoundError, SettingsError
from blipsearch.records import ApiKey, KeyScope
from blipsearch.tables import ApiKeyRow

__all__ = ["Keys"]

_PREFIX = "bs_"
"""What a key begins with, so that people and scanners for leaked secrets know what it is."""
_BYTES = 32
_LONGEST = 200
"""Characters of what is worth hashing; a key has fewer."""
_NAME = re.compile(r"[^\W_][\w .@-]{0,99}")


class Keys:
    """The rows of `api_keys`. Changes hold for every process from its next question on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, name: str, scope: KeyScope) -> tuple[ApiKey, str]:
        """Make a key; returns what is known of it, and the key: this once, for it is not kept.

        Raises KeyExistsError where the name is taken, also by a revoked key, and SettingsError for
        a name or a scope that cannot be.
        """
        name = _checked_name(name)
        if scope not in get_args(KeyScope):
            raise SettingsError(f"a key's scope is {' or '.join(get_args(KeyScope))}, not {scope}")
        key = _PREFIX + secrets.token_urlsafe(_BYTES)
        with self._database.writing() as session:
            if session.scalar(select(ApiKeyRow.id).where(ApiKeyRow.name == name)) is not None:
                raise KeyExistsError(
                    f"there is already a key {name!r}, see `blipsearch keys list`; choose another "
                    "name, or first forget that key with `blipsearch keys remove`"
                )
            row = ApiKeyRow(
                name=name, scope=scope, sha256=_sha256(key), created_at=datetime.now(UTC)
            )
            session.add(row)
            session.flush()
            return _key(row), key

    def all(self) -> list[ApiKey]:
        """All keys, also revoked ones, oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.id))
            return [_key(row) for row in rows]

    def revoke(self, name: str) -> ApiKey:
        """Let a key open nothing any more; one that is revoked stays so. Raises KeyNotFoundError.

        It goes on to count in `exist`: taking back the last key must not open the door to all.
        """
        with self._database.writing() as session:
            row = _found(session, name)
            if row.revoked_at is None:
                row.revoked_at = datetime.now(UTC)
            return _key(row)

    def remove(self, name: str) -> None:
        """Forget a key, revoked or not, as if it had never been. Raises KeyNotFoundError."""
        with self._database.writing() as session:
            row = _found(session, name)
            session.execute(delete(ApiKeyRow).where(ApiKeyRow.id == row.id))

    def exist(self) -> bool:
        """Whether there is any key, revoked or not."""
        with self._database.reading() as session:
            return session.scalar(select(ApiKeyRow.id).limit(1)) is not None

    def find(self, key: str) -> ApiKey | None:
        """Return what is known of a key; None where it was not made here or is revoked."""
        if not key.startswith(_PREFIX) or len(key) > _LONGEST:
            return None
        digest = _sha256(key)
        with self._database.reading() as session:
            # By the index: how long that takes tells about digests only, and nobody can steer
            # those towards one that is stored.
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.sha256 == digest))
            if row is None or row.revoked_at is not None:
                return None
            return _key(row) if hmac.compare_digest(row.sha256, digest) else None


def _sha256(key: str) -> str:
    # No slow hash as for passwords: nobody guesses 256 random bits.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _found(session: Session, name: str) -> ApiKeyRow:
    row = session.scalar(
        select(ApiKeyRow).where(ApiKeyRow.name == unicodedata.normalize("NFC", name))
    )
    if row is None:
        names = session.scalars(select(ApiKeyRow.name).order_by(ApiKeyRow.name)).all()
        there_are = f"there are {', '.join(names)}" if names else "there are none"
        raise KeyNotFoundError(f"no key {name!r}; {there_are}")
    return row


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.name, cast("KeyScope", row.scope), row.created_at, row.revoked_at)


def _checked_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"a key cannot be called {name!r}: use 1 to 100 letters, digits, spaces, '.', '_', "
            "'@' or '-', beginning with a letter or digit"
        )
    return name
