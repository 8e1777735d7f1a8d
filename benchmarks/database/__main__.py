"""`python -m benchmarks.database`: reads of orders, ours and the plain way, interleaved."""

import argparse
import asyncio
import logging
import platform
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg
import msgspec
import uvloop
from sqlalchemy import Engine, event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks import page
from benchmarks.database.plain import BY_JOIN, BY_SELECT, PlainOrders
from benchmarks.servers import Beside, data_directory
from bff.representation import views
from bff.representation.pages import Asked as Part
from bff.representation.pages import Cursors, listing
from domain import model
from domain.accounts import Principal
from domain.database import Cluster, Database, Limits, Role, dsn, statements
from domain.database.address import DRIVER
from domain.model.paging import Position, Stretch, Window
from domain.model.selection import Selection
from domain.order_history import OrderHistory
from domain.orders import COLUMNS, Item, Order
from infra.demo import loader
from infra.local.stack import Stack
from migrations.runner import migrate

OURS: Final = "Comanda"
LIMIT: Final = 20
ORDERS: Final = views.ORDERS[model.Role.CUSTOMER]
HEAD: Final = ORDERS.select(None)
DETAIL: Final = ORDERS.select(views.WHOLE_ORDER)
WHOLE: Final = ORDERS.select("id,cafeteriaId,status,totalAmount,createdAt,items")
PART: Final[Part[Position]] = Cursors("a secret").asked(
    listing("/api/orders"), Position, page=1, limit=LIMIT, cursor=None
)
# An order of each of so many people is read, in turn.
PEOPLE: Final = 200

Asked = tuple[int, int]
"""A person, and an order of theirs."""
Way = Callable[[Asked], Awaitable[bytes]]


@dataclass(frozen=True)
class Effort:
    """How long it takes: some three minutes, or one."""

    orders: int
    rounds: int
    reads: int


@dataclass
class Cost:
    """What one way took for one question: CPU seconds a read, round by round, and statements."""

    statements: int = 0
    reader: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)

    @property
    def both(self) -> list[float]:
        return [sum(pair) for pair in zip(self.reader, self.server, strict=True)]


Questions = dict[str, dict[str, Way]]


