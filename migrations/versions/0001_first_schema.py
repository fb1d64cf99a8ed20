"""The first schema: collections, sources, images and what is said of them, runs, followers.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A migration never changes once released, so it names plain types instead of those of the tables.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_collections()
    _create_sources()
    _create_images()
    _create_image_tags()
    _create_captions()
    _create_answers()
    _create_runs()
    _create_deletions()
    _create_snapshots()
    if op.get_bind().dialect.name == "sqlite":
        _create_captions_full_text()


def _create_collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("preprocessing", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
        sqlite_autoincrement=True,
    )


def _create_sources() -> None:
    op.create_table(
        "sources",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("collection_id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name="fk_sources_collection_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("collection_id", "name", name="uq_sources_collection_id_name"),
        sa.UniqueConstraint("collection_id", "root", name="uq_sources_collection_id_root"),
        sqlite_autoincrement=True,
    )


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("collection_id", BIG_ID, nullable=False),
        sa.Column("source_id", BIG_ID, nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("perceptual_hash", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("taken_at", sa.DateTime(), nullable=True),
        sa.Column("camera", sa.Text(), nullable=True),
        sa.Column("lens", sa.Text(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("orientation", sa.Integer(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "status <> 'indexed' OR embedding IS NOT NULL", name=op.f("ck_images_embedding")
        ),
        sa.CheckConstraint(
            "status IN ('indexed', 'failed', 'missing')", name=op.f("ck_images_status")
        ),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name="fk_images_collection_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name="fk_images_source_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("collection_id", "change", name="uq_images_collection_id_change"),
        sa.UniqueConstraint("source_id", "path", name="uq_images_source_id_path"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_images_collection_id_status", "images", ["collection_id", "status"], unique=False
    )


def _create_image_tags() -> None:
    op.create_table(
        "image_tags",
        sa.Column("image_id", BIG_ID, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_image_tags_image_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "tag", name="pk_image_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_tags_tag_image_id", "image_tags", ["tag", "image_id"], unique=False)


def _create_captions() -> None:
    op.create_table(
        "captions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("image_id", BIG_ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("match", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_captions_image_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_captions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_captions_image_id", "captions", ["image_id"], unique=False)


def _create_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("image_id", BIG_ID, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_answers_image_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_answers"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answers_image_id", "answers", ["image_id"], unique=False)


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("collection_id", BIG_ID, nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_runs_collection_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_collection_id", "runs", ["collection_id"], unique=False)


def _create_deletions() -> None:
    op.create_table(
        "deletions",
        sa.Column("collection_id", BIG_ID, nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name="fk_deletions_collection_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "change", name="pk_deletions"),
    )


def _create_snapshots() -> None:
    op.create_table(
        "snapshots",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("collection_id", BIG_ID, nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name="fk_snapshots_collection_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token", name="pk_snapshots"),
    )
    op.create_index("ix_snapshots_collection_id", "snapshots", ["collection_id"], unique=False)


def _create_captions_full_text() -> None:
    # External content: the words are indexed here, the text stays in `captions` alone.
    op.execute(
        "CREATE VIRTUAL TABLE captions_fts USING fts5("
        "text, content='captions', content_rowid='id', "
        "tokenize='porter unicode61 remove_diacritics 2')"
    )
    forget = (
        "INSERT INTO captions_fts (captions_fts, rowid, text) VALUES ('delete', old.id, old.text);"
    )
    learn = "INSERT INTO captions_fts (rowid, text) VALUES (new.id, new.text);"
    op.execute(f"CREATE TRIGGER captions_added AFTER INSERT ON captions BEGIN {learn} END")
    op.execute(f"CREATE TRIGGER captions_removed AFTER DELETE ON captions BEGIN {forget} END")
    op.execute(
        f"CREATE TRIGGER captions_changed AFTER UPDATE ON captions BEGIN {forget} {learn} END"
    )
