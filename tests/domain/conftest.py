"""Somebody who orders, what there is to order, and the replicas that know of it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import make_url

from domain.accounts import Principal
from domain.model import Role

PLACE = 1
STAFF = "SELECT id FROM users WHERE role = 'staff' AND cafeteria_id = $1 LIMIT 1"
RICH = 1_000_000


@pytest.fixture
async def customer(connection: asyncpg.Connection) -> Principal:
    return Principal(
        await connection.fetchval("SELECT id FROM users WHERE email LIKE 'student1@%'"),
        Role.CUSTOMER,
    )


@pytest.fixture
async def counter(connection: asyncpg.Connection) -> Principal:
    """Somebody at the counter where a test orders."""
    return Principal(await connection.fetchval(STAFF, PLACE), Role.STAFF, PLACE)


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


@pytest.fixture
async def replicas(database: str) -> list[str]:
    """The test's own database on each of the replicas, which have it."""
    name = make_url(database).database
    urls = [
        make_url(url).set(database=name).render_as_string(hide_password=False)
        for url in os.environ["COMANDA_REPLICA_URLS"].split(",")
    ]
    async with asyncio.timeout(30):
        for url in urls:
            while not await _is_there(url):
                pass
    return urls


async def _is_there(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidCatalogNameError:
        return False
    await connection.close()
    return True


@asynccontextmanager
async def paused(url: str) -> AsyncIterator[None]:
    """The replica replays nothing; one test at a time, for all have the same ones."""
    turn = await asyncpg.connect(os.environ["COMANDA_DATABASE_URL"])
    await turn.execute("SELECT pg_advisory_lock(7)")
    replica = await asyncpg.connect(url)
    await replica.execute("SELECT pg_wal_replay_pause()")
    try:
        yield
    finally:
        await replica.execute("SELECT pg_wal_replay_resume()")
        await replica.close()
        await turn.close()
