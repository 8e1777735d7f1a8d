"""The ground: people, places, menu, orders, money, notices, configuration and outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


MINUTES_OF_WEEK = """
int4multirange(VARIADIC ARRAY[
    int4range(
        (weekday - 1) * 1440 + (extract(epoch FROM opens_at) / 60::numeric)::integer,
        least(10080, (weekday - 1) * 1440 + (extract(epoch FROM closes_at) / 60::numeric)::integer
            + CASE WHEN closes_at <= opens_at THEN 1440 ELSE 0 END)
    ),
    int4range(
        0,
        greatest(0, (weekday - 1) * 1440 + (extract(epoch FROM closes_at) / 60::numeric)::integer
            + CASE WHEN closes_at <= opens_at THEN 1440 ELSE 0 END - 10080)
    )
])
"""
MINUTES_OF_DATE = """
CASE WHEN opens_at IS NULL THEN int4range(0, 2880) ELSE int4range(
    (extract(epoch FROM opens_at) / 60::numeric)::integer,
    (extract(epoch FROM closes_at) / 60::numeric)::integer
        + CASE WHEN closes_at <= opens_at THEN 1440 ELSE 0 END
) END
"""
WHOLE_MINUTES = (
    "opens_at < '24:00' AND closes_at < '24:00'"
    " AND extract(second FROM opens_at) = 0 AND extract(second FROM closes_at) = 0"
)
# The table of domain.model.orders.TRANSITIONS as it was on the day of this migration; a test
# tries every pair of states on both.
GUARD_STATUS = """
CREATE FUNCTION guard_order_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('created', 'accepted'), ('created', 'rejected'), ('created', 'cancelled'),
        ('accepted', 'preparing'), ('accepted', 'cancelled'),
        ('preparing', 'ready'), ('preparing', 'cancelled'),
        ('ready', 'delivered')
    ) THEN
        RAISE EXCEPTION 'an order cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'legal_order_status', TABLE = 'orders';
    END IF;
    RETURN NEW;
END $$
"""
GUARD_TRIGGER = """
CREATE TRIGGER legal_order_status BEFORE UPDATE OF status ON orders
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
EXECUTE FUNCTION guard_order_status()
"""
# A ledger is only ever added to.
GUARD_LEDGER = """
CREATE FUNCTION guard_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: correct it with a new transaction'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'append_only', TABLE = 'transactions';
END $$
"""
LEDGER_TRIGGER = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transactions
FOR EACH ROW EXECUTE FUNCTION guard_ledger()
"""


