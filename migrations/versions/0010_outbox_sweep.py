"""Events that were delivered are found by when, to be swept."""

from alembic import op

from migrations.locks import holding_nobody_up

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INDEX = "ix_outbox_delivered_at"


def upgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON outbox (delivered_at)"
            " WHERE delivered_at IS NOT NULL"
        )


def downgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
