"""The whole ledger by index, the newest first."""

from alembic import op

from migrations.locks import holding_nobody_up

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INDEX = "ix_transactions_created_at"


def upgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON transactions (created_at DESC, id DESC)")


def downgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
