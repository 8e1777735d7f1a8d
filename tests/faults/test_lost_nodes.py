"""Under load a replica, all replicas and the primary are killed: what is lost, and what is not."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import column, func, insert, select, text

from domain import model
from domain.database import Cluster, Database, Fences, Limits, Reader, Role, Writer
from domain.errors import UnavailableError
from domain.redis import Nodes
from tests.faults.place import Place

pytestmark = pytest.mark.long

READERS: Final = 12
WRITERS: Final = 3
FAILOVER: Final = 30.0


class Load:
    """Readers of the menu, and writers who look at what they have just written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.counts: Counter[str] = Counter()
        self.worst_read = 0.0
        self.acknowledged: set[str] = set()
        self.written_at: list[float] = []
        self._goes_on = True
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._read()) for _ in range(READERS)]
        self._tasks += [
            asyncio.create_task(self._write(person)) for person in range(1, WRITERS + 1)
        ]

    async def stop(self) -> None:
        self._goes_on = False
        await asyncio.gather(*self._tasks)

    async def _read(self) -> None:
        categories = select(model.Category.name)

        async def menu(reader: Reader) -> list[Any]:
            return list(await reader.execute(categories))

        while self._goes_on:
            began = time.monotonic()
            try:
                assert await self._database.read(Role.MENU, menu)
                self.counts["reads"] += 1
            except UnavailableError:
                self.counts["failed reads"] += 1
            self.worst_read = max(self.worst_read, time.monotonic() - began)
            await asyncio.sleep(0.005)

    async def _write(self, person: int) -> None:
        while self._goes_on:
            key = uuid4().hex

            async def note(writer: Writer, key: str = key) -> None:
                await writer.change(insert(model.Configuration).values(key=key, value=1))

            async def mine(reader: Reader, key: str = key) -> Any:
                one = select(func.count()).where(model.Configuration.key == key)
                return await reader.scalar(one)

            try:
                await self._database.write(note, by=[person])
            except UnavailableError:
                self.counts["failed writes"] += 1
                await asyncio.sleep(0.02)
                continue
            self.acknowledged.add(key)
            self.written_at.append(time.monotonic())
            self.counts["writes"] += 1
            try:
                seen = await self._database.read(Role.MENU, mine, of=person)
            except UnavailableError:
                self.counts["failed own reads"] += 1
            else:
                self.counts["own reads"] += 1
                self.counts["own reads before the write"] += not seen

    async def more(self, what: str, number: int = 200) -> None:
        """Until so many more have come through."""
        wanted = self.counts[what] + number
        async with asyncio.timeout(FAILOVER):
            while self.counts[what] < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def loaded(place: Place, primary: str) -> AsyncIterator[Load]:
    cluster = Cluster(primary, place.addresses.replica_urls, Limits(connect_timeout=1.0))
    nodes = Nodes(place.addresses.redis_url)
    fences = Fences(nodes)
    cluster.start()
    nodes.start()
    fences.start()
    load = Load(Database(cluster, fences))
    load.start()
    try:
        await load.more("reads")
        yield load
    finally:
        await load.stop()
        served = {f"{role}: {name}": number for (role, name), number in cluster.served.items()}
        print(f"\n{dict(load.counts)}, worst read {load.worst_read * 1000:.0f} ms, {served}")  # noqa: T201
        await fences.close()
        await cluster.close()
        await nodes.close()


async def test_no_read_fails_when_replicas_are_killed(place: Place) -> None:
    async with loaded(place, place.addresses.database_url) as load:
        place.kill("replica1")
        await load.more("reads")
        await load.more("own reads", 50)
        place.kill("replica2")
        await load.more("reads")
        # Nothing is acknowledged without a standby, so there is nothing more to be written.
        place.kill("replica3")
        await load.more("reads")
        assert load.counts["failed reads"] == 0
        assert load.counts["failed own reads"] == 0
        assert load.counts["own reads before the write"] == 0


async def test_a_query_on_a_replica_that_is_killed_ends_elsewhere(place: Place) -> None:
    cluster = Cluster(place.addresses.database_url, place.addresses.replica_urls)
    cluster.start()
    began: list[bool] = []
    asleep = asyncio.Event()
    nap = text("SELECT pg_sleep(2)").columns(column("value"))

    async def long(reader: Reader) -> bool:
        replica = bool(await reader.scalar(select(func.pg_is_in_recovery())))
        began.append(replica)
        asleep.set()
        await reader.scalar(nap if len(began) == 1 else select(1))
        return replica

    reading = asyncio.create_task(cluster.read(Role.MENU, long))
    await asleep.wait()
    place.kill("replica1")
    assert await reading is True
    assert began == [True, True]
    assert cluster.served == {(Role.MENU, "replica-2"): 1}
    await cluster.close()


async def test_a_promoted_standby_takes_over_and_no_acknowledged_write_is_lost(
    place: Place,
) -> None:
    third = place.addresses.replica_urls[2]
    hosts = [
        url.rpartition("@")[2].partition("/")[0] for url in (place.addresses.database_url, third)
    ]
    primary = place.addresses.database_url.replace(hosts[0], ",".join(hosts))
    async with loaded(place, f"{primary}?target_session_attrs=read-write") as load:
        await load.more("writes", 50)
        killed = time.monotonic()
        place.kill("primary")
        await asyncio.sleep(0.5)
        promoted = time.monotonic()
        await _promote(place)
        await load.more("writes", 50)
        await load.more("reads")
        first = min(at for at in load.written_at if at > promoted) - killed
        print(f"\nfirst write {first:.2f} s after the kill")  # noqa: T201
    connection = await asyncpg.connect(third)
    kept = {row["key"] for row in await connection.fetch("SELECT key FROM configuration")}
    await connection.close()
    lost = load.acknowledged - kept
    print(f"\n{len(load.acknowledged)} writes acknowledged, {len(lost)} lost")  # noqa: T201
    assert not lost
    assert load.counts["own reads before the write"] == 0


async def _promote(place: Place) -> None:
    """The third, which first has to have all that any standby has."""
    standbys = [await asyncpg.connect(url) for url in place.addresses.replica_urls]
    received = [await each.fetchval("SELECT pg_last_wal_receive_lsn()") for each in standbys]
    assert received[2] == max(received), "another standby is ahead"
    await standbys[2].execute("ALTER SYSTEM RESET synchronous_standby_names")
    assert await standbys[2].fetchval("SELECT pg_promote()")
    for each in standbys:
        await each.close()
