"""A modelled lunch: what of its reads comes from memory, from Redis, and from PostgreSQL.

A visit is the cafeterias, the categories, three pages of the menu, each of a category, and four
products that are on them: nine reads. Three visits in ten try an order of one to three of
these products through `domain.ordering`, which changes their stock: a try every 30 reads. What
is first on a list is asked for most (1 / rank). Two processes begin with nothing, each with 50
people who pause for 0.2 s on average: some 400 reads and 13 orders a second together.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from uuid import uuid4

from sqlalchemy import select

from benchmarks.cache.processes import Meet, Process, Servers, running, together
from domain import kinds, model
from domain.accounts import Principal
from domain.cache import Figures
from domain.cafeterias import Cafeterias
from domain.database import Database, Role, statements
from domain.errors import ConflictError
from domain.idempotency import Once
from domain.menu import Menu, Wanted
from domain.model.menu import Product
from domain.model.paging import Window
from domain.ordering import Basket, Line, Ordering

PROCESSES: Final = 2
PEOPLE: Final = 50
PAUSE: Final = 0.2
PAGES: Final = 3
DETAILS: Final = 4
ORDERING: Final = 0.3
MOST_LINES: Final = 3
LIMIT: Final = 20
# Statements that a read takes where nothing is cached.
PLAIN: Final = {"cafeterias": 3, "categories": 1, "menu": 2, "product": 1}

T = TypeVar("T")


@dataclass
class Tally:
    """Reads by what they are of; values by kind; and what was left to PostgreSQL."""

    reads: Counter[str] = field(default_factory=Counter)
    reaching: int = 0
    statements: int = 0
    orders: int = 0
    refused: int = 0
    kinds: dict[str, Figures] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """That of another process."""
        for name in ("reads", "reaching", "statements", "orders", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, figures in other.kinds.items():
            self.kinds[name] = self.kinds.get(name, Figures()) + figures


# The statements of the read that goes on, in whatever task.
_sent: ContextVar[list[str] | None] = ContextVar("_sent", default=None)


class Visitors:
    """The people of one process."""

    def __init__(self, process: Process, tally: Tally, chance: random.Random) -> None:
        database = Database(process.cluster, None, process.cache.void)
        self._menu = Menu(database, process.cache)
        self._cafeterias = Cafeterias(database, process.cache)
        self._at = _lunch_time()
        self._ordering = Ordering(database, lambda: self._at)
        self._tally = tally
        self._chance = chance

    async def come(self, caller: Principal, until: float) -> None:
        """One visit after the other."""
        while True:
            wanted = await self._look()
            if time.monotonic() >= until:
                return
            if wanted and self._chance.random() < ORDERING:
                await self._order(caller, wanted)

    async def _look(self) -> list[Product]:
        """What was seen and can be ordered together."""
        places = await self._read("cafeterias", self._cafeterias.listed(self._at))
        serving = {place.id for place in places if place.status.accepts_orders}
        categories = await self._read("categories", self._menu.categories())
        listed: list[Product] = []
        for _ in range(PAGES):
            category = self._one_of(categories)
            page = await self._read("menu", self._menu.products(Window(LIMIT), Wanted(category.id)))
            listed += page.rows
        seen: dict[int, list[Product]] = {}
        for _ in range(DETAILS):
            chosen = self._one_of(listed)
            product = await self._read("product", self._menu.product(chosen.id))
            if product is not None and product.cafeteria_id in serving and product.stock:
                seen.setdefault(product.cafeteria_id, []).append(product)
        return max(seen.values(), key=len, default=[])

    def _one_of(self, ranked: Sequence[T]) -> T:
        weights = [1 / rank for rank in range(1, len(ranked) + 1)]
        return self._chance.choices(ranked, weights)[0]

    async def _read(self, name: str, read: Awaitable[T]) -> T:
        sent: list[str] = []
        token = _sent.set(sent)
        try:
            found = await read
        finally:
            _sent.reset(token)
        self._tally.reads[name] += 1
        self._tally.reaching += bool(sent)
        await asyncio.sleep(self._chance.expovariate(1 / PAUSE))
        self._tally.statements += len(sent)
        return found

    async def _order(self, caller: Principal, seen: Sequence[Product]) -> None:
        wanted = list(dict.fromkeys(each.id for each in seen))[
            : self._chance.randint(1, MOST_LINES)
        ]
        basket = Basket(seen[0].cafeteria_id, [Line(product, 1) for product in wanted])
        try:
            await self._ordering.place(
                caller, basket, Once.of(caller.id, uuid4().hex, "lunch", basket)
            )
        except ConflictError:
            # Sold out meanwhile, or no money left.
            self._tally.refused += 1
        else:
            self._tally.orders += 1


def measured(servers: Servers, seconds: float) -> Tally:
    """That of all processes together."""
    whole = Tally()
    for tally in together(PROCESSES, lunch, servers, seconds):
        whole.add(tally)
    return whole


async def lunch(meet: Meet, servers: Servers, seconds: float) -> Tally:
    """That of one process."""
    tally, chance = Tally(), random.Random()
    statements.log.setLevel(logging.DEBUG)
    statements.log.addFilter(_note)

    async with running(servers) as process:
        visitors = Visitors(process, tally, chance)
        callers = chance.sample(await _customers(process), PEOPLE)
        await meet()
        until = time.monotonic() + seconds
        await asyncio.gather(*(visitors.come(caller, until) for caller in callers))
        tally.kinds = process.cache.figures
    return tally


async def _customers(process: Process) -> list[Principal]:
    statement = select(model.User.id).where(model.User.role == model.Role.CUSTOMER)
    rows = await Database(process.cluster).rows(Role.PRIMARY, statement)
    return [Principal(row[0], model.Role.CUSTOMER) for row in rows]


def _lunch_time() -> datetime:
    """Half past twelve UTC on the next Thursday: all serve then but the one for the night."""
    noon = datetime.now(UTC).replace(hour=12, minute=30)
    return noon + timedelta(days=(3 - noon.weekday()) % 7)


def _note(record: logging.LogRecord) -> bool:
    sent = _sent.get()
    if sent is not None:
        sent.append(record.getMessage())
    return False


def table(tally: Tally) -> str:
    """By kind, and then what is left to PostgreSQL."""
    rows = [
        "| kind | values asked for | from memory | from Redis | read | hits |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        _row(kind.name, tally.kinds[kind.name])
        for kind in (kinds.PRODUCTS, kinds.MENU, kinds.CATEGORIES, kinds.HOURS)
    ]
    rows.append(_row("all", sum(tally.kinds.values(), Figures())))
    reads = tally.reads.total()
    plain = sum(PLAIN[name] * number for name, number in tally.reads.items())
    return "\n".join(rows) + (
        f"\n\n{reads:,} reads and {tally.orders:,} orders ({tally.refused} more were refused), one "
        f"every {reads / max(1, tally.orders):.0f} reads. {tally.reaching:,} reads "
        f"({tally.reaching / reads:.1%}) reached PostgreSQL, with {tally.statements:,} statements "
        f"({tally.statements / reads:.1%} of the reads, {tally.statements / plain:.1%} of the "
        f"{plain:,} statements that they take without a cache).\n"
    )


def _row(name: str, figures: Figures) -> str:
    asked = figures.reads
    return (
        f"| {name} | {asked:,} | {figures.memory_hits / asked:.1%} "
        f"| {figures.redis_hits / asked:.1%} | {figures.loads / asked:.1%} "
        f"| {figures.hits / asked:.1%} |"
    )
