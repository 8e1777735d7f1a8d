"""Payments of some days by index."""

from alembic import op

from migrations.locks import holding_nobody_up

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEX = "ix_payments_created_at"


def upgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON payments (created_at)")


def downgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
