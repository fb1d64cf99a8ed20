"""How a collection keeps image states for reranking: the kind, and the bytes they may take.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The checks stand at their columns: SQLite adds such a column as it is. A check of the table
    # would have it copy the table, and with the old one go the rows that refer to it.
    op.add_column(
        "collections",
        sa.Column(
            "states_kind",
            sa.String(length=8),
            sa.CheckConstraint(
                "states_kind IN ('float16', 'int8', 'merged', 'none')",
                name=op.f("ck_collections_states_kind"),
            ),
            nullable=False,
            server_default="float16",
        ),
    )
    op.add_column(
        "collections",
        sa.Column(
            "states_budget",
            sa.BigInteger(),
            sa.CheckConstraint("states_budget >= 0", name=op.f("ck_collections_states_budget")),
            nullable=False,
            server_default="20000000000",
        ),
    )
