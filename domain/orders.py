"""What an order is, and whose business it is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from domain import model
from domain.accounts import Principal
from domain.model import OrderStatus, Role
from domain.model.nested import Columns, json_object
from domain.model.orders import TRANSITIONS
from domain.model.selection import columns

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
    "reason": model.Order.reason.expression,
}

# What others are told of one that is placed, or moved on: their names of it, and ours.
CREATED: Final = "order:created"
CHANGED: Final = "order:changed"
TOLD: Final = {
    "orderId": "id",
    "userId": "user_id",
    "cafeteriaId": "cafeteria_id",
    "status": "status",
    "version": "version",
    "totalMinor": "total_minor",
    "pickupCode": "pickup_code",
    "reason": "reason",
}

# As the indexes of what is under way have it: with parameters they would not be used.
UNDER_WAY: Final = type_coerce(model.Order.status, Text).in_(
    [literal_column(f"'{status}'") for status in OrderStatus if TRANSITIONS[status]]
)


class Item(Struct, frozen=True):
    """A line of an order: the product's name, and its price (minor units) at that moment."""

    product_id: int
    product_name: str
    quantity: int
    unit_price_minor: int


class Order(Struct, frozen=True):
    """An order with its items; `pickup_code` is what it is called up by, `reason` why it came to
    nothing, where somebody said so."""

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
    # Answers that are kept by their keys may be from before there were any.
    reason: str | None = None


_LINE: Final[Columns] = {
    "product_id": model.OrderItem.product_id.expression,
    "product_name": model.Product.name.expression,
    "quantity": model.OrderItem.quantity.expression,
    "unit_price_minor": model.OrderItem.unit_price_minor.expression,
}


def items(order: ColumnElement[int]) -> ColumnElement[str]:
    """The lines of the order with that id, by product, as `whole` takes them."""
    lines = func.json_agg(
        aggregate_order_by(json_object(columns(*_LINE), _LINE), model.OrderItem.product_id)
    )
    return (
        select(func.coalesce(cast(lines, Text), literal_column("'[]'", Text)))
        .select_from(model.OrderItem)
        .join(model.Product, model.Product.id == model.OrderItem.product_id)
        .where(model.OrderItem.order_id == order)
        .scalar_subquery()
    )


# Built once, for building takes longer than running.
WHOLE: Final = select(*COLUMNS.values(), items(model.Order.id.expression).label("items"))
"""Orders as `whole` takes them."""
# With the parameters of `parties`, so that a statement is built once for everybody.
OWN: Final = model.Order.user_id == bindparam("caller", type_=BigInteger)
OF_THE_COUNTER: Final = model.Order.cafeteria_id == bindparam("counter", type_=BigInteger)


def visible(role: Role) -> ColumnElement[bool]:
    """Which orders are the business of somebody in that role: their own, and their counter's."""
    if role is Role.ADMIN:
        return true()
    return or_(OWN, OF_THE_COUNTER) if role is Role.STAFF else OWN


def parties(caller: Principal) -> dict[str, int | None]:
    """Whose orders are OWN and OF_THE_COUNTER."""
    return {"caller": caller.id, "counter": caller.cafeteria_id}


def told(kind: str, order: CTE) -> Select[str, Any]:
    """What the outbox is to hold of an order: kind and payload."""
    payload = {name: order.c[field] for name, field in TOLD.items()}
    return select(literal(kind, Text), json_object(columns(*payload), payload))


def whole(row: Sequence[Any]) -> Order:
    """An order of a row of COLUMNS and its items."""
    *head, lines = row
    named = dict(zip(COLUMNS, head, strict=True))
    return Order(**named, items=msgspec.json.decode(lines, type=list[Item]))
