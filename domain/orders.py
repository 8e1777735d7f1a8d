"""Orders: placing one, and reading those one may see."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, bindparam, func, insert, select, true, update

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader, Writer
from domain.database import Role as Node
from domain.errors import ConflictError, InvalidError, NotFoundError
from domain.model import OrderStatus, Role
from domain.model.paging import Page, Window

MOST_LINES = 50
MOST_OF_ONE = 99

# What a list of orders may be asked for; the one allow-list, down to the SQL.
COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "id": model.Order.id.expression,
    "user_id": model.Order.user_id.expression,
    "cafeteria_id": model.Order.cafeteria_id.expression,
    "status": model.Order.status.expression,
    "total_minor": model.Order.total_minor.expression,
    "version": model.Order.version.expression,
    "created_at": model.Order.created_at.expression,
    "updated_at": model.Order.updated_at.expression,
}


class Line(Struct, frozen=True):
    """So many of a product, as asked for."""

    product_id: int
    quantity: int


class Item(Struct, frozen=True):
    """A line of an order: the product's name, and its price (minor units) at that moment."""

    product_id: int
    product_name: str
    quantity: int
    unit_price_minor: int


class Order(Struct, frozen=True):
    """An order with its items."""

    id: int
    user_id: int
    cafeteria_id: int
    status: OrderStatus
    total_minor: int
    version: int
    created_at: datetime
    updated_at: datetime
    items: list[Item]


class Orders:
    """The orders of the campus, as far as the caller may see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(
        self, caller: Principal, columns: Sequence[str], window: Window
    ) -> Page[Row[Any]]:
        """The newest first, each a row of `columns` (names of COLUMNS) and no other column."""
        visible = _visible_to(caller)
        counted = select(func.count()).select_from(model.Order).where(visible)
        rows = (
            select(*(COLUMNS[name] for name in columns))
            .where(visible)
            # The id settles ties, or a page could show an order twice.
            .order_by(model.Order.created_at.desc(), model.Order.id.desc())
            .limit(window.limit)
            .offset(window.offset)
        )

        async def read(database: Reader) -> Page[Row[Any]]:
            total = await database.scalar(counted)
            return Page(list(await database.execute(rows)), total or 0)

        return await self._database.read(Node.MENU, read, of=caller.id)

    async def detail(self, caller: Principal, order_id: int) -> Order:
        """One order; somebody else's is not found rather than forbidden, so ids tell nothing."""

        async def read(database: Reader) -> Order:
            return await _order(database, order_id, _visible_to(caller))

        return await self._database.read(Node.MENU, read, of=caller.id)

    async def place(self, caller: Principal, cafeteria_id: int, lines: Sequence[Line]) -> Order:
        """A new order at the current prices; the stock is taken in the same transaction.

        Raises InvalidError for an impossible list, NotFoundError for a product that this
        cafeteria does not have, ConflictError for one that is sold out.
        """
        quantities = _quantities(lines)

        async def change(database: Writer) -> Order:
            prices = await _reserve(database, cafeteria_id, quantities)
            total = sum(prices[product] * count for product, count in quantities.items())
            placed = await database.change(
                insert(model.Order)
                .values(user_id=caller.id, cafeteria_id=cafeteria_id, total_minor=total)
                .returning(model.Order.id)
            )
            order_id = placed.scalar_one()
            await database.change(
                insert(model.OrderItem),
                [
                    {
                        "order_id": order_id,
                        "product_id": product,
                        "quantity": count,
                        "unit_price_minor": prices[product],
                    }
                    for product, count in quantities.items()
                ],
            )
            await database.announce(
                "order:created",
                {"orderId": order_id, "userId": caller.id, "version": 1},
                [f"product-{product}" for product in quantities],
            )
            return await _order(database, order_id, true())

        return await self._database.write(change, by=[caller.id])


def _visible_to(caller: Principal) -> ColumnElement[bool]:
    if caller.role is Role.ADMIN:
        return true()
    if caller.role is Role.STAFF:
        return model.Order.cafeteria_id == caller.cafeteria_id
    return model.Order.user_id == caller.id


def _quantities(lines: Sequence[Line]) -> dict[int, int]:
    """How many of each product; a product named twice is one line of the sum."""
    if not 1 <= len(lines) <= MOST_LINES:
        raise InvalidError(f"An order has 1 to {MOST_LINES} lines.")
    quantities: dict[int, int] = {}
    for line in lines:
        quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
    for product, count in quantities.items():
        if not 1 <= count <= MOST_OF_ONE:
            raise InvalidError(f"Product {product}: the quantity must be 1 to {MOST_OF_ONE}.")
    return quantities


async def _reserve(
    database: Writer, cafeteria_id: int, quantities: Mapping[int, int]
) -> dict[int, int]:
    """Take the stock; the price of each product in minor units."""
    statement = (
        select(
            model.Product.id,
            model.Product.name,
            model.Product.price_minor,
            model.Product.stock,
            model.Product.is_available,
        )
        .where(
            model.Product.id == func.any(list(quantities)),
            model.Product.cafeteria_id == cafeteria_id,
        )
        # Locked in one order everywhere, so that two orders never wait for each other.
        .order_by(model.Product.id)
        .with_for_update()
    )
    found = {row.id: row for row in await database.execute(statement)}
    for product, count in quantities.items():
        row = found.get(product)
        if row is None:
            raise NotFoundError(f"product in cafeteria {cafeteria_id} with id", product)
        if not row.is_available or row.stock < count:
            left = row.stock if row.is_available else 0
            raise ConflictError(f"{row.name}: {count} asked for, {left} left.")
    await database.change(
        update(model.Product)
        .where(model.Product.id == bindparam("product"))
        .values(stock=model.Product.stock - bindparam("taken"), version=model.Product.version + 1),
        [{"product": product, "taken": count} for product, count in quantities.items()],
    )
    return {product: row.price_minor for product, row in found.items()}


async def _order(database: Reader, order_id: int, visible: ColumnElement[bool]) -> Order:
    head = await database.execute(
        select(*COLUMNS.values()).where(model.Order.id == order_id, visible)
    )
    row = head.one_or_none()
    if row is None:
        raise NotFoundError("order", order_id)
    items = await database.execute(
        select(
            model.OrderItem.product_id,
            model.Product.name,
            model.OrderItem.quantity,
            model.OrderItem.unit_price_minor,
        )
        .join(model.Product, model.Product.id == model.OrderItem.product_id)
        .where(model.OrderItem.order_id == order_id)
        .order_by(model.OrderItem.product_id)
    )
    return Order(*(*row, [Item(*item) for item in items]))
