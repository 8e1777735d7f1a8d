"""The migrated schema is the models', and its constraints say what the domain says."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from domain.model import Base
from migrations.locks import Locks
from migrations.runner import LockedError, migrate, roll_back

SCHEMA = """
WITH relations AS (
    SELECT oid, relname FROM pg_class
    WHERE relnamespace = $1::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
), told AS (
    SELECT relname, attname AS name, concat_ws(
        ' ', format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
        pg_get_expr(adbin, adrelid)
    ) AS definition
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL
    SELECT relname, conname, concat_ws(' ', pg_get_constraintdef(c.oid), convalidated)
    FROM relations JOIN pg_constraint c ON conrelid = relations.oid
    UNION ALL
    SELECT relations.relname, i.relname, concat_ws(' ', pg_get_indexdef(i.oid), indisvalid)
    FROM relations JOIN pg_index ON indrelid = relations.oid JOIN pg_class i ON i.oid = indexrelid
)
SELECT relname, name, replace(definition, $1 || '.', '') FROM told
"""
A_SESSION = (
    "INSERT INTO sessions (user_id, family_hash, token_hash, replaced_hash, expires_at)"
    " SELECT min(users.id)"
)


async def test_models_and_migrated_schema_are_the_same(empty_database: str) -> None:
    modelled = "modelled"
    url = make_url(empty_database).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA modelled"))
        into = await connection.execution_options(schema_translate_map={None: modelled})
        await into.run_sync(Base.metadata.create_all)
    await engine.dispose()
    # As the server itself tells them: columns, constraints and indexes, to the letter.
    found = await asyncpg.connect(empty_database)
    in_models, in_migrations = [
        {tuple(row) for row in await found.fetch(SCHEMA, schema)} for schema in (modelled, "public")
    ]
    await found.close()
    assert in_migrations - in_models == set()
    assert in_models - in_migrations == set()


async def test_migrations_run_down_and_up_again(empty_database: str) -> None:
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    connection = await asyncpg.connect(empty_database)
    before = await connection.fetch(tables)
    await roll_back(empty_database, "base")
    assert [row["tablename"] for row in await connection.fetch(tables)] == ["alembic_version"]
    await migrate(empty_database)
    assert await connection.fetch(tables) == before
    await connection.close()


async def test_processes_that_start_together_migrate_once_and_none_fails(
    database: str,
) -> None:
    # From below an index that is built concurrently: it waits for whoever holds a snapshot.
    await roll_back(database, "0002")
    await asyncio.gather(*(migrate(database) for _ in range(4)))
    connection = await asyncpg.connect(database)
    valid = await connection.fetchval(
        "SELECT indisvalid FROM pg_index"
        " WHERE indexrelid = 'ix_orders_cafeteria_id_created_at'::regclass"
    )
    await connection.close()
    assert valid


async def test_an_index_that_was_broken_off_is_built_again(
    database: str, connection: asyncpg.Connection
) -> None:
    await roll_back(database, "0002")
    valid = (
        "SELECT indisvalid FROM pg_index"
        " WHERE indexrelid = 'ix_orders_cafeteria_id_created_at'::regclass"
    )
    async with connection.transaction(isolation="repeatable_read"):
        # Whose snapshot the index would have to wait for.
        await connection.execute("SELECT FROM orders")
        with pytest.raises(LockedError, match="waits for a lock"):
            await migrate(database, locks=Locks(0.1, 0.1))
    assert await connection.fetchval(valid) is False
    await migrate(database)
    assert await connection.fetchval(valid)
    built = await connection.fetchval(
        "SELECT pg_get_indexdef('ix_orders_cafeteria_id_created_at'::regclass)"
    )
    assert "(cafeteria_id, created_at DESC, id DESC)" in built


async def test_a_migration_behind_a_long_transaction_holds_up_no_writes(
    database: str, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await roll_back(database, "0005")
    long = await asyncpg.connect(database)
    # Sessions refer to users: a lock that no write of a user may stand beside.
    async with asyncio.timeout(30), long.transaction():
        await long.execute("UPDATE users SET name = name WHERE id = 1")
        with pytest.raises(LockedError):
            await migrate(database, locks=Locks(0.05, 0))
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "0005"
        caplog.clear()
        migration = asyncio.create_task(migrate(database, locks=Locks(0.05)))
        while len(caplog.records) < 3:
            await connection.execute("UPDATE users SET name = name WHERE id = 2")
        assert not migration.done()
    await long.close()
    await migration
    assert await connection.fetchval("SELECT to_regclass('sessions')")


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE products SET stock = -1", "ck_products_never_oversold"),
        ("UPDATE products SET price_minor = -1", "ck_products_price"),
        ("UPDATE products SET picture_version = 'x'", "ck_products_picture_is_whole"),
        ("UPDATE users SET cafeteria_id = NULL WHERE role = 'staff'",
         "ck_users_staff_has_a_counter"),
        ("UPDATE users SET role = 'king'", "ck_users_role"),
        ("UPDATE users SET email = 'STUDENT2@campus.example' WHERE email LIKE 'student1@%'",
         "uq_users_email"),
        ("UPDATE wallets SET balance_minor = -1", "ck_wallets_never_negative"),
        ("UPDATE orders SET total_minor = -1", "ck_orders_total"),
        ("UPDATE orders SET pickup_code = 'CCC' WHERE status = 'created'", "uq_orders_pickup_code"),
        ("UPDATE orders SET pickup_code = 'COO'", "ck_orders_pickup_code"),
        ("INSERT INTO payments (user_id, taken_by, amount_minor, status, settled_at)"
         " SELECT min(id), min(id), 5, 'declined', now() FROM users",
         "ck_payments_declined_for_a_reason"),
        ("INSERT INTO payments (user_id, taken_by, amount_minor, settled_at)"
         " SELECT min(id), min(id), 5, now() FROM users", "ck_payments_settled_or_pending"),
        ("INSERT INTO payments (user_id, amount_minor) SELECT min(id), 5 FROM users",
         "ck_payments_cash_or_provider"),
        ("UPDATE order_items SET quantity = 0", "ck_order_items_quantity"),
        ("INSERT INTO transactions (user_id, kind, amount_minor, order_id)"
         " SELECT user_id, 'payment', 5, id FROM orders LIMIT 1",
         "ck_transactions_sign_follows_kind"),
        ("INSERT INTO transactions (user_id, kind, amount_minor) SELECT min(id), 'refund', 5"
         " FROM users", "ck_transactions_order_is_known"),
        ("UPDATE transactions SET amount_minor = amount_minor", "append_only"),
        ("DELETE FROM transactions", "append_only"),
        ("TRUNCATE transactions", "append_only"),
        ("TRUNCATE users CASCADE", "append_only"),
        ("UPDATE cafeterias SET time_zone = 'Mars/Olympus' WHERE id = 1", "known_time_zone"),
        ("INSERT INTO cafeterias (name, location, time_zone) VALUES ('x', 'x', 'europe/madrid')",
         "known_time_zone"),
        ("INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
         " VALUES (1, 1, '20:00', '22:00')", "ex_opening_intervals_overlap"),
        ("INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
         " VALUES (4, 6, '03:00', '05:00')", "ex_opening_intervals_overlap"),
        ("INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
         " VALUES (4, 1, '01:00', '03:00')", "ex_opening_intervals_overlap"),
        ("INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
         " VALUES (2, 6, '01:00', '24:00')", "ck_opening_intervals_whole_minutes"),
        ("INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
         " VALUES (2, 6, '01:00:30', '02:00')", "ck_opening_intervals_whole_minutes"),
        ("INSERT INTO opening_exceptions (cafeteria_id, on_date, opens_at, closes_at)"
         " SELECT cafeteria_id, on_date, '10:00', '12:00' FROM opening_exceptions LIMIT 1",
         "ex_opening_exceptions_overlap"),
        ("INSERT INTO opening_exceptions (cafeteria_id, on_date)"
         " SELECT cafeteria_id, on_date FROM opening_exceptions LIMIT 1",
         "ex_opening_exceptions_overlap"),
        (f"{A_SESSION}, sha256('a'), '\\x00', NULL, now() + interval '1 day' FROM users",
         "ck_sessions_hashes"),
        (f"{A_SESSION}, sha256('a'), sha256('b'), sha256('a'), now() + interval '1 day' FROM users",
         "ck_sessions_replaced_is_whole"),
        (f"{A_SESSION}, sha256('a'), sha256('b'), NULL, now() FROM users", "ck_sessions_expires"),
        (f"{A_SESSION}, sha256('a'), sha256('b'), NULL, 'infinity' FROM users, (VALUES (1), (2)) v"
         " GROUP BY column1", "uq_sessions_family_hash"),
        ("INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
         " VALUES (1, 0, '01:00', '02:00')", "ck_opening_intervals_weekday"),
        ("INSERT INTO devices (user_id, token, platform) SELECT min(id), 't', 'kiosk' FROM users",
         "ck_devices_platform"),
        ("INSERT INTO devices (user_id, token, platform) SELECT id, 't', 'web' FROM users",
         "uq_devices_token"),
    ],
)  # fmt: skip
async def test_the_schema_refuses_what_the_domain_forbids(
    connection: asyncpg.Connection, statement: str, constraint: str
) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await connection.execute(statement)
    assert refused.value.constraint_name == constraint
