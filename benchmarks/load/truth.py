"""Whether what people were told is what the database holds, to the last order, cent and event."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from benchmarks.load import journal
from benchmarks.load.campus import Before, Visited
from domain import wallet
from domain.database import Cluster, Database, Limits, dsn

# Of one kind so many are named, and the others counted.
_MOST_NAMED: Final = 5
_KEYS_OF_ORDERS: Final = "order"
# What is wrong with the database alone; each tells of what it finds, and is of what is new.
_UNSOUND: Final = (
    "SELECT format('order %s: total %s, items %s', id, total_minor, sum) FROM orders"
    " JOIN (SELECT order_id, sum(quantity * unit_price_minor) FROM order_items GROUP BY 1) items"
    "  ON order_id = id WHERE id > $1 AND total_minor <> sum",
    "SELECT format('order %s has no items', id) FROM orders"
    " WHERE id > $1 AND NOT EXISTS (SELECT FROM order_items WHERE order_id = id)",
    "SELECT format('order %s of %s was paid with %s', id, total_minor, sum) FROM orders"
    " LEFT JOIN (SELECT order_id, -sum(amount_minor) AS sum FROM transactions"
    "  WHERE kind IN ('payment', 'refund') GROUP BY 1) lines ON order_id = id"
    " WHERE id > $1 AND coalesce(sum, 0) <> CASE WHEN status IN ('cancelled', 'rejected') THEN 0"
    "  ELSE total_minor END",
    "SELECT format('%s orders of %s have a pick-up code %s', count(*), cafeteria_id, pickup_code)"
    " FROM orders WHERE id > $1 AND status IN ('created', 'accepted', 'preparing', 'ready')"
    " GROUP BY cafeteria_id, pickup_code HAVING count(*) > 1",
    "SELECT format('the balance of %s is %s', user_id, balance_minor) FROM wallets"
    " WHERE balance_minor < 0 AND $1::bigint IS NOT NULL",
)
_SOLD: Final = (
    "SELECT products.id, stock, coalesce(sold, 0) FROM products"
    " LEFT JOIN (SELECT product_id, sum(quantity) AS sold FROM order_items"
    "  JOIN orders ON orders.id = order_id"
    "  WHERE orders.id > $1 AND status NOT IN ('cancelled', 'rejected') GROUP BY 1) items"
    " ON product_id = products.id"
)


class Placed(Struct, frozen=True):
    """An order that somebody was told they have; amounts in minor units."""

    user: int
    key: str
    order: int
    total: int
    shown: int


class Topped(Struct, frozen=True):
    """A top-up, as it was answered."""

    user: int
    key: str
    payment: int
    status: str
    amount: int


class Watched(Struct, frozen=True):
    """What a socket was told: versions, by order."""

    user: int
    cafeteria: int | None
    first: int | None
    cut: int
    seen: dict[int, set[int]]


@dataclass
class Told:
    """All journals together."""

    placed: list[Placed] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    topped: list[Topped] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, directory: Path) -> "Told":
        """Those that were written there."""
        told = cls()
        for path in sorted(directory.glob(f"*{journal.SUFFIX}")):
            for line in path.read_text("utf-8").splitlines():
                told.take(msgspec.json.decode(line))
        return told

    def take(self, line: dict[str, Any]) -> None:
        """One line of a journal."""
        match line.pop("kind"):
            case journal.PLACED:
                self.placed.append(msgspec.convert(line, Placed))
            case journal.LOST:
                self.lost.append((line["user"], line["key"]))
            case journal.CANCELLED:
                self.cancelled.append(line["order"])
            case journal.TOPPED:
                self.topped.append(msgspec.convert(line, Topped))
            case journal.WATCHED:
                self.watched.append(msgspec.convert(line, Watched, strict=False))
            case journal.FAULT:
                self.faults.append(line["what"])


class Order(Struct, frozen=True):
    """An order, as the database has it."""

    id: int
    user: int
    cafeteria: int
    status: str
    total: int
    version: int


@dataclass(frozen=True)
class Held:
    """What the database has of it."""

    orders: dict[int, Order]
    """Those that were placed meanwhile."""
    keys: dict[tuple[int, str], int]
    """The order of each person's key."""
    payments: dict[int, str]
    unsound: list[str]
    """What is wrong in itself."""


@dataclass(frozen=True)
class Verdict:
    """What was compared, and what differs."""

    compared: dict[str, int]
    differences: list[str]
    accepted: float | None
    """The share of top-ups that the provider charged; None of none."""


async def check(place: Visited) -> Verdict:
    """After all have left."""
    told = Told.of(place.directory)
    held = await _held(place.database_url, place.before)
    return compare(told, held)


def compare(told: Told, held: Held) -> Verdict:
    """What was told with what is held."""
    finders = (
        _orders(told, held),
        _strangers(told, held),
        _payments(told, held),
        _events(told, held),
        iter(told.faults),
        iter(held.unsound),
    )
    differences = [line for found in finders for line in _few(list(found))]
    compared = {
        "orders confirmed": len(told.placed),
        "orders held": len(held.orders),
        "answers lost": len(told.lost),
        "orders cancelled": len(told.cancelled),
        "top-ups": len(told.topped),
        # Of the others nobody can say what they should have seen.
        "sockets": sum(each.first is not None for each in told.watched),
        "events": sum(len(seen) for each in told.watched for seen in each.seen.values()),
    }
    charged = [each.status == "succeeded" for each in told.topped if each.status != "pending"]
    accepted = sum(charged) / len(charged) if charged else None
    return Verdict(compared, differences, accepted)


