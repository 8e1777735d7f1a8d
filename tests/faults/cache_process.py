"""A process with a cache of its own: told on standard input what to do, answers on standard output.

`python -m tests.faults.cache_process plain|layered`, with COMANDA_* addresses in the environment.
Each line is JSON: `{"id", "do": "get", "key", "fence"}` answers with the version and its `ms`,
`{"id", "do": "put", "key", "value"}` with the fence, `{"id", "do": "figures"}` with counts.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import select, update

from domain import model
from domain.cache import Cache, Kind
from domain.database import Cluster, Database, Fence, Horizon, Limits, Reader, Role, Writer, horizon
from domain.errors import UnavailableError
from domain.redis import Nodes

PRICES: Kind[int, int] = Kind("prices", int, tags=lambda key: (f"product-{key}",))


class Plain:
    """What everybody writes first: read through, set with a time to live, delete after a write."""

    def __init__(self, cluster: Cluster) -> None:
        self._redis = Redis.from_url(os.environ["COMANDA_REDIS_URL"])
        self.database = Database(cluster)

    async def get(self, key: int, load: Any) -> int | None:
        known = await self._redis.get(f"plain:{key}")
        if known is not None:
            return int(known)
        values, _ = await load([key], 0)
        await self._redis.set(f"plain:{key}", values[key], ex=1800)
        return int(values[key])

    async def void(self, key: int) -> None:
        await self._redis.delete(f"plain:{key}")


class Process:
    """Prices by product, through a cache."""

    def __init__(self, kind: str) -> None:
        replicas = [url for url in os.environ["COMANDA_REPLICA_URLS"].split(",") if url]
        limits = Limits(connections=20, least_connections=0)
        self._cluster = Cluster(os.environ["COMANDA_DATABASE_URL"], replicas, limits)
        self.nodes = Nodes(
            os.environ["COMANDA_REDIS_URL"],
            is_cluster=bool(os.environ.get("COMANDA_REDIS_CLUSTER")),
        )
        self.cache = Cache(self._cluster, self.nodes)
        self.plain = Plain(self._cluster) if kind == "plain" else None
        self._database = Database(self._cluster, None, self.cache.void)
        self.figures: Counter[str] = Counter()

    async def start(self) -> None:
        self._cluster.start()
        self.nodes.start()
        if self.plain is None:
            self.cache.start()
            while not (self.cache.is_heard and self.cache.changes.is_trusted):
                await self.cache.changes.look()

    async def load(self, keys: Sequence[int], fence: Fence) -> tuple[Mapping[int, int], Fence]:
        self.figures["loads"] += 1
        product = model.Product
        prices = select(product.id, product.price_minor).where(product.id.in_(keys))

        async def read(reader: Reader) -> Mapping[int, int]:
            return {row[0]: row[1] for row in await reader.execute(prices)}

        return await self._database.snapshot(Role.MENU, read, fence)

    async def get(self, key: int, fence: Fence = 0) -> int | None:
        if self.plain is not None:
            return await self.plain.get(key, self.load)
        horizon.set(Horizon(fence))
        return await self.cache.get(PRICES, key, self.load)

    async def put(self, key: int, value: int) -> Fence:
        seen = Horizon()
        horizon.set(seen)

        async def change(writer: Writer) -> None:
            product = model.Product
            await writer.change(update(product).where(product.id == key).values(price_minor=value))
            await writer.announce("test:price", {})
            writer.void([f"product-{key}"])

        await self._database.write(change)
        if self.plain is not None:
            await self.plain.void(key)
        return seen.written

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        match order["do"]:
            case "get":
                answer = {"value": await self.get(order["key"], order.get("fence", 0))}
            case "put":
                answer = {"fence": await self.put(order["key"], order["value"])}
            case "figures":
                answer = dict(self.figures)
            case "start":
                await self.start()
                answer = {}
            case other:
                raise ValueError(other)
        return answer | {"ms": (time.perf_counter() - began) * 1000}


async def main(kind: str) -> None:
    """Obey until the input ends."""
    process = Process(kind)
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    async def answer(line: bytes) -> None:
        order = json.loads(line)
        try:
            told = await process.obey(order)
        except UnavailableError as error:
            told = {"error": str(error)}
        sys.stdout.write(json.dumps({"id": order["id"], **told}) + "\n")
        sys.stdout.flush()

    running: set[asyncio.Task[None]] = set()
    while line := await orders.readline():
        task = asyncio.create_task(answer(line))
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
