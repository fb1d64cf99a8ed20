"""Run migrations on the connection that blipsearch hands over, inside its transaction."""

from alembic import context
from sqlalchemy.engine import Connection

from blipsearch.tables import Base


def run(connection: Connection) -> None:
    """Migrate; the caller began the transaction and commits it."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,  # SQLite alters a table by copying it
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
