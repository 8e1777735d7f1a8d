"""Pictures: when one was uploaded, and the sizes of the copies beside its original."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHOLE = (
    "num_nulls({}) IN (0, {})"
    " AND (picture_version IS NULL OR picture_width > 0 AND picture_height > 0)"
)
SIZED = "picture_version, picture_width, picture_height"


def upgrade() -> None:
    levels = sa.Column(
        "picture_levels",
        postgresql.JSONB(),
        server_default=sa.text("'[]'::jsonb"),
        nullable=False,
    )
    op.add_column("products", levels)
    op.add_column("products", sa.Column("picture_uploaded_at", sa.DateTime(timezone=True)))
    op.drop_constraint(op.f("ck_products_picture_is_whole"), "products")
    # What was there before was uploaded no later than it was last changed.
    op.execute(
        "UPDATE products SET picture_uploaded_at = updated_at WHERE picture_version IS NOT NULL"
    )
    op.create_check_constraint(
        op.f("ck_products_picture_is_whole"),
        "products",
        WHOLE.format(f"{SIZED}, picture_uploaded_at", 4),
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_products_picture_is_whole"), "products")
    op.drop_column("products", "picture_uploaded_at")
    op.drop_column("products", "picture_levels")
    op.create_check_constraint(
        op.f("ck_products_picture_is_whole"), "products", WHOLE.format(SIZED, 3)
    )
