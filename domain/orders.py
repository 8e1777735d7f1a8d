"""Orders, as those see them whom they concern."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, func, select, true

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader
from domain.database import Role as Node
from domain.errors import NotFoundError
from domain.model import OrderStatus, Role
from domain.model.paging import Page, Window

# What a list of orders may be asked for; the one allow-list, down to the SQL.
COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "id": model.Order.id.expression,
    "user_id": model.Order.user_id.expression,
    "cafeteria_id": model.Order.cafeteria_id.expression,
    "status": model.Order.status.expression,
    "total_minor": model.Order.total_minor.expression,
    "version": model.Order.version.expression,
    "pickup_code": model.Order.pickup_code.expression,
    "created_at": model.Order.created_at.expression,
    "updated_at": model.Order.updated_at.expression,
}


class Item(Struct, frozen=True):
    """A line of an order: the product's name, and its price (minor units) at that moment."""

    product_id: int
    product_name: str
    quantity: int
    unit_price_minor: int


class Order(Struct, frozen=True):
    """An order with its items; `pickup_code` is what it is called up by."""

    id: int
    user_id: int
    cafeteria_id: int
    status: OrderStatus
    total_minor: int
    version: int
    pickup_code: str | None
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
        visible = visible_to(caller)
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
            return await order_of(database, order_id, visible_to(caller))

        return await self._database.read(Node.MENU, read, of=caller.id)


def visible_to(caller: Principal) -> ColumnElement[bool]:
    """Which orders are the caller's business."""
    if caller.role is Role.ADMIN:
        return true()
    if caller.role is Role.STAFF:
        return model.Order.cafeteria_id == caller.cafeteria_id
    return model.Order.user_id == caller.id


async def order_of(database: Reader, order_id: int, visible: ColumnElement[bool]) -> Order:
    """An order with its items, where it is `visible`. Raises NotFoundError."""
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
