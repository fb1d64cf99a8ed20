"""The tables of a library's catalog, as SQLAlchemy 2 typed mappings; no queries.

The migrations build these tables; a test holds the two equal. The column types are in `columns`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from blipsearch.columns import BigId, FileName, FreeText, Hash64, UtcDateTime
from blipsearch.records import DEFAULT_STATES_BUDGET, DEFAULT_STATES_KIND

__all__ = [
    "AnswerRow",
    "ApiKeyRow",
    "Base",
    "CaptionRow",
    "CollectionRow",
    "DeletionRow",
    "GivenRow",
    "ImageRow",
    "ImageTagRow",
    "RunRow",
    "SnapshotRow",
    "SourceRow",
]

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
    """A named root of a collection; a moved root is one update here.

    A root inside the library's directory is kept relative to it, so that a copy has its own.
    """

    __tablename__ = "sources"
    __table_args__ = (
        UniqueConstraint("collection_id", "name"),
        UniqueConstraint("collection_id", "root"),
        CheckConstraint("kind IN ('folder', 'archive', 'manifest', 'remote')", name="kind"),
        _NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(FileName)
    root: Mapped[str] = mapped_column(FileName)
    kind: Mapped[str] = mapped_column(String(8), server_default="folder")


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
        Index(None, "collection_id", "sha256"),
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
    lasting: Mapped[bool] = mapped_column(default=True, server_default=true())
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


class GivenRow(Base):
    """What a sidecar or a manifest's row last said of an image, to tell it from what people set."""

    __tablename__ = "image_given"

    image_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    stamp: Mapped[str] = mapped_column(FreeText)
    content: Mapped[Mapping[str, Any]] = mapped_column(JSON)


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


class ApiKeyRow(Base):
    """A key of the query service. The key itself is nowhere, only its SHA-256 in hex."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("scope IN ('read', 'write')", name="scope"), _NEVER_REUSED)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    scope: Mapped[str] = mapped_column(String(5))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
