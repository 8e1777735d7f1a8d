"""A person's payments by index, the newest first."""

from alembic import op

from migrations.locks import holding_nobody_up

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEX = "ix_payments_user_id_created_at"


def upgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON payments (user_id, created_at DESC, id DESC)"
        )


def downgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
