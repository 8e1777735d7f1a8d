"""Alembic's entry: hands the open connection it was given to the migrations."""

from alembic import context

from domain.model import Base


def run(connection: object) -> None:
    """Apply the chosen revisions, each in a transaction of its own."""
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
