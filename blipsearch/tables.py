"""The tables of a library's catalog, as SQLAlchemy 2 typed mappings; no queries.

The migrations build these tables; a test holds the two equal. Column types that Python and
SQL see differently (paths, hashes, times) are translated here, so that no query has to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from blipsearch.records import DEFAULT_STATES_BUDGET, DEFAULT_STATES_KIND

__all__ = [
    "ESCAPE",
    "AnswerRow",
    "Base",
    "BigId",
    "CaptionRow",
    "CollectionRow",
    "DeletionRow",
    "FileName",
    "FreeText",
    "Hash64",
    "ImageRow",
    "ImageTagRow",
    "RunRow",
    "SnapshotRow",
    "SourceRow",
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

_NEVER_REUSED = {"sqlite_autoincrement": True}


class Base(DeclarativeBase):
    """The root of all tables. Constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class CollectionRow(Base):
    """A collection: one checkpoint's embeddings. `change` is the newest number given out.

    How image states are kept stands here, not beside the states: those may be deleted at any time.
    """

    __tablename__ = "collections"
    __table_args__ = (
        CheckConstraint("states_kind IN ('float16', 'int8', 'merged', 'none')", name="states_kind"),
        CheckConstraint("states_budget >= 0", name="states_budget"),
        _NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    checkpoint: Mapped[str] = mapped_column(FileName)
    revision: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64))
    dim: Mapped[int]
    preprocessing: Mapped[Mapping[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    change: Mapped[int] = mapped_column(BigInteger, default=0)
    # Defaults of the database itself: the migration that added these columns filled rows with them.
    states_kind: Mapped[str] = mapped_column(String(8), server_default=DEFAULT_STATES_KIND)
    states_budget: Mapped[int] = mapped_column(
        BigInteger, server_default=str(DEFAULT_STATES_BUDGET)
    )


class SourceRow(Base):
    """A named root of a collection; a moved root is one update here."""

    __tablename__ = "sources"
    __table_args__ = (
        UniqueConstraint("collection_id", "name"),
        UniqueConstraint("collection_id", "root"),
        _NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(FileName)
    root: Mapped[str] = mapped_column(FileName)


class ImageRow(Base):
    """One image and its embedding (float32, little-endian; absent where it failed).

    `taken_at` is the camera's own clock, without a zone. The embedding comes last and is loaded
    only where asked for, so that reading the other columns stays light.

    `ix_images_facts` holds what filters look at, without metadata and embedding: a row is a tenth
    there. The indexes after it are where a search begins that few images can pass.
    """

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("source_id", "path"),
        UniqueConstraint("collection_id", "change"),
        Index(None, "collection_id", "status"),
        Index(
            "ix_images_facts",
            *("collection_id", "status", "id", "taken_at", "width", "height", "size"),
            *("latitude", "longitude", "format", "camera", "lens", "source_id", "path"),
        ),
        Index(None, "collection_id", "taken_at"),
        Index(None, "collection_id", "camera"),
        Index(None, "collection_id", "latitude", "longitude"),
        CheckConstraint("status IN ('indexed', 'failed', 'missing')", name="status"),
        CheckConstraint("status <> 'indexed' OR embedding IS NOT NULL", name="embedding"),
        _NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id", ondelete="CASCADE"))
    change: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(FreeText, default="")
    path: Mapped[str] = mapped_column(FileName)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), default="")
    perceptual_hash: Mapped[int | None] = mapped_column(Hash64)
    width: Mapped[int | None]
    height: Mapped[int | None]
    format: Mapped[str | None] = mapped_column(FreeText)
    taken_at: Mapped[datetime | None] = mapped_column(DateTime)
    camera: Mapped[str | None] = mapped_column(FreeText)
    lens: Mapped[str | None] = mapped_column(FreeText)
    latitude: Mapped[float | None] = mapped_column(Double)
    longitude: Mapped[float | None] = mapped_column(Double)
    orientation: Mapped[int] = mapped_column(default=1)
    # `metadata` is SQLAlchemy's own name on a mapped class.
    user_metadata: Mapped[Mapping[str, Any]] = mapped_column("metadata", JSON, default=dict)
    embedding: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class ImageTagRow(Base):
    """One tag of one image; a table of its own, so that a filter by tag is an index lookup."""

    __tablename__ = "image_tags"
    __table_args__ = (Index(None, "tag", "image_id"), {"sqlite_with_rowid": False})

    image_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(FreeText, primary_key=True)


class CaptionRow(Base):
    """A caption; its words are found through the full-text table that triggers keep in step."""

    __tablename__ = "captions"
    __table_args__ = (_NEVER_REUSED,)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(FreeText)
    checkpoint: Mapped[str] = mapped_column(FileName)
    match: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AnswerRow(Base):
    """What a checkpoint answered to a question about an image."""

    __tablename__ = "answers"
    __table_args__ = (_NEVER_REUSED,)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), index=True)
    question: Mapped[str] = mapped_column(FreeText)
    answer: Mapped[str] = mapped_column(FreeText)
    score: Mapped[float | None] = mapped_column(Double)
    checkpoint: Mapped[str] = mapped_column(FileName)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RunRow(Base):
    """What one index run did; `finished_at` stays empty where it was killed."""

    __tablename__ = "runs"
    __table_args__ = (_NEVER_REUSED,)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), index=True
    )
    checkpoint: Mapped[str] = mapped_column(FileName)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seconds: Mapped[float | None] = mapped_column(Double)
    added: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    moved: Mapped[int] = mapped_column(default=0)
    missing: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)


class DeletionRow(Base):
    """That an image was removed, and at which change: followers replay it."""

    __tablename__ = "deletions"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    change: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    image_id: Mapped[int] = mapped_column(BigInteger)
    deleted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SnapshotRow(Base):
    """That a vector snapshot with this token was taken of this very catalog, at which change.

    A catalog put back from a copy does not know the snapshots taken after that copy.
    """

    __tablename__ = "snapshots"

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), index=True
    )
    change: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
