"""Processes in one: each with a cluster, a Redis and a cache of its own, and nothing shared."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import select, update

from domain import model
from domain.cache import Cache, Kind
from domain.database import (
    UNKNOWN,
    Cluster,
    Database,
    Fence,
    Limits,
    Reader,
    Role,
    Routing,
    Writer,
)
from domain.redis import Nodes

PRICES: Kind[int, int] = Kind("prices", int, tags=lambda key: (f"product-{key}",))


class Process:
    """Prices of products through a cache; `before` is awaited by each reading of the source."""

    def __init__(
        self, database_url: str, redis_url: str, replicas: Sequence[str], *, is_cluster: bool
    ) -> None:
        self.url = database_url
        limits = Limits(connections=5, least_connections=0)
        routing = Routing({Role.MENU: range(len(replicas))}, bytes=2**60, seconds=3600.0)
        self.cluster = Cluster(database_url, replicas, limits, routing)
        self.nodes = Nodes(redis_url, is_cluster=is_cluster)
        self.cache = Cache(self.cluster, self.nodes)
        self.database = Database(self.cluster, None, self.cache.void)
        self.loads: list[int] = []
        self.audits: list[int] = []
        self.before: Callable[[], object] = lambda: asyncio.sleep(0)

    async def load(self, keys: Sequence[int], fence: Fence) -> tuple[Mapping[int, int], Fence]:
        """Prices by id, as the menu's node has them."""
        (self.loads if fence < UNKNOWN else self.audits).extend(keys)
        statement = select(model.Product.id, model.Product.price_minor).where(
            model.Product.id.in_(keys)
        )

        async def read(reader: Reader) -> Mapping[int, int]:
            return {row[0]: row[1] for row in await reader.execute(statement)}

        found = await self.database.snapshot(Role.MENU, read, fence)
        await self.before()  # type: ignore[misc]
        return found

    async def price(self, key: int, kind: Kind[int, int] = PRICES) -> int | None:
        return await self.cache.get(kind, key, self.load)

    async def hears(self, key: int, price: int) -> None:
        """Returns when that is the price here."""
        async with asyncio.timeout(5):
            while True:
                if await self.price(key) == price:
                    return
                await asyncio.sleep(0)

    async def reprice(self, key: int, price: int) -> None:
        """As a service does it."""

        async def change(writer: Writer) -> None:
            await writer.change(
                update(model.Product).where(model.Product.id == key).values(price_minor=price)
            )
            await writer.announce("test", {})
            writer.void([f"product-{key}"])

        await self.database.write(change)


@asynccontextmanager
async def running(
    database_url: str, redis_url: str, replicas: Sequence[str] = (), *, is_cluster: bool = False
) -> AsyncIterator[Process]:
    """A process that hears of changes."""
    process = Process(database_url, redis_url, replicas, is_cluster=is_cluster)
    process.cluster.start()
    process.nodes.start()
    process.cache.start()
    try:
        async with asyncio.timeout(30):
            while not (process.cache.is_heard and process.cache.changes.is_trusted):
                await process.cache.changes.look()
        # What the bus has missed before it was heard is known now.
        await process.cache.changes.look()
        yield process
    finally:
        await process.cache.close()
        await process.nodes.close()
        await process.cluster.close()
