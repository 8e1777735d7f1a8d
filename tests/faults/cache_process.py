"""A process with a cache of its own: told on standard input what to do, answers on standard output.

`python -m tests.faults.cache_process plain|layered`, with COMANDA_* addresses in the environment.
Each line is JSON: `{"id", "do": "get", "key", "fence"}` answers with the version and its `ms`,
`{"id", "do": "put", "key", "value"}` with the fence, `{"id", "do": "figures"}` with counts. What
else it does is in `Orders`; moments are of the machine's monotonic clock.
"""

import asyncio
import itertools
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from sqlalchemy import select, update

from domain import model
from domain.cache import Cache, Kind
from domain.database import (
    UNKNOWN,
    Cluster,
    Database,
    Fence,
    Horizon,
    Limits,
    Reader,
    Role,
    Writer,
    horizon,
)
from domain.errors import UnavailableError
from domain.redis import Address, Nodes, Place

PRICES: Kind[int, int] = Kind("prices", int, tags=lambda key: (f"product-{key}",))
# Seconds between two reads of a key, two changes, and two looks at how late this process is.
READ: Final = 0.005
CHANGE: Final = 0.05
TICK: Final = 0.01


class Detour(Address):
    """Nodes that are reached through a proxy, by port."""

    def __init__(self, url: str, through: Mapping[int, int]) -> None:
        super().__init__(url)
        self._through = through

    def connection(self, place: Place) -> Any:
        return super().connection(Place(place.host, self._through.get(place.port, place.port)))


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
        through = json.loads(os.environ.get("TEST_REDIS_THROUGH", "{}"))
        self.nodes.address = Detour(
            os.environ["COMANDA_REDIS_URL"], {int(port): to for port, to in through.items()}
        )
        self.cache = Cache(self._cluster, self.nodes)
        self.plain = Plain(self._cluster) if kind == "plain" else None
        self._database = Database(self._cluster, None, self._void)
        self.figures: Counter[str] = Counter()
        self.slowly = 0.0
        self.voided: Callable[[], None] = lambda: None

    def _void(self, tags: Collection[str], fence: Fence, transaction: int) -> None:
        self.voided()
        self.cache.void(tags, fence, transaction)

    async def start(self) -> None:
        self._cluster.start()
        self.nodes.start()
        if self.plain is None:
            self.cache.start()
            while not (self.cache.is_heard and self.cache.changes.is_trusted):
                await self.cache.changes.look()

    async def load(self, keys: Sequence[int], fence: Fence) -> tuple[Mapping[int, int], Fence]:
        self.figures["loads" if fence < UNKNOWN else "audits"] += 1
        product = model.Product
        prices = select(product.id, product.price_minor).where(product.id.in_(keys))

        async def read(reader: Reader) -> Mapping[int, int]:
            return {row[0]: row[1] for row in await reader.execute(prices)}

        found = await self._database.snapshot(Role.MENU, read, fence)
        await asyncio.sleep(self.slowly)
        return found

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

    def forget(self) -> None:
        """As if everything were evicted here."""
        for memory in self.cache._memories.values():
            memory.begin_anew(memory.slots)

    async def deafen(self) -> None:
        """Hear of no change any more, and believe that there is none: what the outbox is for."""
        changes = self.cache.changes
        await self.cache._bus.close()
        await changes.close()
        changes.trusted_until = math.inf


