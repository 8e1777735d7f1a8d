"""What sells best is reckoned once in a while, and shown as it stands on the menu now."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from domain import kinds
from domain.bestsellers import Bestsellers
from domain.cache import shared
from domain.menu import Menu
from domain.product_sales import ProductSales
from tests.domain.cache.processes import Process, running


@pytest.fixture
async def process(database: str, redis_url: str) -> AsyncIterator[Process]:
    async with running(database, redis_url) as process:
        yield process


@pytest.fixture
async def other(database: str, redis_url: str) -> AsyncIterator[Process]:
    async with running(database, redis_url) as process:
        yield process


async def sell(process: Process, connection: asyncpg.Connection, *product_ids: int) -> None:
    """The first sells best; nothing else was sold lately."""
    await connection.execute(
        "DELETE FROM order_items i USING orders o"
        " WHERE o.id = i.order_id AND o.created_at > now() - interval '9 days'"
    )
    for portions, product_id in enumerate(reversed(product_ids), start=1):
        await connection.execute(
            "INSERT INTO order_items (order_id, product_id, quantity, unit_price_minor)"
            " SELECT o.id, p.id, $2, p.price_minor FROM products p, LATERAL"
            " (SELECT id FROM orders WHERE cafeteria_id = p.cafeteria_id"
            " AND created_at > now() - interval '5 days'"
            " AND status NOT IN ('cancelled', 'rejected') LIMIT 1) o WHERE p.id = $1",
            product_id,
            portions,
        )
    assert await ProductSales(process.database).refresh(older_than=timedelta(seconds=-1))


async def top(process: Process) -> list[int]:
    menu = Menu(process.database, process.cache)
    found = await Bestsellers(process.database, process.cache, menu).top(9)
    return [each.id for each in found]


async def dishes(connection: asyncpg.Connection, cafeteria_id: int) -> list[int]:
    found = await connection.fetch(
        "SELECT id FROM products WHERE cafeteria_id = $1 ORDER BY id LIMIT 3", cafeteria_id
    )
    return [each["id"] for each in found]


async def test_what_cannot_be_had_any_more_is_gone_at_once(
    process: Process, connection: asyncpg.Connection
) -> None:
    best = await dishes(connection, 1)
    await sell(process, connection, *best)
    assert await top(process) == best
    await connection.execute("UPDATE products SET is_available = false WHERE id = $1", best[0])
    await process.cache.changes.look()
    assert await top(process) == best[1:]


async def test_where_nothing_was_sold_it_is_soon_asked_again(
    process: Process, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "BESTSELLERS", replace(kinds.BESTSELLERS, absent=0.05))
    await sell(process, connection)
    assert await top(process) == []
    here = await dishes(connection, 1)
    await sell(process, connection, *here)
    async with asyncio.timeout(10):
        while await top(process) != here:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_one_reckons_it_anew_while_all_go_on_with_what_there_is(
    process: Process,
    other: Process,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert kinds.BESTSELLERS.renewed == kinds.HOUR
    # As if each read came an hour after the one before.
    hourly = replace(kinds.BESTSELLERS, memory=0.0, outage=0.0, renewed=0.0)
    monkeypatch.setattr(kinds, "BESTSELLERS", hourly)
    monkeypatch.setattr(shared, "LEASE", 3600.0)
    reckoned = 0
    may_end = asyncio.Event()
    read = Bestsellers._read

    async def slowly(self: Bestsellers, keys: Any, fence: Any) -> Any:
        nonlocal reckoned
        reckoned += 1
        found = await read(self, keys, fence)
        await may_end.wait()
        return found

    here = await dishes(connection, 1)
    await sell(process, connection, *here)
    assert await top(process) == here
    await sell(process, connection, *reversed(here))
    monkeypatch.setattr(Bestsellers, "_read", slowly)
    for _ in range(10):
        assert await top(process) == await top(other) == here
    assert reckoned == 1
    may_end.set()
    async with asyncio.timeout(10):
        while await top(other) != here[::-1]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
