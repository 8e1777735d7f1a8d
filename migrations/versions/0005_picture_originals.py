"""Pictures: each upload has an original of its own, whatever its content."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WHOLE = (
    "num_nulls({}) IN (0, {})"
    " AND (picture_version IS NULL OR picture_width > 0 AND picture_height > 0)"
)
BEFORE = "picture_version, picture_width, picture_height, picture_uploaded_at"
AFTER = "picture_version, picture_original, picture_width, picture_height, picture_uploaded_at"


def upgrade() -> None:
    op.add_column("products", sa.Column("picture_original", sa.Text()))
    op.drop_constraint(op.f("ck_products_picture_is_whole"), "products")
    # So originals were named until now.
    op.execute("UPDATE products SET picture_original = picture_version")
    op.create_check_constraint(
        op.f("ck_products_picture_is_whole"), "products", WHOLE.format(AFTER, 5)
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_products_picture_is_whole"), "products")
    op.drop_column("products", "picture_original")
    op.create_check_constraint(
        op.f("ck_products_picture_is_whole"), "products", WHOLE.format(BEFORE, 4)
    )
