"""Nobody is shown the world before their own write; a replica that fails is nobody's problem."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import column, func, select, text, update

from domain import model
from domain.database import Cluster, Database, Fences, Limits, Reader, Role, Routing, Writer
from domain.database import cluster as cluster_module
from domain.database import fences as fences_module
from domain.database import node as node_module
from domain.database.fences import UNKNOWN
from domain.redis import Nodes
from tests.domain.conftest import paused
from tests.serving import Proxy, free_port

ANA, BRUNO = 1, 2
POSITION = select(func.max(model.Category.position))


def chain(*replicas: int) -> Routing:
    """They serve the menu however far they are behind: the databases of all tests are in one log,
    so that a replica which replays nothing is soon megabytes behind."""
    return Routing({Role.MENU: replicas}, bytes=2**60, seconds=3600.0)


MENU = chain(0)
SMALL = Limits(connections=4, connect_timeout=1.0)


async def position(reader: Reader) -> Any:
    return await reader.scalar(POSITION)


def moved_to(place: int) -> Callable[[Writer], Any]:
    async def change(writer: Writer) -> None:
        await writer.change(update(model.Category).values(position=place))

    return change


Processes = Callable[..., Any]


async def until_believed(nodes: Nodes, fences: Fences) -> None:
    """Returns when Redis has been looked at, where there is one."""
    async with asyncio.timeout(30):
        while any(map(nodes.wire, nodes.masters)) and await fences.of(0) == UNKNOWN:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def started() -> AsyncIterator[Processes]:
    """Start a process's way to the database; all are ended with the test."""
    async with AsyncExitStack() as stack:

        async def start(
            primary: str, replicas: list[str], redis_url: str, routing: Routing = MENU
        ) -> tuple[Cluster, Database]:
            cluster = Cluster(primary, replicas, SMALL, routing)
            nodes = Nodes(redis_url)
            fences = Fences(nodes)
            for part in (nodes, fences, cluster):
                stack.push_async_callback(part.close)
                part.start()
            await nodes.look()
            await until_believed(nodes, fences)
            # A replica that nobody has looked at yet serves nobody.
            await asyncio.gather(*(node.look() for node in cluster._nodes))
            return cluster, Database(cluster, fences)

        yield start


async def test_one_sees_ones_own_write_whichever_process_is_asked_and_others_keep_the_replica(
    database: str, replicas: list[str], redis_url: str, started: Processes
) -> None:
    _, mine = await started(database, replicas[:1], redis_url)
    other_cluster, other = await started(database, replicas[:1], redis_url)
    async with paused(replicas[0]):
        await mine.write(moved_to(77), by=[ANA])
        assert await mine.read(Role.MENU, position, of=ANA) == 77
        assert await other.read(Role.MENU, position, of=ANA) == 77
        assert other_cluster.served == {(Role.MENU, "primary"): 1}
        assert await other.read(Role.MENU, position, of=BRUNO) != 77
        assert await other.read(Role.MENU, position) != 77
        assert other_cluster.served[Role.MENU, "replica-1"] == 2
    async with asyncio.timeout(30):
        while other_cluster.served[Role.MENU, "replica-1"] < 3:
            assert await other.read(Role.MENU, position, of=ANA) == 77


async def test_the_next_replica_has_it_before_the_primary_is_asked(
    database: str, replicas: list[str], redis_url: str, started: Processes
) -> None:
    cluster, campus = await started(database, replicas[:2], redis_url, chain(0, 1))
    async with paused(replicas[0]):
        await campus.write(moved_to(77), by=[ANA])
        async with asyncio.timeout(30):
            while (Role.MENU, "replica-2") not in cluster.served:
                assert await campus.read(Role.MENU, position, of=ANA) == 77
        assert (Role.MENU, "replica-1") not in cluster.served


