"""What several ask at one moment is one statement, and each has what they had asked for alone."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy import BigInteger, bindparam, func, select

from domain.accounts import Principal
from domain.database import Cluster, Database, Role, Routing
from domain.database.together import MOST, Found, Question
from domain.errors import NotFoundError
from domain.model import Role as Person
from domain.model.paging import Following, Position, Stretch, Window
from domain.model.selection import Chosen, columns
from domain.order_history import OrderHistory
from tests.domain.conftest import paused

STATEMENTS = "domain.database.statements"
CHOSEN = (*columns("id", "user_id", "created_at"), Chosen("items", "items", columns("quantity")))
MINE = bindparam("mine", type_=BigInteger)


def several(values: Iterable[object], *columns: Any) -> list[Question]:
    """Of one statement, or they would not be together."""
    statement = select(*columns, MINE.label("value"))
    return [Question(statement, {"mine": value}, ("mine",)) for value in values]


def values(found: Found | None) -> list[object]:
    """What a row has; together with others' there is a column more."""
    assert found is not None
    return [*found][: found._fields.index("value") + 1]


async def test_each_is_shown_their_own_and_nobody_elses_by_few_statements(
    campus: Database, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    rows = await connection.fetch(
        "SELECT id, user_id, created_at FROM orders ORDER BY id DESC LIMIT $1", MOST + 4
    )
    history = OrderHistory(campus)

    async def detail(row: asyncpg.Record) -> object:
        who = Principal(row["user_id"], [*Person][row["id"] % len(Person)])
        return bytes(await history.detail(who, row["id"], CHOSEN))

    async def page(row: asyncpg.Record) -> object:
        who = Principal(row["user_id"], Person.CUSTOMER)
        return shown(await history.listed(who, CHOSEN, Window(1 + row["id"] % 2)))

    async def rest(row: asyncpg.Record) -> object:
        who, behind = (
            Principal(row["user_id"], Person.CUSTOMER),
            Position(row["created_at"], row["id"]),
        )
        return shown(await history.listed(who, CHOSEN, Following(2, behind)))

    alone = [await ask(row) for ask in (detail, page, rest) for row in rows]
    assert len({repr(each) for each in alone}) > 2 * MOST
    caplog.set_level(logging.DEBUG, STATEMENTS)
    assert (
        await asyncio.gather(*(ask(row) for ask in (detail, page, rest) for row in rows)) == alone
    )
    # Orders by role; pages by how many are wanted; and of the rest so many at once, and then those
    # that are left.
    assert len([each for each in caplog.records if each.name == STATEMENTS]) == len(Person) + 2 + 2


def shown(found: Stretch[msgspec.Raw, Position]) -> object:
    return found.total, found.last, [*map(bytes, found.rows)]


async def test_somebody_elses_is_not_found_among_those_who_may_see_it(
    campus: Database, connection: asyncpg.Connection
) -> None:
    row = await connection.fetchrow("SELECT min(id) AS id, user_id FROM orders GROUP BY 2 LIMIT 1")
    owner, other = (Principal(row["user_id"] + more, Person.CUSTOMER) for more in (0, 1))
    history = OrderHistory(campus)
    asking = (history.detail(who, row["id"], CHOSEN) for who in (other, owner, other))
    first, shown, last = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, NotFoundError)
    assert isinstance(last, NotFoundError)
    assert not isinstance(shown, BaseException)


async def test_who_leaves_and_who_asks_what_cannot_be_take_nobody_with_them(
    cluster: Cluster,
) -> None:
    asking = [
        asyncio.create_task(cluster.row(Role.PRIMARY, question))
        for question in several((1, 2, 2**70, 4, 5))
    ]
    await asyncio.sleep(0)
    asking[0].cancel()
    # By now the statement is under way.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking[3].cancel()
    left, two, wrong, gone, five = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(left, asyncio.CancelledError)
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(wrong, asyncpg.DataError)
    assert not isinstance(two, BaseException)
    assert not isinstance(five, BaseException)
    assert (values(two), values(five)) == ([2], [5])


async def test_who_has_written_is_not_shown_a_replica_with_the_others_that_lags(
    database: str, replicas: list[str], connection: asyncpg.Connection
) -> None:
    cluster = Cluster(
        database, replicas[:1], routing=Routing({Role.MENU: (0,)}, bytes=2**60, seconds=3600.0)
    )
    where = func.pg_is_in_recovery().label("is_replica")
    async with paused(replicas[0]):
        await connection.execute("UPDATE categories SET position = position + 1")
        fence = await connection.fetchval("SELECT pg_logical_emit_message(false, 'test', '')")
        for node in cluster._nodes:
            await node.look()
        found = await asyncio.gather(
            *(
                cluster.row(Role.MENU, question, fence * (number % 2))
                for number, question in enumerate(several(range(4), where))
            )
        )
    assert [values(each) for each in found] == [[True, 0], [False, 1], [True, 2], [False, 3]]
    await cluster.close()


async def test_all_who_asked_a_node_that_is_lost_are_answered_by_the_next(
    database: str, replicas: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    cluster = Cluster(database, replicas[:1], routing=Routing({Role.MENU: (0,)}, bytes=2**60))
    ends = func.pg_is_in_recovery() & func.pg_terminate_backend(func.pg_backend_pid())
    for node in cluster._nodes:
        await node.look()
    caplog.set_level(logging.DEBUG, STATEMENTS)
    asking = (cluster.row(Role.MENU, question) for question in several(range(3), ends))
    found = await asyncio.gather(*asking)
    assert [values(each) for each in found] == [[False, each] for each in range(3)]
    assert cluster.served == {(Role.MENU, "primary"): 3}
    # Together there, and together here: nobody asks once more, alone, what is lost.
    assert len([each for each in caplog.records if each.name == STATEMENTS]) == 2
    await cluster.close()
