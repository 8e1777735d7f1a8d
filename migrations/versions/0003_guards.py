"""A counter's orders by index; a ledger that is not emptied; time zones that exist."""

from alembic import op

from migrations.locks import holding_nobody_up

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = "ix_orders_cafeteria_id_created_at"
# The rows' trigger of 0001 does not see a TRUNCATE.
LEDGER_TRIGGER = """
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON transactions
FOR EACH STATEMENT EXECUTE FUNCTION guard_ledger()
"""
# A CHECK must not look at a view whose rows come with the server's packages.
GUARD_TIME_ZONE = """
CREATE FUNCTION guard_time_zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.time_zone) THEN
        RAISE EXCEPTION 'there is no time zone %', NEW.time_zone
            USING ERRCODE = 'check_violation', CONSTRAINT = 'known_time_zone', TABLE = 'cafeterias';
    END IF;
    RETURN NEW;
END $$
"""
TIME_ZONE_TRIGGER = """
CREATE TRIGGER known_time_zone BEFORE INSERT OR UPDATE OF time_zone ON cafeterias
FOR EACH ROW EXECUTE FUNCTION guard_time_zone()
"""


def upgrade() -> None:
    # Outside the transaction, so that orders are taken meanwhile; and first, so that where it
    # is broken off nothing else was done. What it leaves then is an invalid index.
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON orders (cafeteria_id, created_at DESC, id DESC)"
        )
    for statement in (LEDGER_TRIGGER, GUARD_TIME_ZONE, TIME_ZONE_TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    with holding_nobody_up():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
    op.execute("DROP TRIGGER never_emptied ON transactions")
    op.execute("DROP TRIGGER known_time_zone ON cafeterias")
    op.execute("DROP FUNCTION guard_time_zone()")
