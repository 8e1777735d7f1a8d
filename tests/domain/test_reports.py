"""Reports say what the orders say, each day by the cafeteria's own clock, to those who may know."""

import asyncio
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from sqlalchemy import text

from domain import product_sales
from domain import reports as module
from domain.accounts import Principal
from domain.database import Cluster, Database, Limits, Role
from domain.days import Recent, Span
from domain.errors import ForbiddenError, InvalidError
from domain.model import Role as Part
from domain.product_sales import ProductSales
from domain.reports import Cards, Cash, Grouping, Reports

ADMIN = Principal(1, Part.ADMIN)
STAFF = Principal(2, Part.STAFF, 1)
# Midnight, and an hour that comes twice, are at other moments here than at most other places.
KIRITIMATI, NEW_YORK = "Pacific/Kiritimati", "America/New_York"
ORDERS = """
SELECT o.*, c.time_zone, items.several AS items,
       coalesce(ledger.paid, false) AS paid, coalesce(ledger.refunded, false) AS refunded
FROM orders o
JOIN cafeterias c ON c.id = o.cafeteria_id
JOIN (
    SELECT i.order_id,
           array_agg((i.product_id, p.category_id, i.quantity, i.quantity * i.unit_price_minor))
               AS several
    FROM order_items i JOIN products p ON p.id = i.product_id GROUP BY 1
) items ON items.order_id = o.id
LEFT JOIN (
    SELECT order_id, bool_or(kind = 'payment') AS paid, bool_or(kind = 'refund') AS refunded
    FROM transactions GROUP BY 1
) ledger ON ledger.order_id = o.id
ORDER BY o.created_at, o.id
"""


def local(order: asyncpg.Record) -> datetime:
    moment: datetime = order["created_at"]
    return moment.astimezone(ZoneInfo(order["time_zone"]))


def sold(order: asyncpg.Record) -> bool:
    return order["status"] not in ("cancelled", "rejected")


