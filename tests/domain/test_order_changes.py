"""Who was away is told of every change that was committed, whenever it was."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from domain.accounts import Principal
from domain.database import Cluster, Database
from domain.errors import PositionLostError
from domain.model import OrderStatus, Role
from domain.order_changes import OrderChanges, Position
from domain.orders import Order
from tests.domain.conftest import paused

ADMIN = Principal(1, Role.ADMIN)
CHANGE = "UPDATE orders SET version = version + 1, updated_at = now() WHERE id = $1"


@pytest.fixture
def changes(campus: Database) -> OrderChanges:
    return OrderChanges(campus, lambda: "here")


@pytest.fixture
async def ids(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch("SELECT id FROM orders ORDER BY id LIMIT 40")
    return [row["id"] for row in rows]


@asynccontextmanager
async def changing(database: str, order_id: int) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that has changed an order, and is over when this is."""
    connection = await asyncpg.connect(database)
    async with connection.transaction():
        await connection.execute(CHANGE, order_id)
        yield connection
    await connection.close()


async def begun(changes: OrderChanges, caller: Principal = ADMIN) -> Position:
    return (await changes.since(caller, None, 100)).position


async def caught_up(
    sources: list[OrderChanges], position: Position, limit: int = 100, caller: Principal = ADMIN
) -> tuple[list[Order], Position]:
    """Everything up to the end of a round, each page from the next of the sources."""
    told: list[Order] = []
    more, turn = True, 0
    while more:
        found = await sources[turn % len(sources)].since(caller, position, limit)
        assert len(found.orders) <= limit
        told += found.orders
        position, more = found.position, found.more
        turn += 1
    return told, position


async def test_what_began_first_and_was_over_last_is_not_skipped(
    changes: OrderChanges, database: str, connection: asyncpg.Connection, ids: list[int]
) -> None:
    late, *others = ids[:6]
    position = await begun(changes)
    async with changing(database, late):
        for other in others:
            await connection.execute(CHANGE, other)
        told, position = await caught_up([changes], position, limit=2)
        assert {order.id for order in told} == set(others)
        # They may be told of again while it is not over, but there is an end to it.
        told, position = await caught_up([changes], position, limit=2)
        assert late not in {order.id for order in told}
    told, position = await caught_up([changes], position, limit=2)
    assert late in {order.id for order in told}


async def test_what_commits_between_two_pages_is_told_in_the_next_round(
    changes: OrderChanges, database: str, connection: asyncpg.Connection, ids: list[int]
) -> None:
    late, *others = ids[:6]
    position = await begun(changes)
    async with changing(database, late):
        for other in others:
            await connection.execute(CHANGE, other)
        first = await changes.since(ADMIN, position, 3)
        assert first.more
    told, position = await caught_up([changes], first.position, limit=3)
    again, _ = await caught_up([changes], position, limit=3)
    assert late in {order.id for order in told + again}


async def test_an_order_comes_as_it_is_with_its_items(
    changes: OrderChanges, connection: asyncpg.Connection, ids: list[int]
) -> None:
    position = await begun(changes)
    await connection.execute("UPDATE orders SET status = 'cancelled' WHERE status = 'created'")
    await connection.execute(CHANGE, ids[0])
    told, _ = await caught_up([changes], position)
    order = next(order for order in told if order.id == ids[0])
    assert len(order.items) == await connection.fetchval(
        "SELECT count(*) FROM order_items WHERE order_id = $1", ids[0]
    )
    assert all(each.status is OrderStatus.CANCELLED for each in told if each.id != ids[0])


async def test_one_is_told_of_ones_own_business_only(
    changes: OrderChanges, connection: asyncpg.Connection
) -> None:
    customer, counter = await connection.fetchrow(
        "SELECT user_id, cafeteria_id FROM orders ORDER BY id DESC LIMIT 1"
    )
    callers = {
        Principal(customer, Role.CUSTOMER): f"user_id = {customer}",
        Principal(0, Role.STAFF, counter): f"cafeteria_id = {counter}",
        ADMIN: "true",
    }
    position = await begun(changes)
    await connection.execute("UPDATE orders SET version = version + 1")
    for caller, which in callers.items():
        told, _ = await caught_up([changes], position, caller=caller)
        expected = await connection.fetch(f"SELECT id FROM orders WHERE {which}")  # noqa: S608
        assert {order.id for order in told} == {row["id"] for row in expected}


async def test_a_position_of_another_database_is_lost(
    changes: OrderChanges, campus: Database
) -> None:
    position = await begun(changes)
    promoted = OrderChanges(campus, lambda: "there")
    with pytest.raises(PositionLostError):
        await promoted.since(ADMIN, position, 10)
    nobody_knows_yet = OrderChanges(campus, lambda: "")
    assert (await nobody_knows_yet.since(ADMIN, position, 10)).orders == []


@pytest.fixture
async def everywhere(database: str, replicas: list[str]) -> AsyncIterator[list[OrderChanges]]:
    """By the primary and by each replica."""
    async with AsyncExitStack() as stack:
        sources = []
        for url in (database, *replicas):
            cluster = Cluster(url, [])
            stack.push_async_callback(cluster.close)
            sources.append(OrderChanges(Database(cluster), lambda: "here"))
        yield sources


async def test_a_page_of_a_replica_that_is_behind_hides_nothing(
    everywhere: list[OrderChanges],
    replicas: list[str],
    connection: asyncpg.Connection,
    ids: list[int],
) -> None:
    primary, replica = everywhere[:2]
    position = await begun(primary)
    async with paused(replicas[0]):
        for order_id in ids[:6]:
            await connection.execute(CHANGE, order_id)
        first = await primary.since(ADMIN, position, 2)
        assert first.more
        told, position = await caught_up([replica], first.position)
        assert told == []
        # Nor does it take anybody back.
        present = await begun(primary)
        found = await replica.since(ADMIN, present, 10)
        assert found.position.floor == present.floor
    told += first.orders
    more, _ = await caught_up([primary], position)
    assert {order.id for order in told + more} == set(ids[:6])


async def test_of_many_writers_that_take_their_time_nothing_is_missed(
    everywhere: list[OrderChanges],
    database: str,
    connection: asyncpg.Connection,
    ids: list[int],
) -> None:
    rounds = random.Random(7)
    present: dict[int, int] = {}

    async def write() -> None:
        writer = await asyncpg.connect(database)
        for _ in range(25):
            async with writer.transaction():
                # In one order, so that none waits for another in a circle.
                for order_id in sorted(rounds.sample(ids, 2)):
                    await writer.execute(CHANGE, order_id)
                await asyncio.sleep(rounds.random() * 0.02)
        await writer.close()

    async def follow(sources: list[OrderChanges], position: Position, limit: int) -> None:
        seen: dict[int, int] = {}
        while not present or any(seen.get(key) != version for key, version in present.items()):
            told, position = await caught_up(sources, position, limit)
            for order in told:
                seen[order.id] = max(order.version, seen.get(order.id, 0))

    await connection.execute("UPDATE orders SET version = 100")
    position = await begun(everywhere[0])
    followers = [
        asyncio.create_task(follow(sources, position, limit))
        for sources, limit in ((everywhere, 3), (everywhere[1:2], 1), (everywhere[::-1], 100))
    ]
    await asyncio.gather(*(write() for _ in range(4)))
    present.update(await connection.fetch("SELECT id, version FROM orders WHERE version > 100"))
    # Who has missed something never comes to an end.
    async with asyncio.timeout(60):
        await asyncio.gather(*followers)
