"""Whatever is lost, the longest that an old price is returned after its change was acknowledged."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest
from redis import Redis
from sqlalchemy import make_url

from infra.local.redis_cluster import RedisCluster
from tests.faults.caches import CacheProcess, cache_processes
from tests.serving import Proxy

pytestmark = pytest.mark.long

KEYS: Final = list(range(1, 13))
# Seconds that an old price may be returned, and that a machine may add which had no core for us.
STALEST: Final = 1.0
STARVED: Final = 1.0
# Seconds before a fault, of it, and after it.
BEFORE: Final = 1.0
DURING: Final = 4.0
AFTER: Final = 2.0


class Scene:
    """A process that changes prices, one that reads them, and what may break under them."""

    def __init__(
        self,
        redis: RedisCluster,
        nodes: list[Proxy],
        primary: Proxy,
        processes: list[CacheProcess],
    ) -> None:
        self.redis = redis
        self.nodes = nodes
        """In front of each of Redis's nodes, for the reader alone."""
        self.primary = primary
        """In front of PostgreSQL's primary."""
        self.writer, self.reader = processes
        self.ends_by_hand: dict[int, tuple[int, float]] = {}

    @property
    def master(self) -> int:
        return next(
            port for port in self.redis.ports if self.redis.ask(port, "ROLE")[0] == "master"
        )


Fault = Callable[[Scene], Awaitable[None]]


async def nothing(_: Scene) -> None:
    await asyncio.sleep(DURING)


async def a_master_is_killed(scene: Scene) -> None:
    scene.redis.kill(scene.master)
    await asyncio.sleep(DURING)


async def a_master_hangs(scene: Scene) -> None:
    master = scene.master
    scene.redis.freeze(master)
    await asyncio.sleep(DURING)
    scene.redis.thaw(master)


async def redis_hangs_for_the_reader(scene: Scene) -> None:
    for node in scene.nodes:
        node.thaw.clear()
    await asyncio.sleep(DURING)
    for node in scene.nodes:
        node.thaw.set()


