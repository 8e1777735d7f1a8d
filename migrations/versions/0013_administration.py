"""What is administered has a version, and is withdrawn rather than lost; what is new among orders
is found by the transaction that changed them."""

import sqlalchemy as sa
from alembic import op

from migrations.locks import holding_nobody_up

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEX = "ix_orders_changed_in"
WITHDRAWN = ("products", "categories", "cafeterias")
# The products have a version already.
UNVERSIONED = ("categories", "cafeterias", "users", "configuration")
# A constraint that takes in what was withdrawn gives way to an index that does not.
UNIQUE = {"categories": "slug", "cafeterias": "name"}
GROW = """
CREATE FUNCTION grow_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version = OLD.version + 1;
    RETURN NEW;
END $$
"""
GROW_OF_CAFETERIA = """
CREATE FUNCTION grow_version_of_cafeteria() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cafeterias SET version = version + 1 WHERE id IN (SELECT cafeteria_id FROM after);
    RETURN NULL;
END $$
"""
NOTE_TRANSACTION = """
CREATE FUNCTION note_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_in = pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$
"""
NOTE = """
CREATE TRIGGER note_transaction BEFORE UPDATE ON orders
FOR EACH ROW EXECUTE FUNCTION note_transaction()
"""
HOURS = ("opening_intervals", "opening_exceptions")
# A transition table belongs to one operation.
SEEN = {
    "INSERT": "REFERENCING NEW TABLE AS after",
    "UPDATE": "REFERENCING NEW TABLE AS after",
    "DELETE": "REFERENCING OLD TABLE AS after",
}
# That of 0012, where what is withdrawn has left the menu.
PRODUCTS = """
CREATE OR REPLACE FUNCTION tell_cache_of_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM tell_cache(
            ARRAY(SELECT 'product-' || id FROM after)
            || ARRAY(SELECT DISTINCT 'menu' FROM after JOIN before USING (id)
                     WHERE {}),
            '{{kind-products,kind-menu}}');
    ELSE
        PERFORM tell_cache(
            ARRAY(SELECT 'product-' || id FROM after)
            || ARRAY(SELECT DISTINCT 'menu' FROM after),
            '{{kind-products,kind-menu}}');
    END IF;
    RETURN NULL;
END $$
"""
MOVED = "after.category_id <> before.category_id"
WITHDREW = "(after.withdrawn_at IS NULL) <> (before.withdrawn_at IS NULL)"


def upgrade() -> None:
    # Without a default no row of a million is written anew; the index is outside of the
    # transaction, so the column may be there already.
    op.add_column("orders", sa.Column("changed_in", sa.BigInteger()), if_not_exists=True)
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON orders (changed_in, id)"
            " WHERE changed_in IS NOT NULL"
        )
    op.alter_column(
        "orders", "changed_in", server_default=sa.text("pg_current_xact_id()::text::bigint")
    )
    for statement in (NOTE_TRANSACTION, NOTE, GROW, GROW_OF_CAFETERIA):
        op.execute(statement)
    for table in WITHDRAWN:
        op.add_column(table, sa.Column("withdrawn_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_products_withdrawn_is_off"),
        "products",
        "withdrawn_at IS NULL OR NOT is_available",
    )
    for table in UNVERSIONED:
        op.add_column(
            table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
        )
    for table in ("products", *UNVERSIONED):
        # Not where the change has seen to it: what is sold calls no function.
        op.execute(
            f"CREATE TRIGGER grow_version BEFORE UPDATE ON {table} FOR EACH ROW"
            " WHEN (NEW.version = OLD.version) EXECUTE FUNCTION grow_version()"
        )
    for table in HOURS:
        for operation, seen in SEEN.items():
            op.execute(
                f"CREATE TRIGGER grow_version_{operation.lower()} AFTER {operation} ON {table}"
                f" {seen} FOR EACH STATEMENT EXECUTE FUNCTION grow_version_of_cafeteria()"
            )
    for table, column in UNIQUE.items():
        name = op.f(f"uq_{table}_{column}")
        op.drop_constraint(name, table)
        op.create_index(
            name, table, [column], unique=True, postgresql_where=sa.text("withdrawn_at IS NULL")
        )
    op.execute(PRODUCTS.format(f"{MOVED} OR {WITHDREW}"))


def downgrade() -> None:
    op.execute(PRODUCTS.format(MOVED))
    for table, column in UNIQUE.items():
        name = op.f(f"uq_{table}_{column}")
        op.drop_index(name, table)
        op.create_unique_constraint(name, table, [column])
    for table in HOURS:
        for operation in SEEN:
            op.execute(f"DROP TRIGGER grow_version_{operation.lower()} ON {table}")
    for table in ("products", *UNVERSIONED):
        op.execute(f"DROP TRIGGER grow_version ON {table}")
    for table in UNVERSIONED:
        op.drop_column(table, "version")
    for table in WITHDRAWN:
        op.drop_column(table, "withdrawn_at")
    op.execute("DROP TRIGGER note_transaction ON orders")
    op.execute("DROP FUNCTION grow_version(), grow_version_of_cafeteria(), note_transaction()")
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    op.drop_column("orders", "changed_in")
