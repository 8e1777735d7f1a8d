"""Reads go to their role's node and never write; what is lost under a read is read elsewhere."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import column, func, insert, select, text, update
from sqlalchemy.sql.selectable import TextualSelect

from domain import model
from domain.database import UNKNOWN, Cluster, Limits, Reader, Role, Routing, Writer
from domain.database import cluster as cluster_module
from domain.errors import UnavailableError
from tests.serving import Proxy

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
QUICK = Limits(connect_timeout=0.5, pool_timeout=0.5)
ONE = select(1)
REPLICAS = os.environ.get("COMANDA_REPLICA_URLS", "").split(",")


def asking(statement: str) -> Callable[[Reader], Awaitable[Any]]:
    """A read of one value."""
    return lambda reader: reader.scalar(textual(statement))


def textual(statement: str) -> TextualSelect:
    return text(statement).columns(column("value"))


async def one(reader: Reader) -> Any:
    return await reader.scalar(ONE)


is_replica = asking("SELECT pg_is_in_recovery()")


async def test_a_role_reads_from_its_replica() -> None:
    cluster = Cluster(os.environ["COMANDA_DATABASE_URL"], REPLICAS)
    assert [await cluster.read(role, is_replica) for role in Role] == [False, True, True, True]
    assert sorted(cluster.served) == [
        (Role.ANALYTICS, "replica-2"),
        (Role.MENU, "replica-1"),
        (Role.PRIMARY, "primary"),
        (Role.REPORTS, "replica-3"),
    ]
    # A replica has a way of its own to tell.
    for role in Role:
        assert await cluster.read(role, lambda reader: reader.as_of()) is not None
    await cluster.close()


async def test_a_dead_replica_leaves_its_reads_to_the_next_and_then_to_the_primary(
    database: str,
) -> None:
    cluster = Cluster(database, [NOWHERE, database], QUICK, Routing({Role.MENU: (0, 1)}))
    assert await cluster.read(Role.MENU, is_replica) is False
    assert cluster.served == {(Role.MENU, "replica-2"): 1}
    await cluster.close()
    cluster = Cluster(database, [NOWHERE], QUICK)
    assert await cluster.read(Role.MENU, is_replica) is False
    assert cluster.served == {(Role.MENU, "primary"): 1}
    await cluster.close()


async def test_a_dead_primary_is_unavailable_and_not_a_crash() -> None:
    cluster = Cluster(NOWHERE, [], QUICK)
    with pytest.raises(UnavailableError):
        await cluster.write(one)
    with pytest.raises(UnavailableError):
        await cluster.read(Role.MENU, one)
    await cluster.close()


async def test_a_frozen_node_is_unavailable_and_not_waited_for(database: str) -> None:
    place = urlsplit(database)
    proxy = Proxy(str(place.hostname), int(place.port or 5432))
    await proxy.up()
    url = database.replace(f":{place.port}/", f":{proxy.port}/")
    limits = Limits(connect_timeout=0.5, pool_timeout=0.5, statement_timeout=0.5)
    cluster = Cluster(url, [url], limits)
    try:
        await cluster.read(Role.MENU, one)
        await cluster.write(one)
        proxy.thaw.clear()
        with pytest.raises(UnavailableError):
            await cluster.read(Role.MENU, one)
        with pytest.raises(UnavailableError):
            await cluster.write(one)
        assert await cluster.ping(0.2) == {"primary": False, "replica-1": False}
        proxy.thaw.set()
        assert await cluster.read(Role.MENU, one) == (await cluster.write(one))[0] == 1
    finally:
        await cluster.close()
        await proxy.down()


async def test_nodes_that_are_far_away_are_used_all_the_same(database: str) -> None:
    place = urlsplit(database)
    proxy = Proxy(str(place.hostname), int(place.port or 5432))
    proxy.seconds = 0.15
    await proxy.up()
    url = database.replace(f":{place.port}/", f":{proxy.port}/")
    cluster = Cluster(url, [url])
    try:
        async with asyncio.timeout(30):
            # Who is in a hurry takes them for lost at first.
            while not all(node.up and node.position for node in cluster._nodes):
                await asyncio.gather(*(node.look() for node in cluster._nodes))
        assert (await cluster.write(one))[0] == await cluster.read(Role.MENU, one) == 1
        assert cluster.served == {(Role.MENU, "replica-1"): 1}
    finally:
        await cluster.close()
        await proxy.down()


async def test_a_statement_that_takes_too_long_is_cut_off(database: str) -> None:
    cluster = Cluster(database, [], Limits(statement_timeout=0.1))
    with pytest.raises(UnavailableError):
        await cluster.read(Role.MENU, asking("SELECT pg_sleep(60)"))
    await cluster.close()


@pytest.mark.parametrize("role", list(Role))
async def test_a_write_through_a_read_is_refused_by_the_server(
    cluster: Cluster, role: Role
) -> None:
    # To the type checker it is a SELECT.
    smuggled = asking("DELETE FROM configuration RETURNING 1")
    with pytest.raises(asyncpg.PostgresError, match="read-only transaction"):
        await cluster.read(role, smuggled)
    assert await cluster.read(role, one) == 1


async def test_a_write_through_a_read_does_not_pass_the_type_check_either(
    cluster: Cluster,
) -> None:
    # In strict mode mypy refuses an `ignore` that it does not need.
    async def execute(reader: Reader) -> None:
        await reader.execute(update(model.Category).values(position=9))  # type: ignore[call-overload]

    async def change(reader: Reader) -> None:
        await reader.change(update(model.Category).values(position=9))  # type: ignore[attr-defined]

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await cluster.read(Role.PRIMARY, execute)
    with pytest.raises(AttributeError):
        await cluster.read(Role.PRIMARY, change)


RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep%'
"""


