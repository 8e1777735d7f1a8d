"""Reads go to their role's node, and never write."""

import os
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.database import Cluster, Limits, Role
from domain.errors import UnavailableError
from tests.serving import Proxy

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
QUICK = Limits(connect_timeout=0.5, pool_timeout=0.5)


async def is_replica(cluster: Cluster, role: Role) -> bool:
    async with cluster.read(role) as database:
        return bool(await database.scalar(text("SELECT pg_is_in_recovery()")))


async def test_a_role_reads_from_its_replica() -> None:
    cluster = Cluster(
        os.environ["COMANDA_DATABASE_URL"], os.environ["COMANDA_REPLICA_URLS"].split(",")
    )
    assert [await is_replica(cluster, role) for role in Role] == [False, True, True, True]
    await cluster.close()


async def test_a_dead_replica_leaves_its_reads_to_the_primary(database: str) -> None:
    cluster = Cluster(database, [NOWHERE], QUICK)
    assert await is_replica(cluster, Role.MENU) is False
    await cluster.close()


async def test_a_dead_primary_is_unavailable_and_not_a_crash() -> None:
    cluster = Cluster(NOWHERE, [], QUICK)
    with pytest.raises(UnavailableError):
        async with cluster.transaction():
            pass
    await cluster.close()


async def test_a_frozen_node_is_unavailable_and_not_waited_for(database: str) -> None:
    place = urlsplit(database)
    proxy = Proxy(str(place.hostname), int(place.port or 5432))
    await proxy.up()
    url = database.replace(f":{place.port}/", f":{proxy.port}/")
    limits = Limits(connect_timeout=0.5, pool_timeout=0.5, statement_timeout=0.5)
    cluster = Cluster(url, [url], limits)
    one = text("SELECT 1")
    try:
        async with cluster.read(Role.MENU) as reading, cluster.transaction() as writing:
            await reading.execute(one)
            await writing.execute(one)
        proxy.thaw.clear()
        with pytest.raises(UnavailableError):
            async with cluster.read(Role.MENU) as reading:
                await reading.execute(one)
        with pytest.raises(UnavailableError):
            async with cluster.transaction() as writing:
                await writing.execute(one)
        assert await cluster.ping(0.2) == {"primary": False, "replica-1": False}
        proxy.thaw.set()
        async with cluster.read(Role.MENU) as reading, cluster.transaction() as writing:
            assert await reading.scalar(one) == await writing.scalar(one) == 1
    finally:
        await cluster.close()
        await proxy.down()


async def test_a_statement_that_takes_too_long_is_cut_off(database: str) -> None:
    cluster = Cluster(database, [], Limits(statement_timeout=0.1))
    with pytest.raises(UnavailableError):
        async with cluster.read(Role.MENU) as reading:
            await reading.execute(text("SELECT pg_sleep(60)"))
    await cluster.close()


@pytest.mark.parametrize("role", list(Role))
async def test_a_write_through_a_read_is_refused_by_the_server(
    cluster: Cluster, role: Role
) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with cluster.read(role) as database:
            await database.execute(text("DELETE FROM configuration"))


LATE_REFUSAL = """
CREATE FUNCTION too_late() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the menu stays as it is'; END $$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON categories
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION too_late();
"""


async def test_a_failing_commit_is_not_acknowledged(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    await connection.execute(LATE_REFUSAL)

    async def change() -> None:
        async with cluster.transaction() as database:
            await database.execute(text("UPDATE categories SET position = 9"))

    with pytest.raises(DBAPIError, match="stays as it is"):
        await change()
    assert not await connection.fetchval("SELECT bool_and(position = 9) FROM categories")


async def test_a_connection_that_is_lost_half_way_is_unavailable(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    async def lose() -> None:
        async with cluster.transaction() as database:
            backend = await database.scalar(text("SELECT pg_backend_pid()"))
            await connection.execute("SELECT pg_terminate_backend($1)", backend)
            await database.execute(text("SELECT 1"))

    with pytest.raises(UnavailableError):
        await lose()