def main() -> None:
    """Measure, print the table, and with --write put it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.database", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one minute instead of three")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    asked = parser.parse_args()
    effort = Effort(20_000, 5, 100) if asked.quick else Effort(100_000, 9, 300)
    with tempfile.TemporaryDirectory(prefix="comanda-database-") as directory:
        table = _measured(data_directory(Path(directory)), effort)
    command = "python -m benchmarks.database" + (" --quick" if asked.quick else "")
    text = f"{_setting(command, effort)}\n{table}"
    print(text)
    if asked.write:
        page.write("database", text)


def _measured(data: Path, effort: Effort) -> str:
    with Stack(data, replicas=0) as stack:
        url = stack.start().database_url
        asyncio.run(migrate(url))
        asyncio.run(loader.load(url, effort.orders, _say))
        asyncio.run(_settle(url))
        # As the application runs.
        return uvloop.run(_read(url, effort, Beside("postgres")))


async def _settle(url: str) -> None:
    """Do now what the server would do beside the measurement."""
    connection = await asyncpg.connect(dsn(url))
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _read(url: str, effort: Effort, beside: Beside) -> str:
    cluster = Cluster(url, [])
    database = Database(cluster)
    # As large a pool, and as little around a statement as can be: what differs is the way.
    pool = create_async_engine(
        DRIVER,
        connect_args={"dsn": dsn(url)},
        pool_size=Limits.connections,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
    )
    asked = await _asked(database)
    questions = _questions(OrderHistory(database), pool)
    costs = {question: {way: Cost() for way in ways} for question, ways in questions.items()}
    for question, ways in questions.items():
        await _agree(question, ways, asked[:10])
        for name, way in ways.items():
            costs[question][name].statements = await _statements(way, asked[0])
    for number in range(effort.rounds):
        for question, ways in questions.items():
            order = deque(ways)
            order.rotate(number)
            for name in order:
                await _measure(ways[name], asked, effort.reads, costs[question][name], beside)
        _say(f"Round {number + 1} of {effort.rounds}")
    await pool.dispose()
    await cluster.close()
    return _table(costs)


def _questions(history: OrderHistory, pool: AsyncEngine) -> Questions:
    by_select, by_join = PlainOrders(pool, BY_SELECT), PlainOrders(pool, BY_JOIN)

    def ours(fields: Any) -> Way:
        async def read(asked: Asked) -> bytes:
            found = await history.listed(_person(asked), fields.selection, Window(LIMIT))
            return _encoded(found.rows, found)

        return read

    def plain(orders: PlainOrders, fields: Any) -> Way:
        async def read(asked: Asked) -> bytes:
            entities, total = await orders.listed(asked[0], LIMIT + 1)
            rows: list[Sequence[Any]] = [
                _written(each, fields.selection) for each in entities[:LIMIT]
            ]
            end = entities[LIMIT - 1] if len(entities) > LIMIT else None
            last = None if end is None else Position(end.created_at, end.id)
            found = Stretch(rows, last, total)
            return _encoded(fields.rows(found.rows), found)

        return read

    async def our_detail(asked: Asked) -> bytes:
        shown = await history.detail(_person(asked), asked[1], DETAIL.selection)
        return msgspec.json.encode(shown)

    def plain_detail(orders: PlainOrders) -> Way:
        async def read(asked: Asked) -> bytes:
            entity = await orders.detail(*asked)
            return msgspec.json.encode(views.order(_order(entity)))

        return read

    return {
        f"{LIMIT} orders with their items": {
            OURS: ours(WHOLE),
            "selectinload": plain(by_select, WHOLE),
            "joinedload": plain(by_join, WHOLE),
        },
        f"{LIMIT} orders": {OURS: ours(HEAD), "ORM": plain(PlainOrders(pool), HEAD)},
        "one order with its items": {
            OURS: our_detail,
            "selectinload": plain_detail(by_select),
            "joinedload": plain_detail(by_join),
        },
    }


def _person(asked: Asked) -> Principal:
    return Principal(asked[0], model.Role.CUSTOMER)


def _order(entity: Any) -> Order:
    names = [*COLUMNS, "items"]
    return Order(**dict(zip(names, _row(entity, names), strict=True)))


def _row(entity: Any, columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(
        [
            Item(each.product_id, each.product.name, each.quantity, each.unit_price_minor)
            for each in entity.items
        ]
        if name == "items"
        else getattr(entity, name)
        for name in columns
    )


def _written(entity: Any, selection: Selection) -> tuple[Any, ...]:
    """The same, the items as the text of their JSON."""
    row = _row(entity, [each.column for each in selection])
    return tuple(
        msgspec.json.encode(views.items(value)) if each.of else value
        for each, value in zip(selection, row, strict=True)
    )


def _encoded(shown: list[Any], found: Stretch[Any, Position]) -> bytes:
    return msgspec.json.encode(PART.shown(shown, found).page)


async def _asked(database: Database) -> list[Asked]:
    """People who have more than a page of orders, each with an order."""
    statement = (
        select(model.Order.user_id, func.max(model.Order.id))
        .group_by(model.Order.user_id)
        .having(func.count() > LIMIT)
        .order_by(model.Order.user_id)
        .limit(PEOPLE)
    )
    rows = await database.rows(Role.PRIMARY, statement)
    return [(user, order) for user, order in rows]


async def _agree(question: str, ways: dict[str, Way], several: list[Asked]) -> None:
    for asked in several:
        answers = {name: await way(asked) for name, way in ways.items()}
        if len(set(answers.values())) > 1:
            raise ValueError(f"{question}: the answers differ: {answers}")


async def _statements(way: Way, asked: Asked) -> int:
    sent: list[object] = []

    def count(*arguments: object) -> bool:
        sent.append(arguments)
        return False

    # Of an engine's and of ours.
    event.listen(Engine, "before_cursor_execute", count)
    statements.log.setLevel(logging.DEBUG)
    statements.log.addFilter(count)
    await way(asked)
    statements.log.removeFilter(count)
    statements.log.setLevel(logging.NOTSET)
    event.remove(Engine, "before_cursor_execute", count)
    return len(sent)


async def _measure(way: Way, asked: list[Asked], reads: int, cost: Cost, beside: Beside) -> None:
    before, before_beside = time.process_time(), beside.seconds()
    for each in islice(cycle(asked), reads):
        await way(each)
    cost.reader.append((time.process_time() - before) / reads)
    cost.server.append((beside.seconds() - before_beside) / reads)


def _table(costs: dict[str, dict[str, Cost]]) -> str:
    rows = [
        "| what | way | statements | CPU µs | PostgreSQL's µs | CPU to Comanda | both |",
        "|---|---|---|---|---|---|---|",
    ]
    for question, ways in costs.items():
        ours = ways[OURS]
        for name, cost in ways.items():
            least, most = min(cost.reader) * 1e6, max(cost.reader) * 1e6
            rows.append(
                f"| {question} | {name} | {cost.statements} "
                f"| {median(cost.reader) * 1e6:.0f} ({least:.0f} to {most:.0f}) "
                f"| {median(cost.server) * 1e6:.0f} "
                f"| {_times(cost.reader, ours.reader):.2f} | {_times(cost.both, ours.both):.2f} |"
            )
    return "\n".join(rows) + "\n"


def _times(cost: list[float], base: list[float]) -> float:
    """The lower of median and minimum."""
    return min(median(cost) / median(base), min(cost) / min(base))


def _setting(command: str, effort: Effort) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("sqlalchemy", "asyncpg", "uvloop"))
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {effort.orders:,} orders, {effort.rounds} "
        f"interleaved rounds of {effort.reads} reads, medians (least to most). {page.machine()}. "
        f"Python {platform.python_version()}, {packages}.\n"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
