"""A read takes as many statements whatever it finds."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from domain.accounts import AccessTokens, Principal, Sessions
from domain.cache import Cache
from domain.cafeterias import Cafeterias
from domain.catalogue import Catalogue
from domain.database import Cluster, Database
from domain.days import Span
from domain.events import Event, Outbox, Relay
from domain.idempotency import Once
from domain.menu import Menu, Wanted
from domain.model import OrderStatus, Role
from domain.model.paging import Following, Position, Window
from domain.model.selection import Chosen, columns
from domain.notifications import Notifications
from domain.order_history import OrderHistory
from domain.ordering import Basket, Line, Ordering
from domain.payments import Payments
from domain.personal import Personal
from domain.provider import SimulatedProvider
from domain.push import Pushes, RecordedPushes
from domain.redis import Nodes
from domain.reports import Grouping, Reports
from domain.wallet import Wallets
from tests.domain.conftest import PLACE


def unread() -> Cache:
    """A cache with nothing in it, beside no Redis."""
    return Cache(Cluster("postgresql://nowhere/none", []), Nodes("redis://nowhere"))


ADMIN = Principal(1, Role.ADMIN)
NOW = datetime.now(UTC)
WEEK = Span(NOW.date() - timedelta(days=6), NOW.date())
TOLD = Event(1, "notification:created", {"notificationId": 0, "userId": 1}, 1)
ITEMS = Chosen("items", "items", columns("product_id", "quantity"))
EVERYTHING = (*columns("id", "user_id", "status", "total_minor", "created_at"), ITEMS)
STATEMENTS = "domain.database.statements"
READS: dict[str, tuple[int, Callable[[Database], Awaitable[object]]]] = {
    "categories": (1, lambda to: Menu(to, unread()).categories()),
    "menu": (2, lambda to: Menu(to, unread()).products(Window(100))),
    "menu of a category": (2, lambda to: Menu(to, unread()).products(Window(100), Wanted(1))),
    "picture": (1, lambda to: Catalogue(to).picture(1)),
    "cafeteria of a product": (1, lambda to: Catalogue(to).cafeteria_of(1)),
    "cafeterias": (3, lambda to: Cafeterias(to, unread()).listed(NOW)),
    "orders": (1, lambda to: OrderHistory(to).listed(ADMIN, EVERYTHING, Window(100))),
    "orders by cursor": (
        1,
        lambda to: OrderHistory(to).listed(
            ADMIN, EVERYTHING, Following(100, Position(NOW, 2**63 - 1))
        ),
    ),
    # Reports ask first as of when they are.
    "today": (2, lambda to: Reports(to).today(ADMIN, None, NOW)),
    "bestsellers": (2, lambda to: Reports(to).products(ADMIN, None, WEEK, 100)),
    "sales by hour": (2, lambda to: Reports(to).sales(ADMIN, None, WEEK, Grouping.HOUR)),
    "sales by category": (2, lambda to: Reports(to).sales(ADMIN, None, WEEK, Grouping.CATEGORY)),
    "payments": (2, lambda to: Reports(to).takings(ADMIN, None, WEEK)),
    "order": (1, lambda to: OrderHistory(to).detail(ADMIN, 300, EVERYTHING)),
    "wallet": (2, lambda to: Wallets(to).statement(ADMIN, columns("id", "kind"), Window(100))),
    "payment": (1, lambda to: Payments(to, Outbox(to), SimulatedProvider(0)).detail(ADMIN, 1)),
    "notifications": (
        1,
        lambda to: Notifications(to).listed(ADMIN, columns("id", "title"), Window(100)),
    ),
    "own": (1, lambda to: Personal(to).own(ADMIN)),
    "unread": (1, lambda to: Notifications(to).unread(ADMIN)),
    "sessions": (1, lambda to: Sessions(to, AccessTokens("0" * 32)).listed(ADMIN)),
    "devices of a push": (1, lambda to: Pushes(to, RecordedPushes()).see_to(TOLD)),
}


async def test_an_order_takes_one_statement(
    campus: Database,
    rich: Principal,
    dishes: list[asyncpg.Record],
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Ordering(campus)
    wanted = Basket(PLACE, [Line(dish["id"], 1) for dish in dishes])

    async def place(key: str) -> list[str]:
        caplog.clear()
        await service.place(rich, wanted, Once.of(rich.id, key, "order", wanted))
        return [record.getMessage() for record in caplog.records if record.name == STATEMENTS]

    caplog.set_level(logging.DEBUG, STATEMENTS)
    # The first one at a counter looks at its hours.
    assert len(await place("breakfast")) > 1
    assert len(await place("lunch")) == 1


async def test_so_does_each_move_of_it(
    campus: Database,
    rich: Principal,
    counter: Principal,
    dishes: list[asyncpg.Record],
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Ordering(campus)
    wanted = Basket(PLACE, [Line(dish["id"], 1) for dish in dishes])
    order = await service.place(rich, wanted, Once.of(rich.id, "lunch", "order", wanted))
    caplog.set_level(logging.DEBUG, STATEMENTS)
    for version, status in enumerate((OrderStatus.ACCEPTED, OrderStatus.PREPARING), start=1):
        caplog.clear()
        await service.move(counter, order.id, status, version)
        assert sum(record.name == STATEMENTS for record in caplog.records) == 1


async def test_what_comes_through_together_is_taken_and_noted_by_one_each(
    campus: Database, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Event] = []

    async def handler(event: Event) -> None:
        seen.append(event)

    await connection.execute(
        "INSERT INTO outbox (kind, payload, due_at) SELECT 'told', '{}', now()"
        " FROM generate_series(1, 3)"
    )
    caplog.set_level(logging.DEBUG, STATEMENTS)
    assert await Relay(Outbox(campus), {"told": handler}).round() == len(seen) == 3
    assert sum(record.name == STATEMENTS for record in caplog.records) == 2


async def test_every_read_takes_the_statements_it_is_known_for(
    campus: Database, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, STATEMENTS)
    await connection.execute(
        "INSERT INTO payments (user_id, amount_minor, provider_key) VALUES (1, 100, 'a')"
    )
    taken = {}
    for name, (_, read) in READS.items():
        caplog.clear()
        await read(campus)
        # Others tell of what they do, too.
        taken[name] = sum(record.name == STATEMENTS for record in caplog.records)
    assert taken == {name: expected for name, (expected, _) in READS.items()}
