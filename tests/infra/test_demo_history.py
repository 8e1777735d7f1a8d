"""The demo's history adds up, and is loaded over nothing that was there."""

import asyncio

import asyncpg
import pytest

from infra.demo import loader
from tests.conftest import CAMPUS_ORDERS


async def test_every_wallet_holds_what_its_ledger_says(connection: asyncpg.Connection) -> None:
    differing = await connection.fetchval(
        "SELECT count(*) FROM wallets FULL JOIN"
        " (SELECT user_id, sum(amount_minor) AS total FROM transactions GROUP BY user_id) AS ledger"
        " USING (user_id) WHERE coalesce(balance_minor, -1) <> coalesce(total, 0)"
    )
    assert differing == 0


async def test_an_order_that_came_to_nothing_was_paid_and_refunded(
    connection: asyncpg.Connection,
) -> None:
    rows = await connection.fetch(
        "SELECT status IN ('cancelled', 'rejected') AS nothing, total_minor,"
        " (SELECT sum(amount_minor) FROM transactions WHERE order_id = orders.id) AS paid"
        " FROM orders"
    )
    assert sum(row["nothing"] for row in rows) > 0
    assert {row["paid"] for row in rows if row["nothing"]} == {0}
    assert all(row["paid"] == -row["total_minor"] for row in rows if not row["nothing"])


async def test_a_campus_that_is_there_is_not_loaded_again(
    database: str, connection: asyncpg.Connection
) -> None:
    assert await loader.loaded_orders(database) == CAMPUS_ORDERS
    with pytest.raises(loader.AlreadyLoadedError, match=f"with {CAMPUS_ORDERS} orders"):
        await loader.load(database, 1, lambda _: None)
    assert await connection.fetchval("SELECT count(*) FROM orders") == CAMPUS_ORDERS


async def test_somebody_elses_users_are_not_joined_by_a_demo(
    database: str, connection: asyncpg.Connection
) -> None:
    await connection.execute("DELETE FROM configuration WHERE key = $1", loader.MARKER)
    before = await connection.fetchval("SELECT count(*) FROM users")
    with pytest.raises(loader.AlreadyLoadedError, match="has users"):
        await loader.load(database, 1, lambda _: None)
    assert await connection.fetchval("SELECT count(*) FROM users") == before
    assert await loader.loaded_orders(database) is None


async def test_of_two_loads_at_once_one_is_done(empty_database: str) -> None:
    outcomes = await asyncio.gather(
        *(loader.load(empty_database, 10, lambda _: None) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["AlreadyLoadedError", "NoneType"]
    assert await loader.loaded_orders(empty_database) == 10
