"""What keeping many kinds of sources in step needs: kinds, reasons that pass, what was given.

Revision 0005, after 0004.
"""

from pathlib import PurePath

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Checks at their columns, as in 0002.
    op.add_column(
        "sources",
        sa.Column(
            "kind",
            sa.String(length=8),
            sa.CheckConstraint(
                "kind IN ('folder', 'archive', 'manifest', 'remote')",
                name=op.f("ck_sources_kind"),
            ),
            nullable=False,
            server_default="folder",
        ),
    )
    op.add_column(
        "images", sa.Column("lasting", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.create_index("ix_images_collection_id_sha256", "images", ["collection_id", "sha256"])
    op.create_table(
        "image_given",
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["images.id"],
            name=op.f("fk_image_given_image_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_given")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _make_roots_in_the_library_relative()


def _make_roots_in_the_library_relative() -> None:
    """Let the library's own pictures go with it where it is copied or moved."""
    connection = op.get_bind()
    file = next(row.file for row in connection.exec_driver_sql("PRAGMA database_list"))
    if not file:
        return  # a database in memory has no directory
    inside = f"{PurePath(file).parent}/"
    connection.execute(
        sa.text(
            "UPDATE sources SET root = substr(root, :length + 1) "
            "WHERE substr(root, 1, :length) = :inside"
        ),
        {"length": len(inside), "inside": inside},
    )
