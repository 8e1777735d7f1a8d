"""Sessions: refresh tokens by their hashes, a row a login."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("family_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("replaced_hash", sa.LargeBinary()),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("replaced_at", sa.DateTime(timezone=True)),
        sa.Column("device", sa.Text()),
        sa.Column("user_agent", sa.Text()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "last_used_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "octet_length(family_hash) = 32 AND octet_length(token_hash) = 32"
            " AND octet_length(replaced_hash) = 32 AND octet_length(salt) = 32",
            name=op.f("ck_sessions_hashes"),
        ),
        sa.CheckConstraint(
            "num_nulls(replaced_hash, salt, replaced_at) IN (0, 3)",
            name=op.f("ck_sessions_replaced_is_whole"),
        ),
        sa.CheckConstraint(
            "replaced_hash <> token_hash", name=op.f("ck_sessions_replaced_is_another")
        ),
        sa.CheckConstraint("length(device) BETWEEN 1 AND 80", name=op.f("ck_sessions_device")),
        sa.CheckConstraint(
            "length(user_agent) BETWEEN 1 AND 256", name=op.f("ck_sessions_user_agent")
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_sessions_expires")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("family_hash", name=op.f("uq_sessions_family_hash")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])


def downgrade() -> None:
    op.drop_table("sessions")
