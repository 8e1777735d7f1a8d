"""An order takes what is there, at today's price, once, and gives it back if it is undone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4
from weakref import WeakKeyDictionary

import asyncpg
import msgspec
import pytest

from domain import idempotency, ordering, sweeper
from domain.accounts import Principal
from domain.database import Cluster, Database, Limits, cluster
from domain.errors import (
    ClosedError,
    ConflictError,
    ForbiddenError,
    FundsError,
    IllegalMoveError,
    InFlightError,
    InvalidError,
    KeyReusedError,
    MovedOnError,
    NotFoundError,
    PriceError,
)
from domain.idempotency import Once
from domain.model import OrderStatus, Role
from domain.ordering import Basket, Line, Ordering
from domain.orders import Order
from domain.trace import traceparent
from tests.domain.conftest import PLACE, RICH, STAFF, met_at

# What is drawn for an order that is placed at the first try.
CODES = ordering._CODE_LENGTHS
# Every wallet holds what its ledger says.
BROKEN = (
    "SELECT count(*) FROM wallets LEFT JOIN (SELECT user_id, sum(amount_minor) AS total"
    " FROM transactions GROUP BY user_id) AS ledger USING (user_id) WHERE balance_minor <> total"
)


@pytest.fixture
async def crowd(database: str) -> AsyncIterator[Database]:
    """The campus for hundreds at once, who may wait for their turn."""
    cluster = Cluster(
        database, [], Limits(connections=16, connect_timeout=60, pool_timeout=60, lock_timeout=60)
    )
    yield Database(cluster)
    await cluster.close()


_KITCHENS: WeakKeyDictionary[Database, Ordering] = WeakKeyDictionary()


def kitchen(database: Database) -> Ordering:
    """One for all, as in a process: after its first order it knows the hours."""
    return _KITCHENS.setdefault(database, Ordering(database))


def basket(*lines: tuple[int, int], expected_minor: int | None = None) -> Basket:
    return Basket(PLACE, [Line(*line) for line in lines], expected_minor)


def asked(caller: Principal, wanted: Basket, key: str | None = None) -> Once:
    return Once.of(caller.id, key or str(uuid4()), "order", wanted)


async def placed(
    database: Database, caller: Principal, wanted: Basket, key: str | None = None
) -> Order:
    return await kitchen(database).place(caller, wanted, asked(caller, wanted, key))


async def balance(connection: asyncpg.Connection, who: Principal) -> int:
    return int(
        await connection.fetchval("SELECT balance_minor FROM wallets WHERE user_id = $1", who.id)
    )


async def test_the_total_is_the_servers_sum_and_stock_and_money_are_taken(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    first, second, _ = dishes
    total = 3 * first["price_minor"] + second["price_minor"]
    before = await balance(connection, rich)
    wanted = basket((first["id"], 2), (second["id"], 1), (first["id"], 1), expected_minor=total)
    order = await placed(campus, rich, wanted)
    assert order.total_minor == total
    assert {item.product_id: item.quantity for item in order.items} == {
        first["id"]: 3,
        second["id"]: 1,
    }
    left = await connection.fetchrow(
        "SELECT stock, version FROM products WHERE id = $1", first["id"]
    )
    assert tuple(left) == (first["stock"] - 3, first["version"] + 1)
    assert await balance(connection, rich) == before - total
    paid = await connection.fetch(
        "SELECT kind, amount_minor FROM transactions WHERE order_id = $1", order.id
    )
    assert [tuple(row) for row in paid] == [("payment", -total)]
    void, event = await connection.fetch(
        "SELECT kind, payload, cache_tags FROM outbox"
        " WHERE transaction = (SELECT max(transaction) FROM outbox) ORDER BY kind"
    )
    assert event["kind"] == "order:created"
    assert msgspec.json.decode(event["payload"]) == {
        "orderId": order.id,
        "userId": rich.id,
        "cafeteriaId": PLACE,
        "status": "created",
        "version": 1,
        "totalMinor": total,
        "pickupCode": order.pickup_code,
        "reason": None,
    }
    assert sorted(void["cache_tags"]) == [f"product-{first['id']}", f"product-{second['id']}"]


async def test_two_hundred_buyers_of_fifty_portions_get_fifty(
    crowd: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    dish = dishes[0]["id"]
    await connection.execute("UPDATE products SET stock = 50 WHERE id = $1", dish)
    before = await connection.fetchval("SELECT count(*) FROM orders")
    outcomes = await asyncio.gather(
        *(placed(crowd, rich, basket((dish, 1))) for _ in range(200)), return_exceptions=True
    )
    kinds = Counter(type(each) for each in outcomes)
    assert kinds == {Order: 50, ConflictError: 150}
    assert await connection.fetchval("SELECT stock FROM products WHERE id = $1", dish) == 0
    assert await connection.fetchval("SELECT count(*) FROM orders") == before + 50
    assert await connection.fetchval(BROKEN) == 0


async def test_five_hundred_payments_with_repeated_keys_are_each_made_once(
    crowd: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    before = await balance(connection, rich)
    await connection.execute("UPDATE products SET stock = 1000 WHERE id = $1", dishes[0]["id"])
    wanted = basket((dishes[0]["id"], 1))
    keys = [f"key {number % 100}" for number in range(500)]
    outcomes = await asyncio.gather(
        *(placed(crowd, rich, wanted, key) for key in keys), return_exceptions=True
    )
    answers: dict[str, set[int]] = {}
    for key, outcome in zip(keys, outcomes, strict=True):
        if isinstance(outcome, Order):
            answers.setdefault(key, set()).add(outcome.id)
        else:
            assert isinstance(outcome, InFlightError)
    assert {key: len(orders) for key, orders in answers.items()} == dict.fromkeys(keys, 1)
    assert before - await balance(connection, rich) == 100 * dishes[0]["price_minor"]
    assert await connection.fetchval(BROKEN) == 0


async def test_nobody_who_wants_the_same_dishes_waits_for_who_waits_for_them(
    crowd: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = (dish["id"] for dish in dishes)
    everything = (first, 1), (second, 1), (third, 1)
    bought = await placed(crowd, rich, basket(*everything))
    # A deadlock would be done over, and not be seen.
    monkeypatch.setattr(cluster, "MOST_TRIES", 1)
    async with met_at(connection, f"SELECT FROM products WHERE id = {second} FOR UPDATE", 3):
        changes = [
            asyncio.create_task(placed(crowd, rich, basket(*everything))),
            asyncio.create_task(placed(crowd, rich, basket(*reversed(everything)))),
            asyncio.create_task(
                kitchen(crowd).move(rich, bought.id, OrderStatus.CANCELLED, bought.version)
            ),
        ]
    assert len({order.id for order in await asyncio.gather(*changes)}) == 3


@pytest.mark.parametrize(
    ("change", "refusal"),
    [("price_minor = price_minor + 1", PriceError), ("stock = 1", ConflictError)],
)
async def test_what_is_changed_while_an_order_waits_for_it_is_seen_as_it_has_become(
    crowd: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
    change: str,
    refusal: type[Exception],
) -> None:
    dish, price = dishes[0]["id"], dishes[0]["price_minor"]
    await placed(crowd, rich, basket((dishes[1]["id"], 1)))
    before = await balance(connection, rich)
    async with met_at(connection, f"UPDATE products SET {change} WHERE id = {dish}", 1):  # noqa: S608
        late = asyncio.create_task(placed(crowd, rich, basket((dish, 2), expected_minor=2 * price)))
    with pytest.raises(refusal):
        await late
    assert await balance(connection, rich) == before
    # Nor is the money taken twice that somebody else has spent meanwhile.
    spend = f"UPDATE wallets SET balance_minor = 1 WHERE user_id = {rich.id}"  # noqa: S608
    async with met_at(connection, spend, 1):
        poor = asyncio.create_task(placed(crowd, rich, basket((dishes[1]["id"], 1))))
    with pytest.raises(FundsError):
        await poor
    assert await balance(connection, rich) == 1


async def test_what_cannot_be_ordered_leaves_no_trace(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    first, second, third = (dish["id"] for dish in dishes)
    elsewhere = await connection.fetchval(
        "SELECT id FROM products WHERE cafeteria_id <> $1 LIMIT 1", PLACE
    )
    await placed(campus, rich, basket((third, 1)))
    await connection.execute("UPDATE products SET is_available = false WHERE id = $1", third)
    tables = "products", "wallets", "transactions", "orders", "outbox", "idempotency_keys"
    everything = " UNION ALL ".join(
        f"SELECT '{table}', md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} AS t"  # noqa: S608
        for table in tables
    )
    price = dishes[0]["price_minor"]
    before = await connection.fetch(everything)
    refusals: list[tuple[Basket, type[Exception]]] = [
        (basket(), InvalidError),
        (basket((first, 0)), InvalidError),
        (basket((first, 60), (first, 60)), InvalidError),
        (basket(*[(second, 1)] * 51), InvalidError),
        (basket((first, 1), (elsewhere, 1)), NotFoundError),
        (basket((first, 1), (10**9, 1)), NotFoundError),
        (Basket(10**9, [Line(first, 1)]), NotFoundError),
        (basket((first, 1), (third, 1)), ConflictError),
        (basket((first, 1), expected_minor=price - 1), PriceError),
    ]
    for wanted, refusal in refusals:
        with pytest.raises(refusal):
            await placed(campus, rich, wanted)
    assert await connection.fetch(everything) == before

    await connection.execute("UPDATE wallets SET balance_minor = $1", price - 1)
    before = await connection.fetch(everything)
    with pytest.raises(FundsError) as poor:
        await placed(campus, rich, basket((first, 1)))
    assert (poor.value.total_minor, poor.value.balance_minor) == (price, price - 1)
    await connection.execute("UPDATE wallets SET balance_minor = $1", RICH)
    before = await connection.fetch(everything)
    # Closed at that very moment: it is waited for.
    close = f"UPDATE users SET is_active = false WHERE id = {rich.id}"  # noqa: S608
    async with met_at(connection, close, 1):
        late = asyncio.create_task(placed(campus, rich, basket((second, 1))))
    with pytest.raises(ForbiddenError):
        await late
    assert await connection.fetch(everything) == before


@pytest.mark.parametrize(
    ("last_order_at", "opens_at"),
    [
        # 02:30 comes twice, and the second one closes.
        ("2026-10-25T01:15:00Z", "2026-10-31T23:00:00Z"),
        # 02:30 never comes: the jump to 03:00 closes.
        ("2026-03-29T00:45:00Z", "2026-04-04T22:00:00Z"),
        # Any other Sunday, in summer and in winter.
        ("2026-10-18T00:15:00Z", "2026-10-24T22:00:00Z"),
        ("2026-11-08T01:15:00Z", "2026-11-14T23:00:00Z"),
    ],
)
async def test_the_last_order_is_taken_by_the_clock_on_the_wall(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
    last_order_at: str,
    opens_at: str,
) -> None:
    await connection.execute("DELETE FROM opening_intervals WHERE cafeteria_id = $1", PLACE)
    await connection.execute(
        "INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
        " VALUES ($1, 7, $2, $3)",
        PLACE,
        time(0),
        time(2, 30),
    )
    last = datetime.fromisoformat(last_order_at)
    wanted = basket((dishes[0]["id"], 1))

    now = last
    service = Ordering(campus, lambda: now)

    async def at(moment: datetime) -> Order:
        nonlocal now
        now = moment
        return await service.place(rich, wanted, asked(rich, wanted))

    await at(last - timedelta(seconds=1))
    with pytest.raises(ClosedError) as too_late:
        await at(last)
    with pytest.raises(ClosedError) as closed:
        await at(last + timedelta(hours=12))
    opens = datetime.fromisoformat(opens_at)
    assert too_late.value.opens_at == closed.value.opens_at == opens
    assert f"{opens:%Y-%m-%dT%H:%M}Z" in str(closed.value)
    await at(opens)
    # Also of one that is known to be open, as soon as its hours are others.
    await connection.execute("DELETE FROM opening_intervals WHERE cafeteria_id = $1", PLACE)
    with pytest.raises(ClosedError):
        await at(opens + timedelta(seconds=1))


async def test_a_key_stands_for_one_request_and_its_answer(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    dish = dishes[0]["id"]
    wanted = basket((dish, 1))
    first = await placed(campus, rich, wanted, "lunch")
    await kitchen(campus).move(rich, first.id, OrderStatus.CANCELLED, 1)
    # As it was answered, not as it is now.
    assert await placed(campus, rich, wanted, "lunch") == first
    with pytest.raises(KeyReusedError):
        await placed(campus, rich, basket((dish, 2)), "lunch")
    other = msgspec.structs.replace(asked(rich, wanted, "lunch"), scope="top-up")
    with pytest.raises(KeyReusedError):
        await kitchen(campus).place(rich, wanted, other)
    somebody = Principal(rich.id + 1, Role.CUSTOMER)
    assert (await placed(campus, somebody, wanted, "lunch")).id != first.id

    # While another transaction has the key, nobody waits for it.
    request = asked(rich, wanted, "dinner")
    await connection.execute("SELECT pg_advisory_lock($1)", request.lock)
    with pytest.raises(InFlightError):
        await kitchen(campus).place(rich, wanted, request)
    # It is nobody else's.
    await placed(campus, somebody, wanted, "dinner")
    await connection.execute("SELECT pg_advisory_unlock($1)", request.lock)
    assert (await kitchen(campus).place(rich, wanted, request)).id != first.id


async def test_a_key_that_was_taken_a_moment_before_is_found(
    crowd: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    wanted = basket((dishes[0]["id"], 1))
    first = await placed(crowd, rich, wanted, "lunch")
    await connection.execute("CREATE TABLE kept AS TABLE idempotency_keys")
    await connection.execute("DELETE FROM idempotency_keys")
    left = await balance(connection, rich)
    # The second one sees the world as of before this was committed, for which it waits.
    keep = (
        f"WITH held AS (UPDATE users SET name = name WHERE id = {rich.id})"  # noqa: S608
        " INSERT INTO idempotency_keys SELECT * FROM kept"
    )
    async with met_at(connection, keep, 1):
        again = asyncio.create_task(placed(crowd, rich, wanted, "lunch"))
    assert await again == first
    assert await balance(connection, rich) == left


async def test_a_refused_request_may_come_again_with_its_key(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    wanted = basket((dishes[0]["id"], 1))
    await connection.execute("UPDATE products SET stock = 0 WHERE id = $1", dishes[0]["id"])
    with pytest.raises(ConflictError):
        await placed(campus, rich, wanted, "lunch")
    await connection.execute("UPDATE products SET stock = 1 WHERE id = $1", dishes[0]["id"])
    order = await placed(campus, rich, wanted, "lunch")
    assert order.status is OrderStatus.CREATED


async def test_keys_are_forgotten_after_a_day_and_not_before(
    campus: Database,
    connection: asyncpg.Connection,
    customer: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeper, "BATCH", 3)
    for hours in (23, *range(25, 32)):
        await connection.execute(
            "INSERT INTO idempotency_keys VALUES ($1, $2, 'order', sha256(''), '', $3)",
            customer.id,
            str(hours),
            datetime.now(UTC) - timedelta(hours=hours),
        )
    assert await sweeper.sweep(campus, idempotency.KEPT) == 7
    assert await connection.fetchval("SELECT string_agg(key, ' ') FROM idempotency_keys") == "23"


async def test_two_orders_at_a_counter_are_never_called_up_alike(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    counter: Principal,
    dishes: list[asyncpg.Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = {3: "CCC", 4: "DDDD"}
    monkeypatch.setattr(ordering, "pickup_code", lambda length: codes[length])
    wanted = basket((dishes[0]["id"], 1))
    first = await placed(campus, rich, wanted)
    second = await placed(campus, rich, wanted)
    assert [first.pickup_code, second.pickup_code] == ["CCC", "DDDD"]
    # What is over gives its code back.
    await kitchen(campus).move(counter, first.id, OrderStatus.REJECTED, 1)
    assert (await placed(campus, rich, wanted)).pickup_code == "CCC"


async def test_nor_are_two_that_come_at_the_same_moment(
    crowd: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    dishes: list[asyncpg.Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = kitchen(crowd)
    wanted = basket((dishes[0]["id"], 1))
    await service.place(rich, wanted, asked(rich, wanted))
    drawn: list[str] = []

    def draw(_: int) -> str:
        drawn.append("CCC" if len(drawn) < 2 * len(CODES) else "DDD")
        return drawn[-1]

    monkeypatch.setattr(ordering, "pickup_code", draw)
    dish = f"SELECT FROM products WHERE id = {dishes[0]['id']} FOR UPDATE"
    async with met_at(connection, dish, 2):
        several = [
            asyncio.create_task(service.place(rich, wanted, asked(rich, wanted))) for _ in range(2)
        ]
    assert {order.pickup_code for order in await asyncio.gather(*several)} == {"CCC", "DDD"}


async def test_what_costs_nothing_moves_no_money(
    campus: Database, connection: asyncpg.Connection, rich: Principal, dishes: list[asyncpg.Record]
) -> None:
    await connection.execute("UPDATE products SET price_minor = 0 WHERE id = $1", dishes[0]["id"])
    order = await placed(campus, rich, basket((dishes[0]["id"], 2), expected_minor=0))
    assert order.total_minor == 0
    await kitchen(campus).move(rich, order.id, OrderStatus.CANCELLED, 1)
    lines = "SELECT count(*) FROM transactions WHERE order_id = $1"
    assert await connection.fetchval(lines, order.id) == 0


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PATH = [OrderStatus.ACCEPTED, OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.DELIVERED]


async def test_the_counter_takes_an_order_all_the_way(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    counter: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    traceparent.set(TRACE)
    order = await placed(campus, rich, basket((dishes[0]["id"], 1)))
    service, moved = kitchen(campus), order
    for version, status in enumerate(PATH, start=1):
        updated_at = moved.updated_at
        # Twice at once: two tablets on one counter.
        async with met_at(connection, f"SELECT FROM orders WHERE id = {order.id} FOR UPDATE", 2):
            several = [
                asyncio.create_task(service.move(counter, order.id, status, version))
                for _ in range(2)
            ]
        outcomes = await asyncio.gather(*several, return_exceptions=True)
        (moved,) = (each for each in outcomes if isinstance(each, Order))
        assert any(isinstance(each, MovedOnError) for each in outcomes)
        assert (moved.status, moved.version) == (status, version + 1)
        assert moved.updated_at > updated_at
        assert moved.items == order.items
    events = await connection.fetch(
        "SELECT kind, payload, traceparent FROM outbox WHERE cache_tags = '{}' ORDER BY id"
    )
    assert {row["traceparent"] for row in events} == {TRACE}
    # Who watches is told of the order first, and then what its customer is told.
    of_each = ["order:changed", "notification:created", "notification:told"]
    assert [row["kind"] for row in events] == ["order:created", *(len(PATH) * of_each)]
    told = [
        (row["kind"], msgspec.json.decode(row["payload"]))
        for row in events
        if row["kind"].startswith("order:")
    ]
    assert [(kind, payload["status"], payload["version"]) for kind, payload in told] == [
        ("order:created", "created", 1),
        *(("order:changed", status, version) for version, status in enumerate(PATH, start=2)),
    ]
    assert {(payload["orderId"], payload["userId"]) for _, payload in told} == {(order.id, rich.id)}
    notices = await connection.fetch(
        "SELECT user_id, kind, body FROM notifications WHERE order_id = $1 ORDER BY id", order.id
    )
    assert [(row["user_id"], row["kind"]) for row in notices] == [
        (rich.id, f"order:{status}") for status in PATH
    ]
    code = f"con el código {order.pickup_code}."
    assert [row["kind"] for row in notices if code in row["body"]] == ["order:ready"]


async def test_an_order_from_before_there_were_codes_is_called_up_without_one(
    campus: Database, connection: asyncpg.Connection, customer: Principal, counter: Principal
) -> None:
    # It has no lines, either.
    order = await connection.fetchval(
        "INSERT INTO orders (user_id, cafeteria_id, status, total_minor)"
        " VALUES ($1, $2, 'preparing', 0) RETURNING id",
        customer.id,
        PLACE,
    )
    nowhere = Principal(counter.id, Role.STAFF)
    with pytest.raises(NotFoundError):
        await kitchen(campus).move(nowhere, order, OrderStatus.READY, 1)
    moved = await kitchen(campus).move(counter, order, OrderStatus.READY, 1)
    assert (moved.pickup_code, moved.items) == (None, [])
    notice = await connection.fetchrow(
        "SELECT title, body FROM notifications WHERE order_id = $1", order
    )
    assert tuple(notice) == (f"Pedido {order}", "Tu pedido está listo.")


async def test_only_who_may_moves_an_order_and_only_as_it_stands(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    counter: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    service = kitchen(campus)
    order = (await placed(campus, rich, basket((dishes[0]["id"], 1)))).id
    stranger = Principal(rich.id + 1, Role.CUSTOMER)
    elsewhere = Principal(await connection.fetchval(STAFF, PLACE + 1), Role.STAFF, PLACE + 1)
    admin = Principal(
        await connection.fetchval("SELECT min(id) FROM users WHERE role = 'admin'"), Role.ADMIN
    )
    # At another counter than theirs, staff are customers.
    guest = Principal(rich.id, Role.STAFF, PLACE + 1)
    created = [
        (rich, OrderStatus.ACCEPTED, 1, ForbiddenError),
        (guest, OrderStatus.ACCEPTED, 1, ForbiddenError),
        (stranger, OrderStatus.CANCELLED, 1, NotFoundError),
        (elsewhere, OrderStatus.ACCEPTED, 1, NotFoundError),
        (counter, OrderStatus.ACCEPTED, 2, MovedOnError),
        (counter, OrderStatus.PREPARING, 1, IllegalMoveError),
        (counter, OrderStatus.CREATED, 1, IllegalMoveError),
        (admin, OrderStatus.PREPARING, 1, IllegalMoveError),
    ]
    preparing = [
        (rich, OrderStatus.CANCELLED, 3, IllegalMoveError),
        (guest, OrderStatus.CANCELLED, 3, IllegalMoveError),
        (counter, OrderStatus.REJECTED, 3, IllegalMoveError),
        (counter, OrderStatus.READY, 1, MovedOnError),
    ]
    for who, status, version, refusal in created:
        with pytest.raises(refusal):
            await service.move(who, order, status, version)
    await service.move(admin, order, OrderStatus.ACCEPTED, 1)
    await service.move(counter, order, OrderStatus.PREPARING, 2)
    for who, status, version, refusal in preparing:
        with pytest.raises(refusal) as refused:
            await service.move(who, order, status, version)
        if isinstance(refused.value, MovedOnError):
            assert (refused.value.version, refused.value.status) == (3, "preparing")
    closed = f"UPDATE users SET is_active = false WHERE id = {counter.id}"  # noqa: S608
    async with met_at(connection, closed, 1):
        late = asyncio.create_task(service.move(counter, order, OrderStatus.READY, 3))
    with pytest.raises(ForbiddenError):
        await late
    told = "SELECT count(*) FROM outbox WHERE kind ^@ 'order:'"
    assert await connection.fetchval(told) == 3


async def test_what_stood_in_the_way_a_moment_ago_is_no_reason(
    campus: Database,
    connection: asyncpg.Connection,
    rich: Principal,
    counter: Principal,
    dishes: list[asyncpg.Record],
) -> None:
    order = await placed(campus, rich, basket((dishes[0]["id"], 1)))
    # The statement has begun before this is committed, and is of the world as it was.
    accepted = (
        f"WITH counter AS (UPDATE users SET name = name WHERE id = {counter.id})"  # noqa: S608
        f" UPDATE orders SET status = 'accepted', version = 2 WHERE id = {order.id}"
    )
    async with met_at(connection, accepted, 1):
        late = asyncio.create_task(
            kitchen(campus).move(counter, order.id, OrderStatus.PREPARING, 2)
        )
    assert (await late).version == 3


@pytest.mark.parametrize(
    ("moves", "by_counter"),
    [
        ([OrderStatus.CANCELLED], False),
        ([OrderStatus.ACCEPTED, OrderStatus.CANCELLED], False),
        ([OrderStatus.ACCEPTED, OrderStatus.PREPARING, OrderStatus.CANCELLED], True),
        ([OrderStatus.REJECTED], True),
    ],
)
async def test_what_comes_to_nothing_goes_back_on_sale_and_into_the_wallet_once(
    cluster: Cluster,
    connection: asyncpg.Connection,
    rich: Principal,
    counter: Principal,
    dishes: list[asyncpg.Record],
    moves: list[OrderStatus],
    by_counter: bool,
) -> None:
    stock = "SELECT id, stock FROM products ORDER BY id"
    before = await connection.fetch(stock), await balance(connection, rich)
    voided: list[tuple[object, ...]] = []
    campus = Database(cluster, voided=lambda *told: voided.append(told))
    order = await placed(campus, rich, basket((dishes[1]["id"], 2), (dishes[0]["id"], 1)))
    voided.clear()
    service = kitchen(campus)
    *way, end = moves
    for version, status in enumerate(way, start=1):
        await service.move(counter, order.id, status, version)
    # At another counter than theirs, staff are customers.
    guest = Principal(rich.id, Role.STAFF, PLACE + 1)
    who = counter if by_counter else guest if way else rich
    # Twice at once: a phone that lost its first answer.
    outcomes = await asyncio.gather(
        *(service.move(who, order.id, end, len(moves)) for _ in range(2)), return_exceptions=True
    )
    assert {type(each) for each in outcomes} == {Order, MovedOnError}
    assert (await connection.fetch(stock), await balance(connection, rich)) == before
    ledger = await connection.fetch(
        "SELECT kind, amount_minor FROM transactions WHERE order_id = $1 ORDER BY id", order.id
    )
    assert [tuple(row) for row in ledger] == [
        ("payment", -order.total_minor),
        ("refund", order.total_minor),
    ]
    tags, transaction = await connection.fetchrow(
        "SELECT cache_tags, transaction FROM outbox WHERE cache_tags <> '{}'"
        " ORDER BY id DESC LIMIT 1"
    )
    # It is all one transaction; by its number who hears of it at once does not once more.
    ((void, _, number),) = voided
    assert (void, number) == (set(tags), transaction)
    # Nobody is told what they did themselves.
    told = "SELECT count(*) FROM notifications WHERE order_id = $1"
    assert await connection.fetchval(told, order.id) == len(way) + by_counter
    assert sorted(tags) == [f"product-{dishes[0]['id']}", f"product-{dishes[1]['id']}"]