class Orders:
    """What the process is told to do, by name, and what it answers."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._watching: Watch | None = None

    async def start(self) -> dict[str, Any]:
        await self._process.start()
        return {}

    async def get(self, key: int, fence: Fence = 0) -> dict[str, Any]:
        return {"value": await self._process.get(key, fence)}

    async def put(self, key: int, value: int) -> dict[str, Any]:
        return {"fence": await self._process.put(key, value)}

    async def put_and_die(self, number: int, key: int, value: int) -> dict[str, Any]:
        """Commit, and be gone before anybody is told; answers when that was."""

        def die() -> None:
            say({"id": number, "at": time.monotonic()})
            os._exit(1)

        self._process.voided = die
        await self._process.put(key, value)
        raise AssertionError

    async def read_on(self, keys: list[int]) -> dict[str, Any]:
        self._watching = Reads(self._process.get, keys)
        return {}

    async def change_on(self, keys: list[int]) -> dict[str, Any]:
        self._watching = Changing(self._process.put, keys)
        return {}

    async def stop(self) -> dict[str, Any]:
        assert self._watching is not None
        return await self._watching.stop()

    async def crowd(self, key: int, size: int, at: float, slowly: float) -> dict[str, Any]:
        """So many reads at one moment of the machine's clock, of what takes long to read."""
        self._process.slowly = slowly
        await asyncio.sleep(at - time.monotonic())
        crowd = (self._process.get(key) for _ in range(size))
        return {"values": list(set(await asyncio.gather(*crowd)))}

    async def forget(self) -> dict[str, Any]:
        self._process.forget()
        return {}

    async def deafen(self) -> dict[str, Any]:
        await self._process.deafen()
        return {}

    async def masters(self) -> dict[str, Any]:
        return {"ports": [place.port for place in self._process.nodes.masters]}

    async def figures(self) -> dict[str, Any]:
        return dict(self._process.figures)


class Watch:
    """What goes on until it is stopped, and how long this process was not on a core meanwhile."""

    def __init__(self, *works: Coroutine[Any, Any, None]) -> None:
        self.errors: Counter[str] = Counter()
        self._late = 0.0
        self._tasks = [asyncio.create_task(work) for work in (self._tick(), *works)]

    async def stop(self) -> dict[str, Any]:
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                self.errors[repr(ended)] += 1
        return {"errors": self.errors, "late": self._late}

    async def _tick(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK)
            self._late = max(self._late, time.monotonic() - began - TICK)


class Reads(Watch):
    """Reads each of `keys` all the time, without a fence; when each value was last returned."""

    def __init__(self, get: Callable[[int], Awaitable[int | None]], keys: Sequence[int]) -> None:
        self._get = get
        self._last: dict[int, dict[int, float]] = {key: {} for key in keys}
        self._took: list[float] = []
        super().__init__(*(self._read(key) for key in keys))

    async def stop(self) -> dict[str, Any]:
        took = sorted(1000 * each for each in self._took)
        shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        ms = {name: took[int(share * (len(took) - 1))] for name, share in shares.items()}
        return {"last": self._last, "reads": len(took), "took": ms} | await super().stop()

    async def _read(self, key: int) -> None:
        while True:
            began = time.perf_counter()
            try:
                value = await self._get(key)
            except Exception as error:
                self.errors[repr(error)] += 1
            else:
                assert value is not None
                self._last[key][value] = time.monotonic()
            self._took.append(time.perf_counter() - began)
            await asyncio.sleep(READ)


class Changing(Watch):
    """Changes one of `keys` after the other to 1, 2, 3...; when each change was acknowledged."""

    def __init__(self, put: Callable[[int, int], Awaitable[Fence]], keys: Sequence[int]) -> None:
        self._put = put
        self._keys = keys
        self._acknowledged: list[tuple[int, int, float]] = []
        super().__init__(self._change())

    async def stop(self) -> dict[str, Any]:
        return {"acknowledged": self._acknowledged} | await super().stop()

    async def _change(self) -> None:
        for value, key in enumerate(itertools.cycle(self._keys), start=1):
            try:
                await self._put(key, value)
            except UnavailableError as error:
                self.errors[repr(error)] += 1
            else:
                self._acknowledged.append((key, value, time.monotonic()))
            await asyncio.sleep(CHANGE)


def say(told: dict[str, Any]) -> None:
    """Answer."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


async def main(kind: str) -> None:
    """Obey until the input ends."""
    obedient = Orders(Process(kind))
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    async def answer(line: bytes) -> None:
        what = json.loads(line)
        number, order = what.pop("id"), what.pop("do")
        if order == "put_and_die":
            what["number"] = number
        began = time.perf_counter()
        try:
            told = await getattr(obedient, order)(**what)
        except UnavailableError as error:
            told = {"error": str(error)}
        say({"id": number, "ms": (time.perf_counter() - began) * 1000, **told})

    running: set[asyncio.Task[None]] = set()
    while line := await orders.readline():
        task = asyncio.create_task(answer(line))
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