async def under_way(place: Visited) -> dict[str, int]:
    """What somebody still waits for: orders by their state, and events by their kind."""
    connection = await asyncpg.connect(dsn(place.database_url))
    try:
        rows = await connection.fetch(
            "SELECT status::text, count(*) FROM orders WHERE id > $1"
            " AND status IN ('created', 'accepted', 'preparing', 'ready') GROUP BY 1"
            " UNION ALL SELECT kind, count(*) FROM outbox WHERE delivered_at IS NULL GROUP BY 1",
            place.before.last_order,
        )
        return dict(map(tuple, rows))
    finally:
        await connection.close()


def _orders(told: Told, held: Held) -> Iterator[str]:
    """Each confirmed order is there, once, as it was confirmed."""
    of_order: dict[int, str] = {}
    for each in told.placed:
        order = held.orders.get(each.order)
        if order is None or order.user != each.user:
            yield f"order {each.order} was confirmed to {each.user}, who has none"
            continue
        if order.total != each.total or each.total != each.shown:
            yield f"order {each.order}: {each.shown} shown, {each.total} told, {order.total} held"
        if held.keys.get((each.user, each.key)) != each.order:
            yield f"order {each.order}: its key is of {held.keys.get((each.user, each.key))}"
        if of_order.setdefault(each.order, each.key) != each.key:
            yield f"order {each.order} was confirmed for two keys"
    for cancelled in told.cancelled:
        order = held.orders.get(cancelled)
        if order is None or order.status != "cancelled":
            yield f"order {cancelled} was confirmed as cancelled, and is {order and order.status}"


def _strangers(told: Told, held: Held) -> Iterator[str]:
    """No order is there that nobody was told of, but where an answer was lost."""
    known = {each.order for each in told.placed}
    known |= {held.keys[key] for key in told.lost if key in held.keys}
    for order in held.orders.keys() - known:
        yield f"order {order} of {held.orders[order].user} was confirmed to nobody"
    for key, count in Counter(held.keys.values()).items():
        if count > 1:
            yield f"order {key} has {count} keys"


def _payments(told: Told, held: Held) -> Iterator[str]:
    for each in told.topped:
        if each.status not in ("pending", held.payments.get(each.payment)):
            present = held.payments.get(each.payment)
            yield f"payment {each.payment}: {each.status} told, {present} held"


def _events(told: Told, held: Held) -> Iterator[str]:
    """Who watched without a cut was told of every version; who was cut off, of the last one."""
    of_user: defaultdict[int, list[Order]] = defaultdict(list)
    of_cafeteria: defaultdict[int, list[Order]] = defaultdict(list)
    for order in held.orders.values():
        of_user[order.user].append(order)
        of_cafeteria[order.cafeteria].append(order)
    for socket in told.watched:
        if socket.first is None:
            continue
        mine = of_user[socket.user]
        if socket.cafeteria is not None:
            mine = of_cafeteria[socket.cafeteria]
        for order in mine:
            if order.id < socket.first:
                continue
            expected = {order.version} if socket.cut else set(range(1, order.version + 1))
            missing = expected - socket.seen.get(order.id, set())
            if missing:
                yield (
                    f"the socket of {socket.user} was not told of order {order.id} as of "
                    f"{sorted(missing)} ({socket.cut} cuts)"
                )


def _few(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_NAMED
    return [*lines[:_MOST_NAMED], *([f"... and {more:,} more like that"] if more > 0 else [])]


async def _held(database_url: str, before: Before) -> Held:
    cluster = Cluster(database_url, [], Limits(connections=1, statement_timeout=600))
    connection = await asyncpg.connect(dsn(database_url))
    try:
        audit = await wallet.audit(Database(cluster))
        orders = await connection.fetch(
            "SELECT id, user_id, cafeteria_id, status, total_minor, version FROM orders"
            " WHERE id > $1",
            before.last_order,
        )
        keys = await connection.fetch(
            "SELECT user_id, key, answer FROM idempotency_keys WHERE scope = $1", _KEYS_OF_ORDERS
        )
        payments = await connection.fetch("SELECT id, status FROM payments")
        unsound = await _unsound(connection, before)
    finally:
        await connection.close()
        await cluster.close()
    if not audit.is_sound:
        unsound.append(f"the ledger does not explain the balances: {audit}")
    return Held(
        {row[0]: Order(*row) for row in orders},
        {(user, key): msgspec.json.decode(answer)["id"] for user, key, answer in keys},
        dict(map(tuple, payments)),
        unsound,
    )


async def _unsound(connection: asyncpg.Connection, before: Before) -> list[str]:
    found = [
        line
        for question in _UNSOUND
        for (line,) in await connection.fetch(f"{question} LIMIT 20", before.last_order)
    ]
    for product, stock, sold in await connection.fetch(_SOLD, before.last_order):
        if stock + sold != before.stock[product]:
            found.append(f"product {product}: {before.stock[product]} less {sold} is not {stock}")
    return found
