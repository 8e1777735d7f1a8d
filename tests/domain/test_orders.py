"""An order is seen by those it concerns, and moves as the table says."""

import asyncpg
import msgspec
import pytest

from domain.accounts import Principal
from domain.database import Database
from domain.errors import NotFoundError
from domain.model import OrderStatus, Role
from domain.model.paging import Window
from domain.model.selection import columns
from domain.order_history import OrderHistory, Wanted
from tests.domain.conftest import PLACE


async def test_everyone_sees_the_orders_that_concern_them_and_no_other(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    orders = OrderHistory(campus)
    totals = {}
    for caller, condition in (
        (customer, f"user_id = {customer.id}"),
        (Principal(1, Role.STAFF, PLACE), f"cafeteria_id = {PLACE}"),
        (Principal(2, Role.ADMIN), "true"),
    ):
        page = await orders.listed(caller, columns("id", "user_id"), Window(100))
        expected = await connection.fetch(
            f"SELECT id, user_id FROM orders WHERE {condition} ORDER BY created_at DESC, id DESC"  # noqa: S608
        )
        assert page.total == len(expected)
        shown = [msgspec.json.decode(each) for each in page.rows]
        assert shown == [dict(row) for row in expected[:100]]
        totals[caller.role] = page.total
    assert totals[Role.CUSTOMER] < totals[Role.STAFF] < totals[Role.ADMIN]


async def test_somebody_elses_order_is_not_found(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    other = await connection.fetchval(
        "SELECT id FROM orders WHERE user_id <> $1 AND cafeteria_id <> $2 LIMIT 1",
        customer.id,
        PLACE,
    )
    for stranger in (customer, Principal(customer.id, Role.STAFF, PLACE)):
        with pytest.raises(NotFoundError):
            await OrderHistory(campus).detail(stranger, other, columns("id"))


async def test_who_runs_a_counter_sees_what_they_placed_at_another(
    campus: Database, connection: asyncpg.Connection, customer: Principal
) -> None:
    orders = OrderHistory(campus)
    for caller in (Principal(customer.id, Role.STAFF, PLACE), Principal(customer.id, Role.ADMIN)):
        chosen = columns("id", "cafeteria_id")
        own = await orders.listed(caller, chosen, Window(100), Wanted(mine=True))
        as_customer = await orders.listed(customer, chosen, Window(100))
        assert own.total == as_customer.total
        shown = [msgspec.json.decode(each) for each in own.rows]
        assert shown == [msgspec.json.decode(each) for each in as_customer.rows]
        elsewhere = next(each["id"] for each in shown if each["cafeteria_id"] != PLACE)
        seen = bytes(await orders.detail(caller, elsewhere, chosen))
        assert seen == bytes(await orders.detail(customer, elsewhere, chosen))


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