async def test_what_was_cancelled_ends_and_leaves_its_place_to_others(
    database: str, connection: asyncpg.Connection
) -> None:
    cluster = Cluster(database, [], Limits(connections=1, pool_timeout=0.1, statement_timeout=90.0))

    async def slow(writer: Writer) -> None:
        await moved(writer)
        await asking("SELECT pg_sleep(80)")(writer)

    running = asyncio.create_task(cluster.write(slow))
    async with asyncio.timeout(30):
        while not await connection.fetchval(RUNNING):
            pass
        with pytest.raises(UnavailableError) as full:
            await cluster.write(one)
        assert full.value.retry_after > 0
        # Twice, or it would be taken back in good order; as if the process were killed.
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        while await connection.fetchval(RUNNING):
            pass
        # Neither a connection is missing, nor is a row locked.
        await cluster.write(moved)
    await cluster.close()


async def test_who_falls_silent_in_a_transaction_holds_its_locks_no_longer_than_a_statement(
    database: str,
) -> None:
    silent = Cluster(database, [], Limits(statement_timeout=0.3))
    others = Cluster(database, [], Limits(statement_timeout=60, lock_timeout=60))
    locked, passed = asyncio.Event(), asyncio.Event()

    async def fall_silent(writer: Writer) -> None:
        await moved(writer)
        locked.set()
        await passed.wait()
        await writer.scalar(ONE)

    writing = asyncio.create_task(silent.write(fall_silent))
    async with asyncio.timeout(30):
        await locked.wait()
        await others.write(moved)
    passed.set()
    with pytest.raises(UnavailableError):
        await writing
    await silent.close()
    await others.close()


LATE_REFUSAL = """
CREATE FUNCTION too_late() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the menu stays as it is'; END $$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON categories
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION too_late();
"""


async def moved(writer: Writer) -> None:
    await writer.change(update(model.Category).values(position=9))


