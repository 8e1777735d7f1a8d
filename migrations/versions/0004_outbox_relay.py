"""The outbox has a relay: when an event is anybody's, and how often it was tried."""

import sqlalchemy as sa
from alembic import op

from migrations.locks import holding_nobody_up

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEX = "ix_outbox_due"
FORMER = "ix_outbox_waiting"
WAITING = "WHERE delivered_at IS NULL"


def upgrade() -> None:
    # PostgreSQL computes these defaults once for all rows that there are, and rewrites none.
    # They may be there already: the index is outside their transaction, and may be broken off.
    for column in (
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now() + interval '30 seconds'"),
            nullable=False,
        ),
    ):
        op.add_column("outbox", column, if_not_exists=True)
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(f"CREATE INDEX CONCURRENTLY {INDEX} ON outbox (kind, due_at) {WAITING}")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {FORMER}")


def downgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {FORMER}")
        op.execute(f"CREATE INDEX CONCURRENTLY {FORMER} ON outbox (id) {WAITING}")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    op.drop_column("outbox", "due_at")
    op.drop_column("outbox", "attempts")
