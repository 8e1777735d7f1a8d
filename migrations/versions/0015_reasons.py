"""Why an order came to nothing."""

import sqlalchemy as sa
from alembic import op

from migrations.locks import holding_nobody_up

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

CHECK = "ck_orders_reason"
REASON = (
    "reason IS NULL OR length(reason) BETWEEN 1 AND 200 AND status IN ('cancelled', 'rejected')"
)


def upgrade() -> None:
    # It may be there already: what is validated is outside of the transaction, and may be broken
    # off.
    op.add_column("orders", sa.Column("reason", sa.Text()), if_not_exists=True)
    op.execute(f"ALTER TABLE orders DROP CONSTRAINT IF EXISTS {CHECK}")
    op.execute(f"ALTER TABLE orders ADD CONSTRAINT {CHECK} CHECK ({REASON}) NOT VALID")
    with holding_nobody_up():
        op.execute(f"ALTER TABLE orders VALIDATE CONSTRAINT {CHECK}")


def downgrade() -> None:
    op.drop_column("orders", "reason")