async def test_without_redis_ones_reads_go_to_the_primary(
    database: str,
    replicas: list[str],
    redis_url: str,
    started: Processes,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fences_module, "PAUSE", 0.02)
    place = urlsplit(redis_url)
    proxy = Proxy(str(place.hostname), int(place.port or 6379))
    await proxy.up()
    through = redis_url.replace(f":{place.port}/", f":{proxy.port}/")
    cluster, campus = await started(database, replicas[:1], through)
    await proxy.down()
    async with paused(replicas[0]):
        # What another process wrote for her meanwhile, nobody can tell.
        writing = asyncio.create_task(campus.write(moved_to(77), by=[ANA]))
        while await connection.fetchval("SELECT max(position) FROM categories") != 77:
            pass
        assert await campus.read(Role.MENU, position, of=ANA) == 77
        assert await campus.read(Role.MENU, position) != 77
    # It was acknowledged when the replicas had it: what Redis has is all that is needed again.
    await writing
    await proxy.up()
    async with asyncio.timeout(30):
        while cluster.served[Role.MENU, "replica-1"] < 2:
            assert await campus.read(Role.MENU, position, of=ANA) == 77
    await proxy.down()


async def test_a_replica_that_stands_still_serves_nobody_whatever_its_clock_shows(
    database: str,
    replicas: list[str],
    redis_url: str,
    started: Processes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = "clock_timestamp() - CASE WHEN pg_is_in_recovery() THEN interval '1 h' ELSE '0' END"
    skewed = node_module._PROBE.replace("clock_timestamp()", slow)
    monkeypatch.setattr(node_module, "_PROBE", skewed)
    routing = Routing({Role.MENU: (0,)}, seconds=0.5)
    cluster, campus = await started(database, replicas[:1], redis_url, routing)
    async with asyncio.timeout(30):
        while (Role.MENU, "replica-1") not in cluster.served:
            await campus.read(Role.MENU, position)
        async with paused(replicas[0]):
            await campus.write(moved_to(77))
            while await campus.read(Role.MENU, position) != 77:
                pass


async def test_a_fence_that_cannot_be_kept_is_not_needed_when_the_write_is_acknowledged(
    database: str,
    replicas: list[str],
    redis_url: str,
    started: Processes,
    connection: asyncpg.Connection,
) -> None:
    # Redis is away for one process; the other one does not notice.
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    _, mine = await started(database, replicas[:1], nowhere)
    _, other = await started(database, replicas[:1], redis_url)
    async with paused(replicas[0]):
        writing = asyncio.create_task(mine.write(moved_to(77), by=[ANA]))
        while await connection.fetchval("SELECT max(position) FROM categories") != 77:
            pass
        await asyncio.wait({writing}, timeout=0.3)
        assert not writing.done()
    await writing
    assert await other.read(Role.MENU, position, of=ANA) == 77


async def test_a_redis_that_was_emptied_is_not_believed_though_it_answers(
    redis_url: str,
) -> None:
    nodes = Nodes(redis_url)
    nodes.start()
    asked, watching = Fences(nodes), Fences(nodes)
    for fences in (asked, watching):
        fences.start()
        await nodes.look()
        await until_believed(nodes, fences)
    await asked.keep([ANA], 7)
    assert await asked.of(ANA) == await watching.of(ANA) == 7
    await asked.close()
    await nodes.call(b"", "FLUSHDB")
    assert await asked.of(ANA) == UNKNOWN
    # One that nobody asks notices by itself.
    async with asyncio.timeout(30):
        while not await nodes.call(b"", "DBSIZE"):
            pass
    assert await watching.of(ANA) == UNKNOWN
    await watching.close()
    await nodes.close()


async def test_watching_redis_ends_whenever_it_is_stopped(redis_url: str) -> None:
    for turns in range(25):
        nodes = Nodes(redis_url)
        fences = Fences(nodes)
        nodes.start()
        fences.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await fences.close()
            await nodes.close()


MUCH = "SELECT pg_logical_emit_message(false, 'test', repeat('x', 5000000))"


async def test_a_replica_that_lags_serves_nobody_until_it_has_caught_up(
    database: str,
    replicas: list[str],
    redis_url: str,
    started: Processes,
    connection: asyncpg.Connection,
) -> None:
    routing = Routing({Role.MENU: (0,)}, bytes=4_000_000, seconds=1000.0)
    cluster, campus = await started(database, replicas[:1], redis_url, routing)
    async with asyncio.timeout(30):
        async with paused(replicas[0]):
            await campus.write(moved_to(77))
            assert await campus.read(Role.MENU, position) != 77
            await connection.execute(MUCH)
            while await campus.read(Role.MENU, position) != 77:
                pass
            early = cluster.lags["replica-1"]
            while cluster.lags["replica-1"] <= max(early, 0.5):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        served = cluster.served[Role.MENU, "replica-1"]
        while cluster.served[Role.MENU, "replica-1"] == served:
            assert await campus.read(Role.MENU, position) == 77
        while cluster.lags["replica-1"] > 0.5:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_replica_that_hangs_in_a_query_is_left_and_comes_back(
    database: str, replicas: list[str], redis_url: str, started: Processes
) -> None:
    place = urlsplit(replicas[0])
    proxy = Proxy(str(place.hostname), int(place.port or 5432))
    await proxy.up()
    through = replicas[0].replace(f":{place.port}/", f":{proxy.port}/")
    cluster, campus = await started(database, [through], redis_url)
    tried = []

    async def hangs(reader: Reader) -> Any:
        tried.append(await reader.scalar(select(func.pg_is_in_recovery())))
        proxy.thaw.clear()
        return await position(reader)

    assert await campus.read(Role.MENU, hangs) is not None
    assert tried == [True, False]
    assert cluster.served == {(Role.MENU, "primary"): 1}
    proxy.thaw.set()
    async with asyncio.timeout(30):
        while (Role.MENU, "replica-1") not in cluster.served:
            await campus.read(Role.MENU, position)
    await cluster.close()
    await proxy.down()


async def test_without_a_primary_a_replica_that_is_about_to_show_a_write_is_waited_for(
    database: str, replicas: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_LAST", 30.0)
    place = urlsplit(database)
    proxy = Proxy(str(place.hostname), int(place.port or 5432))
    await proxy.up()
    through = database.replace(f":{place.port}/", f":{proxy.port}/")
    cluster = Cluster(through, replicas[:1], routing=chain(0))
    async with paused(replicas[0]):
        _, fence = await cluster.write(moved_to(77))
        await proxy.down()
        reading = asyncio.create_task(cluster.read(Role.MENU, position, fence))
        # A reader who is refused is refused by then.
        await asyncio.wait({reading}, timeout=0.5)
    assert await reading == 77
    await cluster.close()


AGAIN = """
CREATE FUNCTION conflicted() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
IF pg_is_in_recovery() THEN RAISE EXCEPTION 'conflict with recovery' USING ERRCODE = '40001';
END IF; RETURN true; END $$
"""


async def test_a_read_that_conflicts_with_replay_is_done_over_elsewhere(
    database: str,
    replicas: list[str],
    redis_url: str,
    started: Processes,
    connection: asyncpg.Connection,
) -> None:
    await connection.execute(AGAIN)
    cluster, campus = await started(database, replicas[:1], redis_url)
    await campus.write(moved_to(1), by=[ANA])
    async with asyncio.timeout(30):
        while (Role.MENU, "replica-1") not in cluster.served:
            await campus.read(Role.MENU, position, of=ANA)
    conflicted = text("SELECT conflicted()").columns(column("value"))
    assert await campus.read(Role.MENU, lambda reader: reader.scalar(conflicted)) is True
    await campus.read(Role.MENU, position)
    assert cluster.served[Role.MENU, "replica-1"] == 2


async def test_connections_beyond_the_least_are_let_go_when_idle(
    database: str, connection: asyncpg.Connection
) -> None:
    limits = Limits(connections=8, least_connections=2, idle_timeout=0.2)
    cluster = Cluster(database, [], limits)
    opened = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'comanda'"
    )
    nap = text("SELECT pg_sleep(0.3)").columns(column("value"))
    await asyncio.gather(
        *(cluster.read(Role.PRIMARY, lambda reader: reader.scalar(nap)) for _ in range(8))
    )
    async with asyncio.timeout(30):
        while await connection.fetchval(opened) > 2:
            pass
    # Those that were let go are not handed out.
    await asyncio.gather(
        *(cluster.read(Role.PRIMARY, lambda reader: reader.scalar(nap)) for _ in range(8))
    )
    await cluster.close()