async def subscribers_are_cut_off(scene: Scene) -> None:
    cut = 0
    for _ in range(int(DURING)):
        for port in scene.redis.ports:
            cut += scene.redis.ask(port, "CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(1)
    # Two processes at three masters, at least at first.
    assert cut >= 6


async def a_master_hands_over(scene: Scene) -> None:
    scene.redis.hand_over(scene.master)
    await asyncio.sleep(DURING)


async def redis_is_gone(scene: Scene) -> None:
    for port in scene.redis.ports:
        scene.redis.kill(port)
    await asyncio.sleep(DURING)
    scene.redis.mend()


async def the_writer_dies_before_it_tells(scene: Scene) -> None:
    key, value = KEYS[0], 1_000_000
    told = await scene.writer.do("put_and_die", key=key, value=value)
    scene.ends_by_hand[key] = value, told["at"]
    await asyncio.sleep(DURING)


async def the_primary_is_away_for_the_reader(scene: Scene) -> None:
    await the_primary_is_away(scene)


async def the_primary_hangs_for_the_reader(scene: Scene) -> None:
    scene.primary.thaw.clear()
    await asyncio.sleep(DURING)
    scene.primary.thaw.set()


async def the_primary_is_away(scene: Scene) -> None:
    await scene.primary.down()
    await asyncio.sleep(DURING)
    await scene.primary.up()


FAULTS: Final[dict[Fault, frozenset[str]]] = {
    # Through a proxy: "redis" and "primary" for the reader, "writer" to the primary, too.
    nothing: frozenset(),
    a_master_is_killed: frozenset(),
    a_master_hangs: frozenset(),
    redis_hangs_for_the_reader: frozenset({"redis"}),
    subscribers_are_cut_off: frozenset(),
    a_master_hands_over: frozenset(),
    redis_is_gone: frozenset(),
    the_writer_dies_before_it_tells: frozenset(),
    the_primary_is_away: frozenset({"primary", "writer"}),
    the_primary_is_away_for_the_reader: frozenset({"primary"}),
    the_primary_hangs_for_the_reader: frozenset({"primary"}),
}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def on_replicas(database: str) -> list[str]:
    """The test's own database on each of the replicas, which have it, with nothing to be cached."""
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE products SET price_minor = 0")
    await connection.execute("DELETE FROM outbox")
    position = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
    await connection.close()
    urls = [
        make_url(url).set(database=make_url(database).database)
        for url in os.environ["COMANDA_REPLICA_URLS"].split(",")
    ]
    told = [url.render_as_string(hide_password=False) for url in urls]
    for url in told:
        await until(partial(_has_come, url, position))
    return told


async def _has_come(url: str, position: str) -> bool:
    try:
        replica = await asyncpg.connect(url)
    except asyncpg.InvalidCatalogNameError:
        return False
    has_come = await replica.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", position)
    await replica.close()
    return bool(has_come)


@asynccontextmanager
async def proxied(host: str, port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(host, port)
    await proxy.up()
    try:
        yield proxy
    finally:
        proxy.thaw.set()
        await proxy.down()


async def environment(database: str, redis_cluster: RedisCluster) -> dict[str, str]:
    return {
        "COMANDA_DATABASE_URL": database,
        "COMANDA_REPLICA_URLS": ",".join(await on_replicas(database)),
        "COMANDA_REDIS_URL": redis_cluster.url,
        "COMANDA_REDIS_CLUSTER": "true",
    }


@asynccontextmanager
async def scene(
    database: str, redis_cluster: RedisCluster, proxies: frozenset[str]
) -> AsyncIterator[Scene]:
    straight = await environment(database, redis_cluster)
    place = urlsplit(database)
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(
            proxied(str(place.hostname), int(place.port or 5432))
        )
        nodes = [
            await stack.enter_async_context(proxied("127.0.0.1", port))
            for port in redis_cluster.ports
        ]
        around = straight | {
            "COMANDA_DATABASE_URL": database.replace(f":{place.port}/", f":{primary.port}/")
        }
        reader = around if "primary" in proxies else straight
        writer = around if "writer" in proxies else straight
        if "redis" in proxies:
            through = {
                port: node.port for port, node in zip(redis_cluster.ports, nodes, strict=True)
            }
            reader = reader | {"TEST_REDIS_THROUGH": msgspec.json.encode(through).decode()}
        processes = await stack.enter_async_context(cache_processes("layered", writer, reader))
        yield Scene(redis_cluster, nodes, primary, processes)


def staleness(
    acknowledged: list[tuple[int, int, float]], last: dict[str, dict[str, float]]
) -> float:
    """Seconds from a change's acknowledgement to the last read that returned an older value."""
    return max(
        (
            returned - at
            for key, value, at in acknowledged
            for older, returned in last[str(key)].items()
            if int(older) < value
        ),
        default=0.0,
    )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_no_old_price_is_returned_for_long(
    database: str, redis_cluster: RedisCluster, fault: Fault
) -> None:
    async with scene(database, redis_cluster, FAULTS[fault]) as here:
        await here.reader.do("read_on", keys=KEYS)
        await here.writer.do("change_on", keys=KEYS)
        await asyncio.sleep(BEFORE)
        if fault is the_writer_dies_before_it_tells:
            written = await here.writer.do("stop")
            await fault(here)
        else:
            await fault(here)
            await asyncio.sleep(AFTER)
            written = await here.writer.do("stop")
        # What was changed last may still be unknown there.
        await asyncio.sleep(STALEST + STARVED)
        read = await here.reader.do("stop")
        loads = (await here.reader.do("figures"))["loads"]
    changes = [tuple(each) for each in written["acknowledged"]]
    changes += [(key, value, at) for key, (value, at) in here.ends_by_hand.items()]
    stale = staleness(changes, read["last"])
    late = max(read["late"], written["late"])
    took = ", ".join(f"{name} {ms:.2f}" for name, ms in read["took"].items())
    print(  # noqa: T201
        f"\n{fault.__name__}: stale for {1000 * max(stale, 0):.0f} ms at most, "
        f"{read['reads']} reads ({took} ms), errors {read['errors']}, {loads} loads, "
        f"{len(changes)} changes, not made {written['errors']}, "
        f"no core for {1000 * late:.0f} ms"
    )
    assert read["errors"] == {}
    # Everything is known in the end.
    for key in KEYS:
        latest = max(value for changed, value, _ in [*changes, (key, 0, 0.0)] if changed == key)
        seen = read["last"][str(key)]
        assert max(seen, key=lambda value: seen[value]) == str(latest)
    assert stale <= STALEST + min(late, STARVED)


def prices_of(redis_cluster: RedisCluster, port: int) -> list[int]:
    """What lies in one node of Redis."""
    password = urlsplit(redis_cluster.url).password
    with Redis(
        host="127.0.0.1", port=port, password=password, single_connection_client=True
    ) as node:
        node.execute_command("READONLY")
        values = [node.get(key) for key in node.scan_iter("c:*prices*")]
    return [msgspec.msgpack.decode(bytes(value)[16:]) for value in values if value is not None]


async def lose_what_was_acknowledged(
    redis_cluster: RedisCluster, processes: list[CacheProcess]
) -> int:
    """Each price is 0 and then 1, and one master's replica, which has heard of 0 only, takes its
    place; the prices that it has."""
    writer = processes[0]
    for process in processes:
        for key in KEYS:
            assert (await process.do("get", key=key))["value"] == 0
    master = max(redis_cluster.ports, key=lambda port: len(prices_of(redis_cluster, port)))
    if redis_cluster.ask(master, "ROLE")[0] != "master":
        master = int(redis_cluster.ask(master, "ROLE")[2])
    replica = int(redis_cluster.ask(master, "ROLE")[2][0][1])
    known = len(prices_of(redis_cluster, master))

    async def has_heard() -> bool:
        return prices_of(redis_cluster, replica) == [0] * known

    await until(has_heard)
    # First it hangs: nothing is in its socket that it could still read.
    redis_cluster.freeze(replica)
    assert redis_cluster.ask(master, "CLIENT", "KILL", "TYPE", "replica") == 1
    for key in KEYS:
        await writer.do("put", key=key, value=1)
    for key in KEYS:
        assert (await writer.do("get", key=key))["value"] == 1
    assert prices_of(redis_cluster, master) == [1] * known
    redis_cluster.kill(master)
    redis_cluster.thaw(replica)

    async def is_master() -> bool:
        asked = [await process.do("masters") for process in processes]
        return all(replica in told["ports"] and master not in told["ports"] for told in asked)

    await until(is_master)
    old = prices_of(redis_cluster, replica)
    assert old == [0] * known
    return known


@pytest.mark.parametrize("is_repaired", [True, False], ids=["repaired", "not repaired"])
async def test_a_failover_that_loses_what_it_acknowledged_brings_no_old_price_back(
    database: str, redis_cluster: RedisCluster, is_repaired: bool
) -> None:
    place = await environment(database, redis_cluster)
    async with cache_processes("layered", place, place) as processes:
        if not is_repaired:
            await processes[1].do("deafen")
        lost = await lose_what_was_acknowledged(redis_cluster, processes)
        stale = []
        # The reader first: what the writer finds too old in Redis it replaces for all.
        for process in reversed(processes):
            await process.do("forget")
            values = [(await process.do("get", key=key))["value"] for key in KEYS]
            stale.append(values.count(0))
    told = "the outbox is looked into" if is_repaired else "the reader hears of nothing"
    print(f"\n{lost} of {len(KEYS)} old prices are back, {told}: stale {stale}")  # noqa: T201
    assert lost > 0
    assert stale == [0 if is_repaired else lost, 0]


async def test_four_thousand_misses_in_four_processes_are_one_load(
    database: str, redis_cluster: RedisCluster
) -> None:
    place = await environment(database, redis_cluster)
    async with cache_processes("layered", *[place] * 4) as processes:
        order = {"key": 1, "size": 1000, "at": time.monotonic() + 0.5, "slowly": 0.5}
        told = await asyncio.gather(*(process.do("crowd", **order) for process in processes))
        loads = [(await process.do("figures")).get("loads", 0) for process in processes]
    print(f"\n4 x 1000 misses: loads {loads}")  # noqa: T201
    assert [each["values"] for each in told] == [[0]] * 4
    assert sum(loads) == 1
