"""Months of orders as a campus makes them, streamed into PostgreSQL by COPY."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate, islice

import asyncpg
from msgspec import Struct

from domain.model import OrderStatus, TransactionKind
from domain.model.pickup import spelled

Report = Callable[[str], None]
Records = list[tuple[object, ...]]

CHUNK = 20_000
TOP_UP_MINOR = 5_000
# With less than that nobody goes to lunch.
LEAST_MINOR = 2_000
# Orders a second of the day's hours, breakfast and lunch above all.
HOUR_WEIGHTS = (1, 1, 0, 0, 0, 0, 0, 4, 12, 14, 16, 14, 18, 40, 46, 28, 10, 8, 8, 7, 10, 8, 5, 3)
# Still on their way: what the counter sees when the demo starts.
ACTIVE = 40
ACTIVE_STATUSES = (
    OrderStatus.CREATED,
    OrderStatus.ACCEPTED,
    OrderStatus.PREPARING,
    OrderStatus.READY,
)
MOVES = {
    OrderStatus.CREATED: 0,
    OrderStatus.ACCEPTED: 1,
    OrderStatus.REJECTED: 1,
    OrderStatus.CANCELLED: 1,
    OrderStatus.PREPARING: 2,
    OrderStatus.READY: 3,
    OrderStatus.DELIVERED: 4,
}
# An order in this share of the history, the newest, has left its notice behind.
NOTIFIED = 0.05


class Dish(Struct, frozen=True):
    """A product and its price in minor units."""

    id: int
    price_minor: int


class _Tables:
    """The rows of one chunk, in the order in which foreign keys want them."""

    def __init__(self) -> None:
        self.orders: Records = []
        self.items: Records = []
        self.transactions: Records = []
        self.notifications: Records = []

    async def copy(self, connection: asyncpg.Connection) -> None:
        for table, columns, records in (
            (
                "orders",
                "id user_id cafeteria_id status total_minor version pickup_code"
                " created_at updated_at",
                self.orders,
            ),
            ("order_items", "order_id product_id quantity unit_price_minor", self.items),
            ("transactions", "user_id order_id kind amount_minor created_at", self.transactions),
            (
                "notifications",
                "user_id order_id kind title body is_read created_at",
                self.notifications,
            ),
        ):
            await connection.copy_records_to_table(table, columns=columns.split(), records=records)


class _Campus:
    """Who orders what: draws orders, and keeps every wallet's ledger whole while it does."""

    def __init__(
        self, users: list[int], dishes: dict[int, list[Dish]], chance: random.Random
    ) -> None:
        self._users = users
        self._dishes = list(dishes.items())
        self._chance = chance
        self.balances = dict.fromkeys(users, 0)

    def order(self, key: int, at: datetime, status: OrderStatus, into: _Tables) -> None:
        """An order of somebody, paid from the wallet, refunded where it came to nothing."""
        chance = self._chance
        user = chance.choice(self._users)
        place, dishes = chance.choice(self._dishes)
        total = 0
        for dish in {chance.choice(dishes) for _ in range(chance.choice((1, 1, 2, 2, 3, 4)))}:
            quantity = chance.choice((1, 1, 1, 1, 2))
            total += quantity * dish.price_minor
            into.items.append((key, dish.id, quantity, dish.price_minor))
        moves = MOVES[status]
        updated = at + timedelta(minutes=4 * moves)
        # Neighbours in the sequence get codes that do not look alike.
        code = spelled(key * 4801 % 10_648) if status in ACTIVE_STATUSES else None
        order = (key, user, place, status.value, total, moves + 1, code, at, updated)
        into.orders.append(order)
        self._pay(key, user, total, at, into)
        if status in (OrderStatus.CANCELLED, OrderStatus.REJECTED):
            self.balances[user] += total
            refund = (user, key, TransactionKind.REFUND.value, total, updated)
            into.transactions.append(refund)

    def notice(self, key: int, into: _Tables) -> None:
        """The notice of the order that was drawn last."""
        _, user, _, status, *_, updated = into.orders[-1]
        title = f"Pedido {key}"
        into.notifications.append(
            (
                user,
                key,
                f"order:{status}",
                title,
                f"Tu pedido está: {status}.",
                self._chance.random() < 0.7,
                updated,
            )
        )

    def ready(self, at: datetime, into: _Tables) -> None:
        """Everybody can buy lunch."""
        for user in self._users:
            self._top_up(user, LEAST_MINOR, at, into)

    def _top_up(self, user: int, least: int, at: datetime, into: _Tables) -> None:
        while self.balances[user] < least:
            self.balances[user] += TOP_UP_MINOR
            top_up = TransactionKind.TOP_UP.value
            into.transactions.append((user, None, top_up, TOP_UP_MINOR, at))

    def _pay(self, key: int, user: int, total: int, at: datetime, into: _Tables) -> None:
        self._top_up(user, total, at - timedelta(minutes=1), into)
        self.balances[user] -= total
        into.transactions.append((user, key, TransactionKind.PAYMENT.value, -total, at))


