"""What is written comes back as it was, however its statement is put, and nobody else's with it."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    MetaData,
    Numeric,
    Table,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)

from domain import model
from domain.database import Cluster, Database, Limits, Reader, Role, Writer
from domain.errors import UnavailableError
from domain.model import OrderStatus

Configuration = model.Configuration
VALUES: list[Any] = [None, True, 1, 2**53, 0.5, "ñ \"'\\", ["a", {"b": [None]}], {}]


async def test_json_enums_numbers_and_lists_come_back_as_they_were(campus: Database) -> None:
    several = [{"key": str(number), "value": value} for number, value in enumerate(VALUES)]

    async def write(writer: Writer) -> None:
        await writer.change_each(insert(Configuration), several)

    async def read(reader: Reader) -> list[Any]:
        kept = select(Configuration.value).where(Configuration.key.in_([*map(str, range(8))]))
        return [row.value for row in await reader.execute(kept.order_by(Configuration.key))]

    await campus.write(write)
    assert await campus.read(Role.PRIMARY, read) == VALUES
    statuses = select(model.Order.status).distinct().order_by(model.Order.status)
    found = await campus.rows(Role.PRIMARY, statuses)
    assert {type(row.status) for row in found} == {OrderStatus}
    numbers = select(
        cast(literal(5) / 2, Float).label("half"),
        cast(2, Numeric(4, 1)).label("two"),
        cast(None, model.Order.status.type).label("nothing"),
        func.array_agg(model.Category.id).label("ids"),
    )
    (row,) = await campus.rows(Role.PRIMARY, numbers)
    assert (type(row.half), row.two, row.nothing, row.ids[:2]) == (float, 2, None, [1, 2])


async def test_statements_of_one_shape_keep_their_own_values(campus: Database) -> None:
    async def named(reader: Reader, key: int) -> Any:
        own = select(model.Category.id, bindparam("said", type_=BigInteger)).where(
            model.Category.id == key
        )
        return (await reader.execute(own, {"said": -key})).one()

    async def among(reader: Reader, *keys: int) -> list[Any]:
        chosen = select(model.Category.id).where(model.Category.id.in_(keys))
        return sorted(row.id for row in await reader.execute(chosen))

    async def all_of_them(reader: Reader) -> None:
        assert [await named(reader, key) for key in (1, 2, 1)] == [(1, -1), (2, -2), (1, -1)]
        for keys in ([3], [1, 2, 3], [], [2]):
            assert await among(reader, *keys) == keys

    several = [campus.read(Role.PRIMARY, all_of_them) for _ in range(5)]
    await asyncio.gather(*several)


async def test_a_value_that_is_missing_is_not_taken_for_none(campus: Database) -> None:
    wanted = select(model.Category.id).where(model.Category.id == bindparam("wanted"))
    with pytest.raises(Exception, match="wanted"):
        await campus.read(Role.PRIMARY, lambda reader: reader.execute(wanted))


async def test_a_change_tells_how_many_it_was(campus: Database) -> None:
    moved = update(model.Category).values(position=7)

    async def change(writer: Writer) -> list[int]:
        every = (await writer.change(moved)).rowcount
        one = (await writer.change(moved.where(model.Category.id == 1))).rowcount
        returned = await writer.change(
            moved.where(model.Category.id < 3).returning(model.Category.id)
        )
        nobody = await writer.change(moved.where(model.Category.id == -1))
        return [every, one, returned.rowcount, len(returned.all()), nobody.rowcount]

    count = await campus.rows(Role.PRIMARY, select(func.count()).select_from(model.Category))
    assert await campus.write(change) == [count[0][0], 1, 2, 2, 0]


async def test_a_default_that_python_would_have_to_run_is_no_silent_null(campus: Database) -> None:
    table = Table(
        "configuration", MetaData(), Column("key", BigInteger), Column("value", Integer, default=1)
    )
    with pytest.raises(TypeError, match="default"):
        await campus.write(lambda writer: writer.change(insert(table).values(key=1)))


async def test_a_statement_that_fails_leaves_its_connection_to_the_next(
    database: str, connection: asyncpg.Connection
) -> None:
    cluster = Cluster(database, [], Limits(connections=1))
    pid = select(func.pg_backend_pid())
    fault = select(literal(1) / func.length(literal("")))

    async def fail(reader: Reader) -> None:
        await reader.scalar(fault)

    async def own(reader: Reader) -> Any:
        return await reader.scalar(pid)

    reads, (writes, _) = await cluster.read(Role.PRIMARY, own), await cluster.write(own)
    for _ in range(3):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await cluster.read(Role.PRIMARY, fail)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await cluster.write(fail)
    assert await cluster.read(Role.PRIMARY, own) == reads
    assert (await cluster.write(own))[0] == writes
    # Nor is anything left open there.
    open_ = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1) AND state <> 'idle'"
    async with asyncio.timeout(30):
        while await connection.fetchval(open_, [reads, writes]):
            pass
    await cluster.close()


async def test_a_migration_under_way_undoes_no_write_for_good(
    database: str, connection: asyncpg.Connection
) -> None:
    cluster = Cluster(database, [], Limits(connections=1))
    moved = update(model.Category).values(position=3).returning(model.Category.position)

    async def move(writer: Writer) -> set[int]:
        return {row.position for row in await writer.change(moved)}

    assert (await cluster.write(move))[0] == {3}
    await connection.execute("ALTER TABLE categories ALTER COLUMN position TYPE bigint")
    # What was prepared returns another type now, which the server refuses to do unasked.
    assert (await cluster.write(move))[0] == {3}
    await cluster.close()


async def test_a_connection_that_is_refused_takes_no_place() -> None:
    cluster = Cluster("postgresql://nobody@127.0.0.1:1/nothing", [], Limits(connections=1))
    for _ in range(3):
        with pytest.raises(UnavailableError, match="does not answer"):
            await cluster.read(Role.MENU, lambda reader: reader.scalar(select(1)))
    await cluster.close()


async def test_a_crowd_takes_turns_and_nobody_is_left_out(database: str) -> None:
    cluster = Cluster(database, [], Limits(connections=3, pool_timeout=30))

    async def own(reader: Reader) -> Any:
        return await reader.scalar(select(func.pg_backend_pid()))

    async def broken_off() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await cluster.read(Role.PRIMARY, own)

    # Those who leave while they wait, connect or read take no place with them.
    crowd = [cluster.read(Role.PRIMARY, own) for _ in range(200)]
    found = await asyncio.gather(*crowd, *(broken_off() for _ in range(50)))
    assert len({pid for pid in found if pid}) <= 3 + 50
    assert (
        len(set(await asyncio.gather(*(cluster.read(Role.PRIMARY, own) for _ in range(50))))) == 3
    )
    await cluster.close()
