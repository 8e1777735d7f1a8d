"""What became of orders while somebody was away: every change that was committed, at least once.

Neither moments nor ids tell what is new: both are given long before a commit, and the transaction
that got them first may be over last. So each order carries the number of the transaction that
changed it, and whoever asks is told below which number nothing was under way, of the same snapshot
that the rows are of. What is not below it is told of again.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader
from domain.database import Role as Node
from domain.errors import PositionLostError
from domain.model import Role
from domain.orders import COLUMNS, Item, Order, parties, visible


class Position(Struct, frozen=True):
    """How far somebody has come: everything that was changed by a transaction below `floor` is
    known, and in the present round everything up to (`transaction`, `id`).

    In a round that is not over, `least` is what the floor will be: below it, no page of the round
    can have missed anything. Transactions are numbered within a `generation` of the database.
    """

    generation: int
    floor: int
    least: int
    transaction: int
    id: int

    @classmethod
    def begin(cls, generation: int, floor: int) -> "Position":
        """The beginning of a round."""
        return cls(generation, floor, 0, floor, 0)


class ChangedOrder(Order, frozen=True, kw_only=True):
    """An order as it is now, and the name of who placed it."""

    customer: str


class Changed(Struct, frozen=True):
    """Orders as they are now, in the order of the transactions that changed them; what follows
    comes from `position`, at once where there are `more`."""

    orders: list[ChangedOrder]
    position: Position
    more: bool


# Of a generation.
_UNKNOWN: Final = 0
_LIMIT: Final = bindparam("limit", type_=Integer)
_AFTER: Final = (
    bindparam("transaction", type_=BigInteger),
    bindparam("after_id", type_=BigInteger),
)
# Of the snapshot that the statement reads in; on a replica as well.
_LEAST: Final = cast(
    literal_column("pg_snapshot_xmin(pg_current_snapshot())::text"), BigInteger
).label("least")
_ITEMS: Final = (
    select(
        model.OrderItem.order_id,
        model.OrderItem.product_id,
        model.Product.name,
        model.OrderItem.quantity,
        model.OrderItem.unit_price_minor,
    )
    .join(model.Product, model.Product.id == model.OrderItem.product_id)
    .where(model.OrderItem.order_id == func.any(bindparam("orders", type_=ARRAY(BigInteger))))
    .order_by(model.OrderItem.order_id, model.OrderItem.product_id)
)


class OrderChanges:
    """`generation` names the database that is read: another one when a standby was promoted or a
    backup restored, for then transactions are numbered anew; empty while nobody knows."""

    def __init__(self, database: Database, generation: Callable[[], str]) -> None:
        self._database = database
        self._generation = generation

    async def since(self, caller: Principal, position: Position | None, limit: int) -> Changed:
        """What is new of the orders that the caller may see, and that is all they may see; without
        a position nothing but the present one. Raises PositionLostError for one of another
        generation.

        An order that was changed twice may come once, as it is then. It may come again unchanged.
        """
        generation = crc32(self._generation().encode())
        if position is None:
            told = await self._database.rows(Node.MENU, select(_LEAST), of=caller.id)
            return Changed([], Position.begin(generation, told[0].least), more=False)
        if generation and position.generation not in (_UNKNOWN, generation):
            raise PositionLostError
        now, rows = await self._read(caller, position, limit)
        # The smallest of all pages of the round: each may be of another node, or of another moment.
        least = min(now, position.least or now)
        orders = [order for _, order in rows[:limit]]
        if len(rows) <= limit:
            # A node that is behind tells of nothing that was not told already.
            after = Position.begin(generation, max(least, position.floor))
            return Changed(orders, after, more=False)
        transaction, last = rows[limit - 1]
        after = Position(generation, position.floor, least, transaction, last.id)
        return Changed(orders, after, more=True)

    async def _read(
        self, caller: Principal, position: Position, limit: int
    ) -> tuple[int, list[tuple[int, ChangedOrder]]]:
        """What is new, one order more than `limit` where there are more, each with the transaction
        that changed it; and the least transaction that was not over then."""
        statement = _changed(caller.role)
        parameters = {
            **parties(caller),
            "limit": limit + 1,
            "transaction": position.transaction,
            "after_id": position.id,
        }

        async def read(database: Reader) -> tuple[int, list[tuple[int, ChangedOrder]]]:
            found = (await database.execute(statement, parameters)).all()
            # Where nothing is new, one row tells how far.
            rows = [row for row in found if row.id is not None]
            items: dict[int, list[Item]] = defaultdict(list)
            if rows:
                for row in await database.execute(_ITEMS, {"orders": [row.id for row in rows]}):
                    items[row[0]].append(Item(*row[1:]))
            orders = (_order(row, items[row.id]) for row in rows)
            return found[0].least, [
                (row.changed_in, order) for row, order in zip(rows, orders, strict=True)
            ]

        return await self._database.read(Node.MENU, read, of=caller.id)


def _order(row: Any, items: list[Item]) -> ChangedOrder:
    columns = dict(zip(COLUMNS, row[2:-1], strict=True))
    return ChangedOrder(**columns, items=items, customer=row[-1])


@lru_cache(maxsize=8)
def _changed(role: Role) -> Select[*tuple[Any, ...]]:
    key = model.Order.changed_in, model.Order.id
    rows = (
        select(model.Order.changed_in, *COLUMNS.values())
        .where(tuple_(*key) > tuple_(*_AFTER), visible(role))
        .order_by(*key)
        .limit(_LIMIT)
        .subquery("changed")
    )
    least = select(_LEAST).subquery("seen")
    return (
        select(least.c.least, *rows.c, model.User.name)
        .select_from(
            least.outerjoin(rows, true()).outerjoin(model.User, model.User.id == rows.c.user_id)
        )
        .order_by(rows.c.changed_in, rows.c.id)
    )
