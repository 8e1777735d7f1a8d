"""Placing an order, and moving it from the phone to the counter (docs/orders.md)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from msgspec import Struct
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain import model, order_notices, stock, wallet
from domain.accounts import Principal
from domain.cafeterias import cafeteria
from domain.database import Database, Writer
from domain.errors import (
    ClosedError,
    ForbiddenError,
    IllegalMoveError,
    InvalidError,
    MovedOnError,
    NotFoundError,
    PriceError,
    UnavailableError,
)
from domain.idempotency import Once, once
from domain.model import OrderStatus
from domain.model.pickup import SHORTEST, pickup_code
from domain.orders import Item, Order, order_of, parties, visible
from domain.people import must_be_active

Clock = Callable[[], datetime]
_Before: TypeAlias = Row[int, int, OrderStatus, int]

MOST_LINES: Final = 50
MOST_OF_ONE: Final = 99
CREATED: Final = "order:created"
CHANGED: Final = "order:changed"
# One in 20 is taken with 500 orders under way at one counter; then longer codes are tried.
_CODE_LENGTHS: Final = (SHORTEST, SHORTEST, SHORTEST, SHORTEST + 1, SHORTEST + 2)
# What comes to nothing gives back what it took.
_UNDONE: Final = frozenset({OrderStatus.CANCELLED, OrderStatus.REJECTED})
# Built once, for building takes longer than running.
_PLACED: Final = (
    upsert(model.Order)
    .on_conflict_do_nothing()
    .returning(model.Order.id, model.Order.created_at, model.Order.updated_at)
)
_ORDERED: Final = insert(model.OrderItem)


class Line(Struct, frozen=True):
    """So many of a product, as asked for."""

    product_id: int
    quantity: int


class Basket(Struct, frozen=True):
    """What is ordered where; `expected_minor` is the total that the customer was shown."""

    cafeteria_id: int
    lines: Sequence[Line]
    expected_minor: int | None = None


def _now() -> datetime:
    return datetime.now(UTC)


class Ordering:
    """Changes of orders, each in one transaction with the stock and the money it moves."""

    def __init__(
        self,
        database: Database,
        clock: Clock = _now,
        announced: Callable[[], None] = lambda: None,
    ) -> None:
        """`announced` hears that there is something new in the outbox."""
        self._database = database
        self._clock = clock
        self._announced = announced

    async def place(self, caller: Principal, basket: Basket, request: Once) -> Order:
        """A new order at the current prices, paid from the caller's wallet.

        Raises InvalidError for an impossible list, NotFoundError for a product that this
        cafeteria does not have, ConflictError for one that is sold out, ClosedError, PriceError,
        FundsError, ForbiddenError, and what `once` raises. Nothing has happened then.
        """
        quantities = _quantities(basket.lines)

        async def change(database: Writer) -> Order:
            await must_be_active(database, caller.id)
            return await once(database, request, Order, lambda: place(database))

        async def place(database: Writer) -> Order:
            await self._must_be_open(database, basket.cafeteria_id)
            taken = await stock.take(database, basket.cafeteria_id, quantities)
            total = sum(taken[product].price_minor * n for product, n in quantities.items())
            if basket.expected_minor not in (None, total):
                raise PriceError(total)
            items = [
                Item(product, taken[product].name, n, taken[product].price_minor)
                for product, n in sorted(quantities.items())
            ]
            order = await _written(database, caller.id, basket.cafeteria_id, total, items)
            await wallet.pay(database, caller.id, order.id, total)
            await _announce(database, CREATED, order)
            return order

        placed = await self._database.write(change, by=[caller.id])
        self._announced()
        return placed

    async def move(
        self, caller: Principal, order_id: int, status: OrderStatus, version: int
    ) -> Order:
        """The order in its next state, if it is still of the `version` that the caller has seen.

        What is cancelled or rejected goes back on sale, and its price into the wallet. Raises
        NotFoundError, ForbiddenError, MovedOnError, IllegalMoveError.
        """
        concerned = {caller.id}

        async def change(database: Writer) -> Order:
            await must_be_active(database, caller.id)
            before = await _locked(database, caller, order_id)
            concerned.add(before.user_id)
            _must_be_allowed(caller, before, status, version)
            await database.change(
                update(model.Order)
                .where(model.Order.id == order_id)
                .values(status=status, version=model.Order.version + 1, updated_at=func.now())
            )
            order = await order_of(database, order_id)
            if status in _UNDONE:
                quantities = {item.product_id: item.quantity for item in order.items}
                await stock.put_back(database, quantities)
                await wallet.refund(database, order.user_id, order_id)
            await _announce(database, CHANGED, order)
            if caller.id != order.user_id:
                await order_notices.tell(database, order)
            return order

        moved = await self._database.write(change, by=concerned)
        self._announced()
        return moved

    async def _must_be_open(self, database: Writer, cafeteria_id: int) -> None:
        at = self._clock()
        place = await cafeteria(database, cafeteria_id, at)
        status = place.status
        if status.accepts_orders:
            return
        if status.is_open and status.closes_at is not None:
            # Too late for today: when the doors have closed, it is known when they open.
            status = place.schedule.status(status.closes_at)
        raise ClosedError(place.name, status.opens_at)


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


async def _written(
    database: Writer, user_id: int, cafeteria_id: int, total_minor: int, items: list[Item]
) -> Order:
    """A new order, under a code that no other order under way at this counter has."""
    for length in _CODE_LENGTHS:
        code = pickup_code(length)
        inserted = await database.change(
            _PLACED,
            {
                "user_id": user_id,
                "cafeteria_id": cafeteria_id,
                "total_minor": total_minor,
                "pickup_code": code,
            },
        )
        row = inserted.one_or_none()
        if row is not None:
            break
    else:
        raise UnavailableError("No pick-up code is free.")
    order_id, created_at, updated_at = row
    await database.change_each(
        _ORDERED,
        [
            {
                "order_id": order_id,
                "product_id": item.product_id,
                "quantity": item.quantity,
                "unit_price_minor": item.unit_price_minor,
            }
            for item in items
        ],
    )
    return Order(
        id=order_id,
        user_id=user_id,
        cafeteria_id=cafeteria_id,
        status=OrderStatus.CREATED,
        total_minor=total_minor,
        version=1,
        pickup_code=code,
        created_at=created_at,
        updated_at=updated_at,
        items=items,
    )


async def _locked(database: Writer, caller: Principal, order_id: int) -> _Before:
    """The order's parties, state and version, which nobody else changes from now on."""
    statement = (
        select(
            model.Order.user_id,
            model.Order.cafeteria_id,
            model.Order.status,
            model.Order.version,
        )
        .where(model.Order.id == order_id, visible(caller.role))
        .with_for_update(key_share=True)
    )
    row = (await database.execute(statement, parties(caller))).one_or_none()
    if row is None:
        raise NotFoundError("order", order_id)
    return row


def _must_be_allowed(caller: Principal, before: _Before, status: OrderStatus, version: int) -> None:
    # Staff, too, at another counter than theirs.
    customer = not caller.runs(before.cafeteria_id)
    present = before.version, before.status
    if customer and status is not OrderStatus.CANCELLED:
        raise ForbiddenError("The counter does that; you may cancel the order.")
    if before.version != version:
        message = f"The order is {before.status} now, in version {before.version}."
        raise MovedOnError(message, *present)
    if customer and before.status is OrderStatus.PREPARING:
        raise IllegalMoveError("The order is being prepared; ask at the counter.", *present)
    if not before.status.may_become(status):
        message = f"An order that is {before.status} does not become {status}."
        raise IllegalMoveError(message, *present)


async def _announce(database: Writer, kind: str, order: Order) -> None:
    payload = {
        "orderId": order.id,
        "userId": order.user_id,
        "cafeteriaId": order.cafeteria_id,
        "status": order.status.value,
        "version": order.version,
        "totalMinor": order.total_minor,
        "pickupCode": order.pickup_code,
    }
    await database.announce(kind, payload)
