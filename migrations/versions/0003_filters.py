"""Indexes for filters: one that holds what filters look at, and where narrow ones begin.

Revision 0003, after 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_images_facts",
        "images",
        [
            *("collection_id", "status", "id", "taken_at", "width", "height", "size"),
            *("latitude", "longitude", "format", "camera", "lens", "source_id", "path"),
        ],
    )
    op.create_index("ix_images_collection_id_taken_at", "images", ["collection_id", "taken_at"])
    op.create_index("ix_images_collection_id_camera", "images", ["collection_id", "camera"])
    op.create_index(
        "ix_images_collection_id_latitude_longitude",
        "images",
        ["collection_id", "latitude", "longitude"],
    )