def upgrade() -> None:
    # Exclusion by (cafeteria =, minutes &&) needs equality in a GiST index.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "cafeterias",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column(
            "last_order_minutes", sa.SmallInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "last_order_minutes BETWEEN 0 AND 240", name=op.f("ck_cafeterias_last_order_minutes")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 120", name=op.f("ck_cafeterias_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cafeterias")),
        sa.UniqueConstraint("name", name=op.f("uq_cafeterias_name")),
    )
    op.create_table(
        "categories",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 120", name=op.f("ck_categories_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("slug", name=op.f("uq_categories_slug")),
    )
    op.create_table(
        "configuration",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_configuration")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "cache_tags",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.create_table(
        "opening_exceptions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cafeteria_id", sa.BigInteger(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("opens_at", sa.Time(), nullable=True),
        sa.Column("closes_at", sa.Time(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "minutes_of_date",
            postgresql.INT4RANGE(),
            sa.Computed(MINUTES_OF_DATE, persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(opens_at IS NULL) = (closes_at IS NULL)",
            name=op.f("ck_opening_exceptions_closed_or_both"),
        ),
        sa.ForeignKeyConstraint(
            ["cafeteria_id"],
            ["cafeterias.id"],
            name=op.f("fk_opening_exceptions_cafeteria_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opening_exceptions")),
        sa.CheckConstraint(WHOLE_MINUTES, name=op.f("ck_opening_exceptions_whole_minutes")),
        postgresql.ExcludeConstraint(
            (sa.column("cafeteria_id"), "="),
            (sa.column("on_date"), "="),
            (sa.column("minutes_of_date"), "&&"),
            using="gist",
            name="ex_opening_exceptions_overlap",
        ),
    )
    op.create_table(
        "opening_intervals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cafeteria_id", sa.BigInteger(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("opens_at", sa.Time(), nullable=False),
        sa.Column("closes_at", sa.Time(), nullable=False),
        sa.Column(
            "minutes_of_week",
            postgresql.INT4MULTIRANGE(),
            sa.Computed(
                MINUTES_OF_WEEK,
                persisted=True,
            ),
            nullable=False,
        ),
        postgresql.ExcludeConstraint(
            (sa.column("cafeteria_id"), "="),
            (sa.column("minutes_of_week"), "&&"),
            using="gist",
            name="ex_opening_intervals_overlap",
        ),
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name=op.f("ck_opening_intervals_weekday")),
        sa.CheckConstraint(WHOLE_MINUTES, name=op.f("ck_opening_intervals_whole_minutes")),
        sa.ForeignKeyConstraint(
            ["cafeteria_id"],
            ["cafeterias.id"],
            name=op.f("fk_opening_intervals_cafeteria_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opening_intervals")),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cafeteria_id", sa.BigInteger(), nullable=False),
        sa.Column("category_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("stock", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_available", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("picture_version", sa.Text(), nullable=True),
        sa.Column("picture_width", sa.Integer(), nullable=True),
        sa.Column("picture_height", sa.Integer(), nullable=True),
        sa.Column("picture_color", sa.Text(), nullable=True),
        sa.Column("picture_thumbhash", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 160", name=op.f("ck_products_name")),
        sa.CheckConstraint(
            "num_nulls(picture_version, picture_width, picture_height) IN (0, 3)"
            " AND (picture_version IS NULL OR picture_width > 0 AND picture_height > 0)",
            name=op.f("ck_products_picture_is_whole"),
        ),
        sa.CheckConstraint("price_minor BETWEEN 0 AND 100000000", name=op.f("ck_products_price")),
        sa.CheckConstraint("stock >= 0", name=op.f("ck_products_never_oversold")),
        sa.ForeignKeyConstraint(
            ["cafeteria_id"], ["cafeterias.id"], name=op.f("fk_products_cafeteria_id")
        ),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name=op.f("fk_products_category_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
    )
    op.create_index("ix_products_cafeteria_id", "products", ["cafeteria_id", "id"], unique=False)
    op.create_index("ix_products_category_id", "products", ["category_id", "id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "customer",
                "staff",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="customer",
            nullable=False,
        ),
        sa.Column("cafeteria_id", sa.BigInteger(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "email LIKE '%_@_%' AND length(email) <= 254", name=op.f("ck_users_email")
        ),
        sa.CheckConstraint(
            "role <> 'staff' OR cafeteria_id IS NOT NULL", name=op.f("ck_users_staff_has_a_counter")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 120", name=op.f("ck_users_name")),
        sa.ForeignKeyConstraint(
            ["cafeteria_id"], ["cafeterias.id"], name=op.f("fk_users_cafeteria_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("cafeteria_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "created",
                "accepted",
                "preparing",
                "ready",
                "delivered",
                "cancelled",
                "rejected",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="created",
            nullable=False,
        ),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("total_minor >= 0", name=op.f("ck_orders_total")),
        sa.ForeignKeyConstraint(
            ["cafeteria_id"], ["cafeterias.id"], name=op.f("fk_orders_cafeteria_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_orders_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index(
        "ix_orders_active",
        "orders",
        ["cafeteria_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('created', 'accepted', 'preparing', 'ready')"),
    )
    op.create_index(
        "ix_orders_created_at",
        "orders",
        [sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_orders_user_id_created_at",
        "orders",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        postgresql_include=["status", "total_minor"],
        unique=False,
    )
    op.create_table(
        "wallets",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("balance_minor >= 0", name=op.f("ck_wallets_never_negative")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_wallets_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_wallets")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("is_read", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_notifications_order_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notifications_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("NOT is_read"),
    )
    op.create_index(
        "ix_notifications_user_id_created_at",
        "notifications",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "order_items",
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.SmallInteger(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity BETWEEN 1 AND 99", name=op.f("ck_order_items_quantity")),
        sa.CheckConstraint("unit_price_minor >= 0", name=op.f("ck_order_items_unit_price")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_order_items_order_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_order_items_product_id")
        ),
        sa.PrimaryKeyConstraint("order_id", "product_id", name=op.f("pk_order_items")),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "top_up",
                "payment",
                "refund",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'payment' THEN amount_minor < 0 ELSE amount_minor > 0 END",
            name=op.f("ck_transactions_sign_follows_kind"),
        ),
        sa.CheckConstraint(
            "kind = 'top_up' OR order_id IS NOT NULL", name=op.f("ck_transactions_order_is_known")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_transactions_order_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_transactions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("reference", name=op.f("uq_transactions_reference")),
    )
    op.create_index(
        "ix_transactions_order_id",
        "transactions",
        ["order_id"],
        unique=False,
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_index(
        "ix_transactions_user_id_created_at",
        "transactions",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    for statement in (GUARD_STATUS, GUARD_TRIGGER, GUARD_LEDGER, LEDGER_TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "transactions",
        "order_items",
        "notifications",
        "wallets",
        "orders",
        "users",
        "products",
        "opening_intervals",
        "opening_exceptions",
        "outbox",
        "configuration",
        "categories",
        "cafeterias",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION guard_order_status(), guard_ledger()")
