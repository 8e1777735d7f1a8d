"""What a hit takes, in memory and in Redis: CPU of the process, and of Redis."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Final

import msgspec
import redis.asyncio
from redis.asyncio.connection import parse_url

from benchmarks.cache import peers
from benchmarks.cache.processes import Process, Servers
from benchmarks.servers import Beside
from domain import kinds
from domain.database import Fence
from domain.menu import Menu
from domain.model.menu import Product
from domain.model.paging import Window

OURS: Final = "Comanda"
# Products that are read in turn, and so many of them at once.
PRODUCTS: Final = 100
TTL: Final = 300
# The same values as `products`, of which no process remembers any.
IN_REDIS: Final = replace(kinds.PRODUCTS, name="products-in-redis", memory=0.0)

Keys = Sequence[int]
Read = Callable[[int], Awaitable[Any]]
Way = Callable[[Keys], Awaitable[Any]]
"""Reads these products."""


@dataclass
class Cost:
    """Seconds that one way took for a read, round by round: of the clock, of CPU, of Redis's."""

    clock: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


Costs = dict[str, dict[str, Cost]]


async def measured(
    servers: Servers, process: Process, menu: Menu, rounds: int, reads: int, beside: Beside
) -> Costs:
    """The cost of each way for each question, in interleaved rounds."""
    page = await menu.products(Window(PRODUCTS))
    products = {product.id: product for product in page.rows}
    memory = await _memory(process, products)
    one, many = await _redis(servers, process, products)
    keys = list(products)
    questions = {
        "memory": (memory, keys * 10, reads * 10),
        "Redis, one at a time": (one, keys, reads),
        f"Redis, {PRODUCTS} at once": (many, keys, reads),
    }
    costs: Costs = {name: {way: Cost() for way in ways} for name, (ways, *_) in questions.items()}
    for number in range(rounds):
        for name, (ways, asked, count) in questions.items():
            order = deque(ways)
            order.rotate(number)
            for way in order:
                await _measure(ways[way], asked, count, costs[name][way], beside)
    return costs


