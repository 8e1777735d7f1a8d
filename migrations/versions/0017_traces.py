"""In which trace a change was made: what comes of it is told in the same."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("traceparent", sa.Text()))


def downgrade() -> None:
    op.drop_column("outbox", "traceparent")
