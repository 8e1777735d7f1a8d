"""Somebody who orders, and what there is to order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from domain.accounts import Principal
from domain.model import Role

PLACE = 1
RICH = 1_000_000


@pytest.fixture
async def customer(connection: asyncpg.Connection) -> Principal:
    return Principal(
        await connection.fetchval("SELECT id FROM users WHERE email LIKE 'student1@%'"),
        Role.CUSTOMER,
    )


@pytest.fixture
async def rich(connection: asyncpg.Connection, customer: Principal) -> Principal:
    """A customer who can pay for whatever a test orders."""
    await connection.execute(
        "INSERT INTO transactions (user_id, kind, amount_minor) VALUES ($1, 'top_up', $2)",
        customer.id,
        RICH,
    )
    await connection.execute(
        "UPDATE wallets SET balance_minor = balance_minor + $2 WHERE user_id = $1",
        customer.id,
        RICH,
    )
    return customer


@pytest.fixture
async def dishes(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Three dishes of one cafeteria, which never closes."""
    found: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, price_minor, stock, version FROM products WHERE cafeteria_id = $1"
        " ORDER BY id LIMIT 3",
        PLACE,
    )
    return found


@asynccontextmanager
async def met_at(connection: asyncpg.Connection, statement: str, count: int) -> AsyncIterator[None]:
    """Run `statement`, and commit it when `count` others wait for what it locks."""
    async with connection.transaction():
        await connection.execute(statement)
        yield
        waiting = 0
        # Else, where nobody waits, nobody would be told.
        async with asyncio.timeout(60):
            while waiting < count:
                await asyncio.sleep(0.01)
                await connection.execute("SELECT pg_stat_clear_snapshot()")
                waiting = await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
