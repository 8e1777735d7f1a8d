"""Fills against changes, over two processes and lagging replicas: nothing old stays, nobody misses
their own write. A plain cache does not pass."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import pytest

from tests.faults.caches import CacheProcess, cache_processes
from tests.faults.place import Place

ROUNDS: Final = 10_000
# After each so many it is looked what has stayed.
CHUNK: Final = 1_000
KEYS: Final = range(1, 21)
WORKERS: Final = 16


class Race:
    """Writers, each with keys of their own, and readers of all."""

    def __init__(self, processes: list[CacheProcess]) -> None:
        self.processes = processes
        self.left = 0
        self.latest = dict.fromkeys(KEYS, 0)
        self.found: Counter[str] = Counter()

    async def run(self, rounds: int) -> None:
        self.left = rounds
        await asyncio.gather(*(self._work(random.Random(n), n) for n in range(WORKERS)))

    async def _work(self, chance: random.Random, number: int) -> None:
        mine = [key for key in KEYS if key % WORKERS == number]
        while self.left > 0:
            self.left -= 1
            here, there = chance.sample(self.processes, 2)
            if mine and chance.random() < 0.3:
                key = chance.choice(mine)
                value = self.latest[key] + 1
                told = await here.do("put", key=key, value=value)
                self.latest[key] = value
                for process in (here, there):
                    read = await process.do("get", key=key, fence=told["fence"])
                    self.found["own writes missed"] += read["value"] < value
                    self.found["own reads"] += 1
            else:
                await here.do("get", key=chance.choice(KEYS))
                self.found["reads"] += 1

    async def settle(self) -> None:
        """A second after the last write, what is remembered is what is there."""
        await asyncio.sleep(1)
        for process in self.processes:
            for key in KEYS:
                read = await process.do("get", key=key)
                self.found["stuck"] += read["value"] != self.latest[key]


@asynccontextmanager
async def lagging(urls: list[str]) -> AsyncIterator[None]:
    """Each replica stands still for up to two seconds, again and again."""

    async def stop_and_go(url: str) -> None:
        replica = await asyncpg.connect(url)
        try:
            while True:
                await replica.execute("SELECT pg_wal_replay_pause()")
                await asyncio.sleep(random.uniform(0, 2))
                await replica.execute("SELECT pg_wal_replay_resume()")
                await asyncio.sleep(random.uniform(0, 0.5))
        finally:
            await replica.execute("SELECT pg_wal_replay_resume()")
            await replica.close()

    tasks = [asyncio.create_task(stop_and_go(url)) for url in urls]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def raced(kind: str, environment: dict[str, str], rounds: int) -> Counter[str]:
    urls = environment["COMANDA_REPLICA_URLS"].split(",")
    connection = await asyncpg.connect(environment["COMANDA_DATABASE_URL"])
    await connection.execute("UPDATE products SET price_minor = 0")
    await connection.close()
    async with cache_processes(kind, environment, environment) as processes:
        race = Race(processes)
        for _ in range(rounds // CHUNK):
            async with lagging(urls):
                await race.run(CHUNK)
            await race.settle()
        for process in processes:
            race.found["loads"] += (await process.do("figures")).get("loads", 0)
    print(f"\n{kind}: {dict(race.found)}")  # noqa: T201
    return race.found


@pytest.mark.long
async def test_nothing_old_stays_where_a_plain_cache_keeps_it(place: Place) -> None:
    environment = place.addresses.environment()
    plain = await raced("plain", environment, ROUNDS // 5)
    assert plain["stuck"] > 0
    assert plain["own writes missed"] > 0
    layered = await raced("layered", environment, ROUNDS)
    assert layered["stuck"] == layered["own writes missed"] == 0
