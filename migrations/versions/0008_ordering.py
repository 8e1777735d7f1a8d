"""Orders are placed once a key and called up by a code; payments have states."""

import sqlalchemy as sa
from alembic import op

from migrations.locks import holding_nobody_up

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEX = "uq_orders_pickup_code"
CHECK = "ck_orders_pickup_code"
ACTIVE = "status IN ('created', 'accepted', 'preparing', 'ready')"
CODE = "pickup_code ~ '^[CDFGHJKMNPQRTVWXY34679]{3,5}$'"


def upgrade() -> None:
    # Without a default no row is rewritten; it may be there already, for the index is outside
    # its transaction and may be broken off.
    op.add_column("orders", sa.Column("pickup_code", sa.Text()), if_not_exists=True)
    op.execute(f"ALTER TABLE orders DROP CONSTRAINT IF EXISTS {CHECK}")
    op.execute(f"ALTER TABLE orders ADD CONSTRAINT {CHECK} CHECK ({CODE}) NOT VALID")
    with holding_nobody_up():
        # Looks at a million rows while orders are taken.
        op.execute(f"ALTER TABLE orders VALIDATE CONSTRAINT {CHECK}")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY {INDEX} ON orders (cafeteria_id, pickup_code)"
            f" WHERE {ACTIVE}"
        )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 128", name=op.f("ck_idempotency_keys_key")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_idempotency_keys_digest")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id")
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "payments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "succeeded",
                "declined",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("decline_reason", sa.Text(), nullable=True),
        sa.Column("provider_key", sa.Text(), nullable=True),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payments_amount")),
        sa.CheckConstraint(
            "(status = 'declined') = (decline_reason IS NOT NULL)",
            name=op.f("ck_payments_declined_for_a_reason"),
        ),
        sa.CheckConstraint(
            "(status = 'pending') = (settled_at IS NULL)",
            name=op.f("ck_payments_settled_or_pending"),
        ),
        sa.CheckConstraint(
            "num_nulls(taken_by, provider_key) = 1", name=op.f("ck_payments_cash_or_provider")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_payments_user_id")),
        sa.ForeignKeyConstraint(["taken_by"], ["users.id"], name=op.f("fk_payments_taken_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("provider_key", name=op.f("uq_payments_provider_key")),
    )


def downgrade() -> None:
    op.drop_table("payments", if_exists=True)
    op.drop_table("idempotency_keys", if_exists=True)
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    op.drop_column("orders", "pickup_code")