async def _measure(way: Way, keys: Keys, reads: int, cost: Cost, beside: Beside) -> None:
    await way(keys)
    # First and last, for looking at all processes takes milliseconds of CPU.
    server = beside.seconds()
    clock, client = time.perf_counter(), time.process_time()
    for _ in range(reads // len(keys)):
        await way(keys)
    cost.clock.append((time.perf_counter() - clock) / reads)
    cost.client.append((time.process_time() - client) / reads)
    cost.server.append((beside.seconds() - server) / reads)


async def _memory(process: Process, products: dict[int, Product]) -> dict[str, Way]:
    load, source = _source(process, products)
    cashews = peers.cashews().Cache()
    cashews.setup("mem://")
    await cashews.init()
    aiocache = peers.aiocache()
    by_cashews = cashews(ttl=TTL, key="product:{key}")(source)
    by_aiocache = aiocache.cached(ttl=TTL)(source)
    entries = {key: (product, time.monotonic() + TTL) for key, product in products.items()}
    named = {key: f"product:{key}" for key in products}
    for key, product in products.items():
        await by_aiocache.cache.set(named[key], product, ttl=TTL)

    async def floor(keys: Keys) -> None:
        for key in keys:
            entry = entries.get(key)
            if entry is None or time.monotonic() >= entry[1]:
                raise KeyError(key)
        # Nobody is kept from running.
        await asyncio.sleep(0)

    async def ours(keys: Keys) -> None:
        for key in keys:
            await process.cache.get(kinds.PRODUCTS, key, load)
        await asyncio.sleep(0)

    ways = {
        "a dict with times": floor,
        OURS: ours,
        "cashews, `get`": _each(lambda key: cashews.get(named[key])),
        "cashews, `@cache`": _each(by_cashews),
        "aiocache, `get`": _each(lambda key: by_aiocache.cache.get(named[key])),
        "aiocache, `@cached`": _each(by_aiocache),
    }
    await _agree(
        products,
        {
            OURS: lambda key: process.cache.get(kinds.PRODUCTS, key, load),
            "cashews, `@cache`": by_cashews,
            "cashews, `get`": lambda key: cashews.get(named[key]),
            "aiocache, `@cached`": by_aiocache,
            "aiocache, `get`": lambda key: by_aiocache.cache.get(named[key]),
        },
    )
    return ways


async def _redis(
    servers: Servers, process: Process, products: dict[int, Product]
) -> tuple[dict[str, Way], dict[str, Way]]:
    load, source = _source(process, products)
    client = redis.asyncio.Redis.from_url(servers.redis_url)
    cashews = peers.cashews().Cache()
    cashews.setup(servers.redis_url)
    await cashews.init()
    aiocache = peers.aiocache()
    by_cashews = cashews(ttl=TTL, key="product:{key}")(source)
    by_aiocache = aiocache.cached(ttl=TTL, **of_aiocache(servers))(source)
    named = {key: f"product:{key}" for key in products}
    for key, product in products.items():
        await client.set(f"plain:{key}", msgspec.msgpack.encode(product), ex=TTL * 10)
        await by_aiocache.cache.set(named[key], product, ttl=TTL * 10)
        await cashews.set(f"plain-{key}", product, expire=TTL * 10)
    reads: dict[str, Read] = {
        OURS: lambda key: process.cache.get(IN_REDIS, key, load),
        "redis-py, `get`": lambda key: client.get(f"plain:{key}"),
        "cashews, `get`": lambda key: cashews.get(f"plain-{key}"),
        "cashews, `@cache`": by_cashews,
        "aiocache, `get`": lambda key: by_aiocache.cache.get(named[key]),
        "aiocache, `@cached`": by_aiocache,
    }
    await _agree(products, {name: reads[name] for name in reads if name != "redis-py, `get`"})
    wire: Read = lambda key: process.nodes.call(b"plain", "GET", b"plain:%d" % key)  # noqa: E731

    async def many(keys: Keys) -> None:
        await process.cache.get_many(IN_REDIS, keys, load)

    async def pipeline(keys: Keys) -> None:
        async with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(f"plain:{key}")
            await pipe.execute()

    reads = {OURS: reads.pop(OURS), "Comanda's wire, `GET`": wire, **reads}
    at_once = {name: _gathered(read) for name, read in reads.items()}
    return (
        {name: _each(read) for name, read in reads.items()},
        {
            OURS: at_once.pop(OURS),
            "Comanda, `get_many`": many,
            **at_once,
            "redis-py, a pipeline": pipeline,
        },
    )


def of_aiocache(servers: Servers) -> dict[str, Any]:
    """What its Redis is made of; pickled, for JSON knows no products."""
    module, address = peers.aiocache(), parse_url(servers.redis_url)
    return {
        "cache": module.Cache.REDIS,
        "endpoint": address.get("host", "localhost"),
        "port": address.get("port", 6379),
        "password": address.get("password"),
        "serializer": module.serializers.PickleSerializer(),
    }


def _source(process: Process, products: dict[int, Product]) -> tuple[Any, Read]:
    async def load(keys: Keys, fence: Fence) -> tuple[dict[int, Product], Fence]:
        return {key: products[key] for key in keys}, max(fence, process.cache.changes.horizon)

    async def source(key: int) -> Product:
        return products[key]

    return load, source


async def _agree(products: dict[int, Product], reads: dict[str, Read]) -> None:
    """Fills them, too."""
    for key, product in products.items():
        for name, read in reads.items():
            await read(key)
            if await read(key) != product:
                raise ValueError(f"{name}: not the product {key}")


def _each(read: Read) -> Way:
    async def way(keys: Keys) -> None:
        for key in keys:
            await read(key)
        await asyncio.sleep(0)

    return way


def _gathered(read: Read) -> Way:
    async def way(keys: Keys) -> None:
        await asyncio.gather(*map(read, keys))

    return way


def table(costs: Costs) -> str:
    """Of all ways, and how much dearer than ours each is."""
    rows = [
        "| a hit in | way | CPU µs | Redis's µs | elapsed µs | CPU to Comanda |",
        "|---|---|---|---|---|---|",
    ]
    for question, ways in costs.items():
        ours = ways[OURS]
        for name, cost in ways.items():
            least, most = min(cost.client) * 1e6, max(cost.client) * 1e6
            rows.append(
                f"| {question} | {name} | {median(cost.client) * 1e6:.2f} "
                f"({least:.2f} to {most:.2f}) | {median(cost.server) * 1e6:.0f} "
                f"| {median(cost.clock) * 1e6:.2f} | {_times(cost.client, ours.client):.2f} |"
            )
    return "\n".join(rows) + "\n"


def _times(cost: Sequence[float], base: Sequence[float]) -> float:
    """The lower of median and minimum."""
    return min(median(cost) / median(base), min(cost) / min(base))
