"""Whatever changes what is cached says so in the outbox, whoever changes it, and is found there."""

import sqlalchemy as sa
from alembic import op

from migrations.locks import holding_nobody_up

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_outbox_transaction": "outbox (transaction) WHERE cache_tags <> '{}'",
    "ix_outbox_created_at": "outbox (created_at) WHERE cache_tags <> '{}'",
}
# Of many rows, one tag that takes in all of the kind. Nobody sees to such an event: processes find
# it by its transaction.
TELL = """
CREATE FUNCTION tell_cache(tags text[], kinds text[]) RETURNS void LANGUAGE sql AS $$
INSERT INTO outbox (kind, payload, cache_tags, delivered_at)
SELECT 'cache:void', '{}', CASE WHEN cardinality(tags) > 200 THEN kinds ELSE tags END, now()
WHERE cardinality(tags) > 0
$$
"""
PRODUCTS = """
CREATE FUNCTION tell_cache_of_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM tell_cache(
            ARRAY(SELECT 'product-' || id FROM after)
            || ARRAY(SELECT DISTINCT 'menu' FROM after JOIN before USING (id)
                     WHERE after.category_id <> before.category_id),
            '{kind-products,kind-menu}');
    ELSE
        PERFORM tell_cache(
            ARRAY(SELECT 'product-' || id FROM after)
            || ARRAY(SELECT DISTINCT 'menu' FROM after),
            '{kind-products,kind-menu}');
    END IF;
    RETURN NULL;
END $$
"""
CONFIGURATION = """
CREATE FUNCTION tell_cache_of_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_cache(ARRAY(SELECT 'configuration-' || key FROM after), '{kind-configuration}');
    RETURN NULL;
END $$
"""
# By a table's name: its function, and what that is given.
TABLES = {
    "products": "tell_cache_of_products()",
    "configuration": "tell_cache_of_configuration()",
    "categories": "tell_cache_that('categories')",
    "cafeterias": "tell_cache_that('hours')",
    "opening_intervals": "tell_cache_that('hours')",
    "opening_exceptions": "tell_cache_that('hours')",
}
THAT = """
CREATE FUNCTION tell_cache_that() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_cache(TG_ARGV::text[], TG_ARGV::text[]);
    RETURN NULL;
END $$
"""
# A transition table belongs to one operation.
SEEN = {
    "INSERT": "REFERENCING NEW TABLE AS after",
    "UPDATE": "REFERENCING OLD TABLE AS before NEW TABLE AS after",
    "DELETE": "REFERENCING OLD TABLE AS after",
}


def upgrade() -> None:
    # The default is apart, or every row would be written anew: it is another one for each.
    op.add_column("outbox", sa.Column("transaction", sa.BigInteger()), if_not_exists=True)
    op.alter_column(
        "outbox", "transaction", server_default=sa.text("pg_current_xact_id()::text::bigint")
    )
    with holding_nobody_up():
        for name, what in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {what}")
    for function in (TELL, PRODUCTS, CONFIGURATION, THAT):
        op.execute(function)
    for table, function in TABLES.items():
        for operation, seen in SEEN.items():
            op.execute(
                f"CREATE TRIGGER tell_cache_{operation.lower()} AFTER {operation} ON {table}"
                f" {seen} FOR EACH STATEMENT EXECUTE FUNCTION {function}"
            )


def downgrade() -> None:
    for table in TABLES:
        for operation in SEEN:
            op.execute(f"DROP TRIGGER tell_cache_{operation.lower()} ON {table}")
    for function in (
        "tell_cache_that()",
        "tell_cache_of_configuration()",
        "tell_cache_of_products()",
        "tell_cache(text[], text[])",
    ):
        op.execute(f"DROP FUNCTION {function}")
    with holding_nobody_up():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.drop_column("outbox", "transaction")
