"""Lists of orders: every row once and in order, by page or by cursor, with what was asked for."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import asyncpg
import msgspec
import pytest

from domain import model, orders
from domain.accounts import Principal
from domain.database import Database
from domain.database import Role as Node
from domain.model import OrderStatus, Role
from domain.model.money import to_decimal
from domain.model.paging import MOST_COUNTED, Following, Window
from domain.model.selection import Chosen, columns
from domain.order_history import OrderHistory, Wanted
from domain.orders import COLUMNS, Item, Order

STAFF = Principal(1, Role.STAFF, 1)
ADMIN = Principal(2, Role.ADMIN)
ITEMS = Chosen(
    "items", "items", (Chosen("name", "product_name"), Chosen("paid", "unit_price_minor"))
)
# All that JSON has to escape, and what some think that it has to.
UNUSUAL = "".join(map(chr, range(1, 0x21))) + '"\\/<&ñ\x7f\x80\u2028\ufeff\uffff\U0010ffff'
EXPECTED = (
    "SELECT id FROM orders WHERE cafeteria_id = $1 OR $1 = 0 ORDER BY created_at DESC, id DESC"
)


def told(shown: Iterable[msgspec.Raw]) -> list[dict[str, Any]]:
    """What is sent, read again."""
    return [msgspec.json.decode(each) for each in shown]


def ids(shown: Iterable[msgspec.Raw]) -> list[int]:
    return [each["id"] for each in told(shown)]


async def whole(campus: Database, order_id: int) -> Order:
    """An order as those see it who change it."""
    (row,) = await campus.rows(Node.MENU, orders.WHOLE.where(model.Order.id == order_id))
    return orders.whole(row)


@pytest.mark.parametrize(("caller", "place"), [(STAFF, 1), (ADMIN, 0)])
async def test_by_cursor_each_order_comes_once_though_many_came_at_once_and_more_come(
    campus: Database, connection: asyncpg.Connection, caller: Principal, place: int
) -> None:
    await connection.execute("UPDATE orders SET created_at = date_trunc('week', created_at)")
    expected = [row["id"] for row in await connection.fetch(EXPECTED, place)]
    history = OrderHistory(campus)
    found = await history.listed(caller, columns("id"), Window(7))
    assert found.total == len(expected)
    walked = ids(found.rows)
    await connection.execute(
        "INSERT INTO orders (user_id, cafeteria_id, total_minor) SELECT min(id), 1, 0 FROM users"
    )
    while found.last is not None:
        found = await history.listed(caller, columns("id"), Following(7, found.last))
        assert found.total is None
        walked += ids(found.rows)
    assert walked == expected


async def test_a_list_comes_with_items_as_its_orders_are_shown(
    campus: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE products SET name = $1 || id", UNUSUAL)
    history = OrderHistory(campus)
    chosen = (*(Chosen(name, name) for name in COLUMNS), ITEMS)
    page = await history.listed(ADMIN, chosen, Window(50, 20))
    assert len(page.rows) == 50
    for shown, row in zip(page.rows, told(page.rows), strict=True):
        order = await whole(campus, row["id"])
        # By msgspec, as other answers are.
        head = {name: getattr(order, name) for name in COLUMNS}
        items = [
            {"name": item.product_name, "paid": to_decimal(item.unit_price_minor)}
            for item in order.items
        ]
        head |= {"total_minor": to_decimal(order.total_minor), "items": items}
        assert bytes(shown) == msgspec.json.encode(head)
        assert order.items
        assert all(a.product_id < b.product_id for a, b in pairwise(order.items))
    counted = await connection.fetchval(
        "SELECT count(*) FROM order_items WHERE order_id = $1", row["id"]
    )
    assert len(order.items) == counted
    alone = await history.listed(ADMIN, [ITEMS], Window(1, 69))
    assert told(alone.rows) == [{"items": row["items"]}]
    name = await connection.fetchval(
        "SELECT name FROM products WHERE id = $1", order.items[0].product_id
    )
    assert isinstance(order.items[0], Item)
    assert order.items[0].product_name == name


async def test_an_order_without_items_and_a_list_without_orders_are_shown_empty(
    campus: Database, connection: asyncpg.Connection
) -> None:
    history = OrderHistory(campus)
    nobody = Principal(10**9, Role.CUSTOMER)
    page = await history.listed(nobody, (*columns("id"), ITEMS), Window(20))
    assert (page.rows, page.last, page.total) == ([], None, 0)
    key = await connection.fetchval(
        "INSERT INTO orders (user_id, cafeteria_id, total_minor)"
        " SELECT min(id), 1, 0 FROM users RETURNING id"
    )
    assert bytes(await history.detail(ADMIN, key, [ITEMS])) == b'{"items":[]}'
    beyond = await history.listed(ADMIN, columns("id"), Window(20, 9_000))
    assert (beyond.rows, beyond.last, beyond.total) == ([], None, 301)


async def test_a_long_list_is_counted_no_further_than_it_can_be_turned_through(
    campus: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO orders (user_id, cafeteria_id, total_minor)"
        " SELECT (SELECT min(id) FROM users), 1, 0 FROM generate_series(1, $1::integer)",
        MOST_COUNTED,
    )
    page = await OrderHistory(campus).listed(ADMIN, columns("id"), Window(1))
    assert page.total == MOST_COUNTED


WHOLE = (
    *columns("id", "created_at"),
    Chosen("place", "cafeteria", columns("id", "name", "time_zone")),
    Chosen("by", "customer", columns("name", "email")),
    Chosen(
        "items",
        "items",
        (
            *columns("quantity", "unit_price_minor"),
            Chosen("product", "product", columns("name", "price_minor", "updated_at")),
        ),
    ),
)


async def test_moments_and_amounts_are_written_as_everywhere_else(
    campus: Database, connection: asyncpg.Connection
) -> None:
    moments = ["2026-11-24T09:30:00Z", "2026-11-24T09:30:00.1Z", "1999-12-31T23:59:59.999999Z"]
    for moment in moments:
        when = datetime.fromisoformat(moment)
        for minor in (0, 5, 1205, 99_999):
            await connection.execute("UPDATE products SET price_minor = $1", minor)
            await connection.execute("UPDATE products SET updated_at = $1", when)
            await connection.execute(
                "UPDATE orders SET created_at = $1, total_minor = $2", when, minor
            )
            chosen = (*WHOLE, *columns("total_minor"))
            page = await OrderHistory(campus).listed(ADMIN, chosen, Window(1))
            (row,) = told(page.rows)
            written = msgspec.json.decode(msgspec.json.encode(when))
            product = row["items"][0]["product"]
            assert (row["created_at"], row["total_minor"]) == (written, to_decimal(minor))
            assert (product["updated_at"], product["price_minor"]) == (written, to_decimal(minor))


async def test_what_belongs_to_an_order_is_its_own(
    campus: Database, connection: asyncpg.Connection
) -> None:
    page = await OrderHistory(campus).listed(ADMIN, WHOLE, Window(20))
    for shown, row in zip(page.rows, told(page.rows), strict=True):
        assert bytes(await OrderHistory(campus).detail(ADMIN, row["id"], WHOLE)) == bytes(shown)
        order = await whole(campus, row["id"])
        known = await connection.fetchrow(
            "SELECT c.id, c.name, c.time_zone, u.name AS person, u.email FROM orders o"
            " JOIN cafeterias c ON c.id = o.cafeteria_id JOIN users u ON u.id = o.user_id"
            " WHERE o.id = $1",
            row["id"],
        )
        place = {"id": known["id"], "name": known["name"], "time_zone": known["time_zone"]}
        assert row["place"] == place
        assert row["by"] == {"name": known["person"], "email": known["email"]}
        assert [
            (each["product"]["name"], each["quantity"], each["unit_price_minor"])
            for each in row["items"]
        ] == [
            (each.product_name, each.quantity, to_decimal(each.unit_price_minor))
            for each in order.items
        ]


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "condition"),
    [
        (Wanted(statuses=(OrderStatus.READY,)), "status = 'ready'"),
        (
            Wanted(statuses=(OrderStatus.CANCELLED, OrderStatus.DELIVERED)),
            "status IN ('cancelled', 'delivered')",
        ),
        (
            Wanted(statuses=(OrderStatus.READY, OrderStatus.REJECTED)),
            "status IN ('ready', 'rejected')",
        ),
        (Wanted(cafeteria_id=2), "cafeteria_id = 2"),
        (Wanted(created_from=NOON), "created_at >= '2026-11-24 12:00Z'"),
        (Wanted(created_to=NOON), "created_at < '2026-11-24 12:00Z'"),
        (
            Wanted(created_from=NOON, statuses=(OrderStatus.DELIVERED,), oldest_first=True),
            "created_at >= '2026-11-24 12:00Z' AND status = 'delivered'",
        ),
    ],
)
async def test_filters_leave_what_they_say_by_page_and_by_cursor(
    campus: Database, connection: asyncpg.Connection, wanted: Wanted, condition: str
) -> None:
    # Many at each moment, about noon.
    await connection.execute(
        "UPDATE orders SET created_at = timestamptz '2026-11-24 12:00Z'"
        " + (id % 11 - 5) * interval '1 minute'"
    )
    direction = "ASC" if wanted.oldest_first else "DESC"
    expected = await connection.fetch(
        f"SELECT id FROM orders WHERE {condition} ORDER BY created_at {direction}, id {direction}"  # noqa: S608
    )
    history = OrderHistory(campus)
    found = await history.listed(ADMIN, columns("id"), Window(7), wanted)
    assert found.total == len(expected)
    assert 0 < len(expected) < 300
    walked = ids(found.rows)
    while found.last is not None:
        found = await history.listed(ADMIN, columns("id"), Following(40, found.last), wanted)
        walked += ids(found.rows)
    assert walked == [row["id"] for row in expected]