async def load(
    connection: asyncpg.Connection,
    count: int,
    users: list[int],
    dishes: dict[int, list[Dish]],
    now: datetime,
    chance: random.Random,
    report: Report,
) -> None:
    """Load `count` orders that end at `now`, with their items, ledger, wallets and notices.

    `users` are the ids of the customers, `dishes` what each cafeteria (by id) serves.
    """
    people = _Campus(users, dishes, chance)
    moments = _moments(count, now, chance)
    first_notified = count - int(count * NOTIFIED)
    key = 0
    while chunk := list(islice(moments, CHUNK)):
        tables = _Tables()
        for at in chunk:
            key += 1
            status = _status(count - key, chance)
            people.order(key, at, status, tables)
            if key > first_notified:
                people.notice(key, tables)
        await tables.copy(connection)
        if count > CHUNK:
            report(f"{key:>10,} of {count:,} orders ({100 * key // count} %)")
    tables = _Tables()
    people.ready(now, tables)
    await tables.copy(connection)
    await connection.copy_records_to_table(
        "wallets", columns=["user_id", "balance_minor"], records=list(people.balances.items())
    )
    # COPY brought its own ids: the sequence goes on after them.
    await connection.execute(
        "SELECT setval(pg_get_serial_sequence('orders', 'id'), greatest($1, 1), $1 > 0)", count
    )


def _status(newer: int, chance: random.Random) -> OrderStatus:
    """The state of an order with so many newer ones."""
    if newer < ACTIVE:
        return ACTIVE_STATUSES[newer * len(ACTIVE_STATUSES) // ACTIVE]
    draw = chance.random()
    if draw < 0.94:
        return OrderStatus.DELIVERED
    return OrderStatus.CANCELLED if draw < 0.98 else OrderStatus.REJECTED


def _moments(count: int, now: datetime, chance: random.Random) -> Iterator[datetime]:
    """`count` instants in rising order up to `now`: the last hour's few, and the days before."""
    recent = min(ACTIVE, count)
    older = count - recent
    days = min(365, max(30, older // 400))
    weights = list(accumulate(HOUR_WEIGHTS))
    today = datetime.combine(now.date(), time(), UTC)
    for day in range(days, 0, -1):
        midnight = today - timedelta(days=day)
        share = older * (days - day + 1) // days - older * (days - day) // days
        hours = chance.choices(range(24), cum_weights=weights, k=share)
        seconds = sorted(3600 * hour + 3600 * chance.random() for hour in hours)
        yield from (midnight + timedelta(seconds=second) for second in seconds)
    latest = max(today, now - timedelta(minutes=45))
    span = (now - latest) / (recent + 1)
    yield from (latest + span * position for position in range(1, recent + 1))