@pytest.fixture
async def orders(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """All orders; the cafeterias lie around the world, and two days are full of them."""
    await connection.execute(
        "UPDATE cafeterias SET time_zone = CASE id WHEN 1 THEN $1 ELSE $2 END WHERE id < 3",
        KIRITIMATI,
        NEW_YORK,
    )
    await connection.execute(
        "UPDATE orders"
        " SET created_at = timestamptz '2026-10-31 12:00Z' + id % 48 * interval '1 hour'"
    )
    found: list[asyncpg.Record] = await connection.fetch(ORDERS)
    return found


async def test_today_is_each_cafeterias_own_and_what_came_to_nothing_earned_nothing(
    campus: Database, orders: list[asyncpg.Record]
) -> None:
    now = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    today = await Reports(campus).today(ADMIN, None, now)
    assert today.as_of is not None
    days = {each.cafeteria_id: each for each in today.rows}
    assert (days[1].day, days[2].day) == (date(2026, 11, 1), date(2026, 11, 1))
    assert days[1].orders != days[3].orders
    for key, day in days.items():
        own = [o for o in orders if o["cafeteria_id"] == key and local(o).date() == day.day]
        assert own
        assert day.orders == sum(map(sold, own))
        assert day.revenue_minor == sum(o["total_minor"] for o in own if sold(o))
        assert day.cancelled == sum(o["status"] == "cancelled" for o in own)
        assert day.rejected == sum(o["status"] == "rejected" for o in own)
        assert day.paid == sum(o["paid"] for o in own)
        assert day.refunded == sum(o["refunded"] for o in own)
    assert sum(day.cancelled + day.rejected for day in days.values()) > 0
    later = await Reports(campus).today(STAFF, None, now + timedelta(hours=4))
    assert [(each.cafeteria_id, each.day) for each in later.rows] == [(1, date(2026, 11, 2))]
    (empty,) = (await Reports(campus).today(STAFF, 1, now + timedelta(days=90))).rows
    assert (empty.orders, empty.revenue_minor, empty.paid) == (0, 0, 0)


async def test_sums_are_those_of_the_orders_whatever_they_are_summed_by(
    campus: Database, connection: asyncpg.Connection, orders: list[asyncpg.Record]
) -> None:
    await ProductSales(campus).refresh()
    day = Span(date(2026, 11, 1), date(2026, 11, 1))
    own = [o for o in orders if sold(o) and local(o).date() == day.first]
    expected: dict[Grouping, dict[Any, int]] = {by: defaultdict(int) for by in Grouping}
    portions: dict[int, int] = defaultdict(int)
    for order in own:
        expected[Grouping.HOUR][local(order).hour] += order["total_minor"]
        expected[Grouping.CAFETERIA][order["cafeteria_id"]] += order["total_minor"]
        for product, category, quantity, price in order["items"]:
            expected[Grouping.CATEGORY][category] += price
            portions[product] += quantity
    for by, sums in expected.items():
        rows = (await Reports(campus).sales(ADMIN, None, day, by)).rows
        assert {row.key: row.revenue_minor for row in rows} == sums, by
        assert [row.key for row in rows] == sorted(sums)
    best = await Reports(campus).products(ADMIN, None, day, 5)
    ranked = sorted(portions, key=lambda product: (-portions[product], product))[:5]
    assert [(row.product_id, row.portions) for row in best.rows] == [
        (product, portions[product]) for product in ranked
    ]
    assert best.as_of is not None
    hours = (await Reports(campus).sales(STAFF, None, day, Grouping.HOUR)).rows
    assert sum(row.orders or 0 for row in hours) == sum(o["cafeteria_id"] == 1 for o in own)
    assert all(row.name == f"{row.key:02}:00" for row in hours)


async def test_recent_days_are_each_cafeterias_own(
    campus: Database, orders: list[asyncpg.Record]
) -> None:
    await ProductSales(campus).refresh()
    # Where it is the second of November already, and where it is still the first.
    now = datetime(2026, 11, 1, 10, 30, tzinfo=UTC)
    for place, today in ((1, date(2026, 11, 2)), (2, date(2026, 11, 1))):
        own = [o for o in orders if o["cafeteria_id"] == place and sold(o)]
        for number in (1, 2):
            recent = [o for o in own if 0 <= (today - local(o).date()).days < number]
            earned = sum(o["total_minor"] for o in recent)
            days = Recent(now, number)
            best = await Reports(campus).products(ADMIN, place, days, 100)
            assert sum(row.revenue_minor for row in best.rows) == earned > 0
            for by in Grouping:
                sums = await Reports(campus).sales(ADMIN, place, days, by)
                assert sum(row.revenue_minor for row in sums.rows) == earned, by


PAID = """
INSERT INTO payments
    (user_id, amount_minor, taken_by, provider_key, status, decline_reason, settled_at, created_at)
SELECT 1, 500, taken_by, CASE WHEN taken_by IS NULL THEN gen_random_uuid()::text END, status,
       reason, CASE status WHEN 'pending' THEN NULL ELSE now() END, at
FROM (VALUES
    (NULL::bigint, 'succeeded', NULL, timestamptz '2026-11-01 00:00Z'),
    (NULL, 'succeeded', NULL, '2026-11-01 23:59:59.9Z'),
    (NULL, 'declined', 'do-not-honor', '2026-11-01 12:00Z'),
    (NULL, 'declined', 'expired-card', '2026-11-01 12:00Z'),
    (NULL, 'declined', 'expired-card', '2026-11-01 12:00Z'),
    (NULL, 'pending', NULL, '2026-11-01 12:00Z'),
    (NULL, 'pending', NULL, '2026-10-31 23:59:59.9Z'),
    (NULL, 'declined', 'limit-exceeded', '2026-11-02 00:00Z'),
    -- The first of November in Kiritimati is from ten to ten.
    ($1, 'succeeded', NULL, '2026-10-31 10:00Z'),
    ($1, 'succeeded', NULL, '2026-11-01 09:59:59.9Z'),
    ($1, 'succeeded', NULL, '2026-11-01 10:00Z'),
    ($2, 'succeeded', NULL, '2026-11-01 12:00Z')
) AS given (taken_by, status, reason, at)
"""


async def test_cards_that_were_declined_are_counted_by_reason_and_cash_where_it_was_taken(
    campus: Database, connection: asyncpg.Connection, orders: list[asyncpg.Record]
) -> None:
    staff = await connection.fetchval("SELECT min(id) FROM users WHERE cafeteria_id = 1")
    place = await connection.fetchval("SELECT name FROM cafeterias WHERE id = 1")
    admin = await connection.fetchval("SELECT min(id) FROM users WHERE role = 'admin'")
    day = Span(date(2026, 11, 1), date(2026, 11, 1))
    nothing = await Reports(campus).takings(ADMIN, None, day)
    assert (nothing.cards, nothing.cash) == (Cards(0, 0, 0, 0, {}), [])
    assert Cards(0, 0, 0, 0, {}).success_rate is None
    await connection.execute(PAID, staff, admin)
    taken = await Reports(campus).takings(ADMIN, None, day)
    assert taken.cards == Cards(2, 3, 1, 1000, {"expired-card": 2, "do-not-honor": 1})
    assert taken.cards is not None
    assert taken.cards.success_rate == 2 / 5
    assert taken.cash == [Cash(1, place, 2, 1000), Cash(None, None, 1, 500)]
    # A dictionary's order is no part of its being equal.
    assert list(taken.cards.declines) == ["expired-card", "do-not-honor"]
    for caller, counter in ((STAFF, None), (STAFF, 1), (ADMIN, 1)):
        own = await Reports(campus).takings(caller, counter, day)
        assert (own.cards, own.cash) == (None, [Cash(1, place, 2, 1000)])


async def test_an_export_has_every_order_once_though_it_is_read_in_batches(
    campus: Database, orders: list[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 7)
    span = Span(date(2026, 11, 1), date(2026, 11, 2))
    batches = [batch async for batch in Reports(campus).export(ADMIN, None, span)]
    assert max(map(len, batches)) == 7
    expected = [o["id"] for o in orders if span.first <= local(o).date() <= span.last]
    assert sorted(row.id for batch in batches for row in batch) == sorted(expected)
    for batch in batches:
        keys = [(row.cafeteria_id, row.created_at, row.id) for row in batch]
        assert keys == sorted(keys)


async def test_reports_are_for_the_staff_of_the_cafeteria_and_bounded(campus: Database) -> None:
    reports = Reports(campus)
    now = datetime.now(UTC)
    day = Span(now.date(), now.date())
    for caller, place in ((Principal(3, Part.CUSTOMER), None), (STAFF, 2)):
        with pytest.raises(ForbiddenError):
            await reports.today(caller, place, now)
        with pytest.raises(ForbiddenError):
            await reports.products(caller, place, day, 5)
        with pytest.raises(ForbiddenError):
            await reports.sales(caller, place, day, Grouping.HOUR)
        with pytest.raises(ForbiddenError):
            await reports.takings(caller, place, day)
        with pytest.raises(ForbiddenError):
            await anext(reports.export(caller, place, day))
    for span in (
        Span(day.first, day.first - timedelta(days=1)),
        Span(day.first - timedelta(days=31), day.first),
    ):
        with pytest.raises(InvalidError):
            await reports.sales(ADMIN, None, span, Grouping.HOUR)
        with pytest.raises(InvalidError):
            await reports.takings(ADMIN, None, span)
        with pytest.raises(InvalidError):
            await anext(reports.export(ADMIN, None, span))
    with pytest.raises(InvalidError):
        await reports.products(ADMIN, None, Span(date(2025, 1, 1), date(2026, 1, 2)), 5)


async def test_the_sales_are_made_anew_each_hour_by_one_process(
    campus: Database, connection: asyncpg.Connection
) -> None:
    sales = ProductSales(campus)
    done = await asyncio.gather(*(ProductSales(campus).refresh() for _ in range(4)))
    assert done.count(True) == 1
    assert not await sales.refresh()
    await connection.execute("UPDATE configuration SET updated_at = now() - interval '61 minutes'")
    before = await connection.fetchval("SELECT sum(portions) FROM product_sales_daily")
    await connection.execute("UPDATE orders SET status = 'cancelled' WHERE status = 'created'")
    assert await sales.refresh()
    assert await connection.fetchval("SELECT sum(portions) FROM product_sales_daily") < before


async def test_the_sales_have_their_time_whatever_the_timeout_of_others_is(
    database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = text(
        "INSERT INTO configuration (key, value) VALUES"
        " ('allowed', to_jsonb(current_setting('statement_timeout')))"
    )
    monkeypatch.setattr(product_sales, "_REFRESH", allowed)
    cluster = Cluster(database, [], Limits(pgbouncer=True))
    assert await ProductSales(Database(cluster)).refresh()
    await cluster.close()
    told = "SELECT value #>> '{}' FROM configuration WHERE key = 'allowed'"
    assert await connection.fetchval(told) == "5min"


async def test_reports_ask_no_primary_while_a_replica_is_there(database: str) -> None:
    # A second pool to the same server stands for the replicas: nothing waits for them.
    cluster = Cluster(database, [database] * 3, Limits(connections=2))
    reports = Reports(Database(cluster))
    day = Span(date(2026, 11, 1), date(2026, 11, 1))
    await reports.today(ADMIN, None, datetime.now(UTC))
    await reports.products(ADMIN, None, day, 5)
    await reports.sales(ADMIN, None, day, Grouping.CATEGORY)
    await reports.takings(ADMIN, None, day)
    [batch async for batch in reports.export(ADMIN, None, day)]
    await cluster.close()
    served = set(cluster.served)
    assert served == {(Role.ANALYTICS, "replica-2"), (Role.REPORTS, "replica-3")}
