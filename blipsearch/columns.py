"""Column types: what Python and SQL see differently (paths, hashes, times) is translated here.

So no query has to think of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator

__all__ = [
    "ESCAPE",
    "BigId",
    "FileName",
    "FreeText",
    "Hash64",
    "UtcDateTime",
    "restored_name",
    "stored_name",
    "stored_text",
]

ESCAPE = "\x1a"
"""What each escape in a stored file name begins with."""
_UNSTORABLE = re.compile("[\ud800-\udfff\x1a]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")


def stored_name(name: str) -> str:
    """A path or file name as a `FileName` column holds it."""
    if not _UNSTORABLE.search(name):
        return name
    return _UNSTORABLE.sub(lambda found: f"{ESCAPE}{ord(found[0]):04x}", name)


def restored_name(stored: str) -> str:
    """A path or file name as the file system gave it."""
    if ESCAPE not in stored:
        return stored
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), stored)


class FileName(TypeDecorator[str]):
    """A path or file name, kept exactly, even where its bytes are not UTF-8.

    Python shows such bytes as lone surrogates, which no database stores as text. Each becomes
    U+001A (SUBSTITUTE) and its code point as four hex digits; a real U+001A is written the same
    way, so that the mapping is one to one and a prefix of a path stays a prefix.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Escape what text columns cannot hold."""
        return None if value is None else stored_name(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Restore the name as the file system gave it."""
        return None if value is None else restored_name(value)


def stored_text(text: str) -> str:
    """A text as a `FreeText` column holds it."""
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode("utf-8")


class FreeText(TypeDecorator[str]):
    """Text from files and people: lone surrogates are written as escapes, NUL is dropped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Make the text storable in any database."""
        return None if value is None else stored_text(value)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware datetimes in Python, naive UTC in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn an aware datetime into naive UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give back an aware datetime in UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Hash64(TypeDecorator[int]):
    """An unsigned 64-bit hash, kept as SQL's signed 64-bit integer with the same bits."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Read the 64 bits as two's complement."""
        return value - (1 << 64) if value is not None and value >= 1 << 63 else value

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Read the 64 bits as unsigned."""
        return value + (1 << 64) if value is not None and value < 0 else value


BigId = BigInteger().with_variant(Integer, "sqlite")
"""64-bit on every database; SQLite counts up by itself only in a column called INTEGER."""