async def test_a_failing_commit_is_not_acknowledged(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    await connection.execute(LATE_REFUSAL)
    with pytest.raises(asyncpg.PostgresError, match="stays as it is"):
        await cluster.write(moved)
    assert not await connection.fetchval("SELECT bool_and(position = 9) FROM categories")


async def test_a_fence_is_asked_for_where_somebody_will_need_it(cluster: Cluster) -> None:
    assert (await cluster.write(one))[1] > 0
    assert (await cluster.write(one, fenced=lambda: False))[1] == 0


async def test_a_fence_is_known_as_soon_as_it_is_given_out_and_no_later_one_is(
    database: str,
) -> None:
    # Nobody watches: what another process wrote since the last look is not seen by itself.
    cluster = Cluster(database, [], QUICK)
    for _ in range(2):
        _, fence = await cluster.write(one)
        assert await cluster.knows(fence)
        assert not await cluster.knows(fence + 2**40)
    await cluster.close()
    away = Cluster(NOWHERE, [], QUICK)
    assert await away.knows(fence)
    await away.close()


async def test_what_was_read_is_as_of_no_position_that_somebody_made_up(database: str) -> None:
    async def look(reader: Reader) -> None:
        await reader.scalar(ONE)

    # It is believed while the primary is away, which may be back by the time of the read.
    cluster = Cluster(database, [], QUICK)
    _, fence = await cluster.write(one)
    _, asof = await cluster.snapshot(Role.MENU, look, fence)
    assert asof >= fence
    _, asof = await cluster.snapshot(Role.MENU, look, fence + 2**40)
    assert fence <= asof < fence + 2**40
    await cluster.close()


async def test_a_write_whose_connection_is_lost_is_unavailable(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    async def lose(writer: Writer) -> None:
        backend = await writer.scalar(select(func.pg_backend_pid()))
        await connection.execute("SELECT pg_terminate_backend($1)", backend)
        await writer.scalar(ONE)

    with pytest.raises(UnavailableError):
        await cluster.write(lose)


async def test_a_read_whose_connection_is_lost_goes_on_elsewhere(
    database: str, connection: asyncpg.Connection
) -> None:
    cluster = Cluster(database, [database], QUICK)
    tries = []

    async def lose_once(reader: Reader) -> Any:
        tries.append(await reader.scalar(select(func.pg_backend_pid())))
        if len(tries) == 1:
            await connection.execute("SELECT pg_terminate_backend($1)", tries[0])
        return await reader.scalar(ONE)

    assert await cluster.read(Role.MENU, lose_once) == 1
    assert cluster.served == {(Role.MENU, "primary"): 1}
    await cluster.close()


async def test_a_read_on_a_connection_that_is_let_go_meanwhile_goes_on_elsewhere(
    database: str, connection: asyncpg.Connection
) -> None:
    # As the server says it where a statement meets the end of an idle session.
    await connection.execute(
        "CREATE FUNCTION idle() RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'idle-session timeout' USING ERRCODE = '57P05'; END $$"
    )
    cluster = Cluster(database, [database], QUICK)
    met = iter([asking("SELECT idle()"), one])
    assert await cluster.read(Role.MENU, lambda reader: next(met)(reader)) == 1
    assert cluster.served == {(Role.MENU, "primary"): 1}
    await cluster.close()


async def test_a_read_whose_node_is_given_up_under_it_goes_on_elsewhere(database: str) -> None:
    given_up = iter([True])

    class GivenUp(asyncpg.Connection):  # type: ignore[misc]
        """Ended, as all connections to a lost node are, between two steps of a statement."""

        async def _get_statement(self, *arguments: Any, **named: Any) -> Any:
            prepared = await super()._get_statement(*arguments, **named)
            if next(given_up, False):
                self.terminate()
            return prepared

    cluster = Cluster(database, [database], QUICK, kind=GivenUp)
    assert await cluster.read(Role.MENU, one) == 1
    assert cluster.served == {(Role.MENU, "primary"): 1}
    await cluster.close()


async def test_a_transaction_that_another_one_undid_is_done_over(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    tries = 0

    async def serial(writer: Writer) -> None:
        nonlocal tries
        tries += 1
        await writer.change(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        await writer.scalar(select(func.sum(model.Category.position)))
        if tries == 1:
            await connection.execute("UPDATE categories SET position = position + 1")
        await writer.change(update(model.Category).values(position=model.Category.position + 10))

    await cluster.write(serial)
    assert tries == 2


async def test_transactions_that_are_always_undone_are_unavailable(cluster: Cluster) -> None:
    async def undone(writer: Writer) -> None:
        await writer.change(
            text("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
        )

    with pytest.raises(UnavailableError) as raised:
        await cluster.write(undone)
    assert raised.value.retry_after == 1


EYE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_is_in_recovery%'
"""


async def test_the_connection_that_looks_at_a_node_takes_no_other_with_it(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    async def slow(writer: Writer) -> Any:
        assert await cluster.knows(1)
        assert await connection.fetch(EYE) == [(True,)]
        assert not await cluster.knows(2**62)
        return await writer.scalar(ONE)

    assert (await cluster.write(slow))[0] == 1


async def test_one_lost_connection_takes_nobody_elses(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(writer: Writer) -> Any:
        begun.set()
        await go_on.wait()
        return await writer.scalar(ONE)

    async def lose(writer: Writer) -> None:
        backend = await writer.scalar(select(func.pg_backend_pid()))
        await connection.execute("SELECT pg_terminate_backend($1)", backend)
        await writer.scalar(ONE)

    other = asyncio.create_task(cluster.write(slow))
    await begun.wait()
    with pytest.raises(UnavailableError):
        await cluster.write(lose)
    assert await cluster.read(Role.PRIMARY, one) == 1
    go_on.set()
    assert (await other)[0] == 1


async def test_a_fence_that_many_share_is_behind_each_of_their_writes(
    database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(database, [], Limits(connections=16, pool_timeout=60.0))
    by_itself = cluster_module._fence
    seen: dict[int, set[str]] = {}

    async def watched(connection: asyncpg.Connection) -> int:
        keys = await connection.fetch("SELECT key FROM configuration")
        fence = await by_itself(connection)
        seen[fence] = {row["key"] for row in keys}
        return fence

    monkeypatch.setattr(cluster_module, "_fence", watched)

    async def note(key: str) -> None:
        def noted(writer: Writer) -> Awaitable[Any]:
            return writer.change(insert(model.Configuration).values(key=key, value=1))

        _, fence = await cluster.write(noted)
        assert key in seen[fence]

    await asyncio.gather(*(note(f"key {number}") for number in range(200)))
    assert len(seen) < 200
    await cluster.close()


async def test_who_leaves_while_others_wait_for_its_fence_leaves_them_to_ask_themselves(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(database, [])
    by_itself, behind = cluster_module._fence, Cluster._behind
    asking: list[tuple[asyncio.Task[Any] | None, asyncio.Event]] = []
    committed: list[asyncpg.Connection] = []

    async def held(connection: asyncpg.Connection) -> int:
        go_on = asyncio.Event()
        asking.append((asyncio.current_task(), go_on))
        await go_on.wait()
        return await by_itself(connection)

    async def noted(self: Cluster, connection: asyncpg.Connection) -> int:
        committed.append(connection)
        return await behind(self, connection)

    monkeypatch.setattr(cluster_module, "_fence", held)
    monkeypatch.setattr(Cluster, "_behind", noted)

    async def until(count: int, of: list[Any]) -> None:
        async with asyncio.timeout(30):
            while len(of) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    writes = [asyncio.create_task(cluster.write(one)) for _ in range(3)]
    await until(3, committed)
    asking[0][1].set()
    await until(2, asking)
    leader = asking[1][0]
    assert leader is not None
    leader.cancel()
    await until(3, asking)
    asking[2][1].set()
    fences = [await write for write in writes if write is not leader]
    assert UNKNOWN not in {fence for _, fence in fences}
    await cluster.close()
