"""An order takes what is there, at today's price, and is seen by those it concerns."""

import asyncio
import itertools

import asyncpg
import pytest

from domain.accounts import Principal
from domain.database import Database
from domain.errors import ConflictError, InvalidError, NotFoundError
from domain.model import OrderStatus, Role
from domain.model.paging import Window
from domain.orders import Line, Orders

PLACE = 1


@pytest.fixture
async def customer(connection: asyncpg.Connection) -> Principal:
    return Principal(
        await connection.fetchval("SELECT id FROM users WHERE email LIKE 'student1@%'"),
        Role.CUSTOMER,
    )


@pytest.fixture
async def dishes(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Three dishes of one cafeteria."""
    found: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, price_minor, stock FROM products WHERE cafeteria_id = $1 ORDER BY id LIMIT 3",
        PLACE,
    )
    return found


async def test_the_total_is_the_servers_sum_and_the_stock_is_taken(
    campus: Database,
    connection: asyncpg.Connection,
    customer: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    first, second, _ = dishes
    order = await Orders(campus).place(
        customer, PLACE, [Line(first["id"], 2), Line(second["id"], 1), Line(first["id"], 1)]
    )
    assert order.total_minor == 3 * first["price_minor"] + second["price_minor"]
    assert {item.product_id: item.quantity for item in order.items} == {
        first["id"]: 3,
        second["id"]: 1,
    }
    left = await connection.fetchval("SELECT stock FROM products WHERE id = $1", first["id"])
    assert left == first["stock"] - 3
    event = await connection.fetchrow("SELECT kind, payload FROM outbox")
    assert event is not None
    assert event["kind"] == "order:created"
    assert f'"orderId": {order.id}' in event["payload"]


async def test_fifty_buyers_of_five_portions_get_five(
    campus: Database,
    connection: asyncpg.Connection,
    customer: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    dish = dishes[0]["id"]
    await connection.execute("UPDATE products SET stock = 5 WHERE id = $1", dish)
    before = await connection.fetchval("SELECT count(*) FROM orders")
    orders = Orders(campus)
    outcomes = await asyncio.gather(
        *(orders.place(customer, PLACE, [Line(dish, 1)]) for _ in range(50)),
        return_exceptions=True,
    )
    refused = [each for each in outcomes if isinstance(each, ConflictError)]
    assert len(refused) == 45
    assert await connection.fetchval("SELECT stock FROM products WHERE id = $1", dish) == 0
    assert await connection.fetchval("SELECT count(*) FROM orders") == before + 5


async def test_orders_for_the_same_dishes_in_another_sequence_do_not_deadlock(
    campus: Database, customer: Principal, dishes: list[asyncpg.Record]
) -> None:
    orders = Orders(campus)
    sequences = itertools.cycle(itertools.permutations(dish["id"] for dish in dishes))
    baskets = [[Line(key, 1) for key in next(sequences)] for _ in range(30)]
    placed = await asyncio.gather(*(orders.place(customer, PLACE, each) for each in baskets))
    assert len({order.id for order in placed}) == 30


async def test_what_cannot_be_ordered_leaves_no_trace(
    campus: Database,
    connection: asyncpg.Connection,
    customer: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    first, second, third = (dish["id"] for dish in dishes)
    elsewhere = await connection.fetchval(
        "SELECT id FROM products WHERE cafeteria_id <> $1 LIMIT 1", PLACE
    )
    await connection.execute("UPDATE products SET is_available = false WHERE id = $1", third)
    before = await connection.fetch("SELECT id, stock, version FROM products ORDER BY id")
    baskets: list[tuple[list[Line], type[Exception]]] = [
        ([], InvalidError),
        ([Line(first, 0)], InvalidError),
        ([Line(first, 60), Line(first, 60)], InvalidError),
        ([Line(first, 1), Line(elsewhere, 1)], NotFoundError),
        ([Line(first, 1), Line(10**9, 1)], NotFoundError),
        ([Line(first, 1), Line(third, 1)], ConflictError),
        ([Line(second, 1)] * 51, InvalidError),
    ]
    for basket, refusal in baskets:
        with pytest.raises(refusal):
            await Orders(campus).place(customer, PLACE, basket)
    assert await connection.fetch("SELECT id, stock, version FROM products ORDER BY id") == before
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_everyone_sees_the_orders_that_concern_them_and_no_other(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    orders = Orders(campus)
    totals = {}
    for caller, condition in (
        (customer, f"user_id = {customer.id}"),
        (Principal(1, Role.STAFF, PLACE), f"cafeteria_id = {PLACE}"),
        (Principal(2, Role.ADMIN), "true"),
    ):
        page = await orders.listed(caller, ["id", "user_id"], Window(100))
        expected = await connection.fetch(
            f"SELECT id, user_id FROM orders WHERE {condition} ORDER BY created_at DESC, id DESC"  # noqa: S608
        )
        assert page.total == len(expected)
        assert [tuple(row) for row in page.rows] == [tuple(row) for row in expected[:100]]
        totals[caller.role] = page.total
    assert totals[Role.CUSTOMER] < totals[Role.STAFF] < totals[Role.ADMIN]


async def test_somebody_elses_order_is_not_found(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    other = await connection.fetchval(
        "SELECT id FROM orders WHERE user_id <> $1 LIMIT 1", customer.id
    )
    with pytest.raises(NotFoundError):
        await Orders(campus).detail(customer, other)


@pytest.mark.parametrize("before", list(OrderStatus))
async def test_the_domain_and_the_database_refuse_the_same_moves(
    connection: asyncpg.Connection, before: OrderStatus
) -> None:
    for after in OrderStatus:
        key = await connection.fetchval(
            "INSERT INTO orders (user_id, cafeteria_id, status, total_minor)"
            " SELECT min(id), 1, $1, 0 FROM users RETURNING id",
            before.value,
        )
        try:
            await connection.execute(
                "UPDATE orders SET status = $2 WHERE id = $1", key, after.value
            )
            moved = True
        except asyncpg.CheckViolationError:
            moved = False
        # To stay is no move: the trigger leaves it alone.
        assert moved == (before is after or before.may_become(after)), (before, after)
