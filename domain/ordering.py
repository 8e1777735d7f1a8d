"""Placing an order, and moving it from the phone to the counter (docs/orders.md)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from asyncpg import UniqueViolationError
from msgspec import Struct
from sqlalchemy import BigInteger, Row, bindparam, select

from domain import model, stock, wallet
from domain.accounts import Principal
from domain.database import Database, Writer
from domain.doors import Doors
from domain.errors import (
    ForbiddenError,
    IllegalMoveError,
    InvalidError,
    MovedOnError,
    NotFoundError,
    PriceError,
    UnavailableError,
)
from domain.idempotency import Once, answered
from domain.model import OrderStatus, Role
from domain.model.pickup import SHORTEST, pickup_code
from domain.moving import BY_COUNTER, BY_CUSTOMER, Step, UnmovedError, moved
from domain.orders import Order, parties, visible
from domain.people import must_be_active
from domain.placing import UnplacedError, Wish, placed

Clock = Callable[[], datetime]
_Before: TypeAlias = Row[int, OrderStatus, int]

MOST_LINES: Final = 50
MOST_OF_ONE: Final = 99
# How often it is looked at anew why nothing was done, where there is no reason any more.
MOST_TRIES: Final = 5
# One in 20 is taken with 500 orders under way at one counter; then longer codes are tried.
_CODE_LENGTHS: Final = (SHORTEST, SHORTEST, SHORTEST + 1)
# What comes to nothing gives back what it took.
_UNDONE: Final = frozenset({OrderStatus.CANCELLED, OrderStatus.REJECTED})

# Built once, for building takes longer than running.
_BEFORE: Final = {
    role: select(model.Order.cafeteria_id, model.Order.status, model.Order.version).where(
        model.Order.id == bindparam("order", type_=BigInteger), visible(role)
    )
    for role in Role
}


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
        self._doors = Doors()

    async def place(self, caller: Principal, basket: Basket, request: Once) -> Order:
        """A new order at the current prices, paid from the caller's wallet.

        Raises InvalidError for an impossible list, NotFoundError for a product that this
        cafeteria does not have, ConflictError for one that is sold out, ClosedError, PriceError,
        FundsError, ForbiddenError, and what `once` raises. Nothing has happened then.
        """
        quantities = _quantities(basket.lines)
        for _ in range(MOST_TRIES):
            order = await self._placed(basket, quantities, request)
            if order is not None:
                self._announced()
                return order
            before = await self._answered(caller, basket, quantities, request)
            if before is not None:
                return before
        raise UnavailableError("Too much is changed at once.", 1)

    async def _placed(
        self, basket: Basket, quantities: Mapping[int, int], request: Once
    ) -> Order | None:
        """The order, if nothing stands in its way."""
        hours_version = self._doors.open_at(basket.cafeteria_id, self._clock())
        if hours_version is None:
            return None
        wish = Wish(
            basket.cafeteria_id,
            quantities,
            basket.expected_minor,
            hours_version,
            [pickup_code(length) for length in _CODE_LENGTHS],
        )

        async def place(database: Writer) -> Order:
            return await placed(database, request, wish)

        try:
            return await self._database.write(place, by=[request.user_id], is_single=True)
        except (UnplacedError, UniqueViolationError):
            # Of the latter, somebody was as fast with this key, or this code.
            return None

    async def _answered(
        self, caller: Principal, basket: Basket, quantities: Mapping[int, int], request: Once
    ) -> Order | None:
        """What was answered to the request before; None if nothing stands in its way any more.
        Raises what does, in the order in which it is to be told."""

        async def look(database: Writer) -> Order | None:
            await must_be_active(database, caller.id)
            before = await answered(database, request, Order)
            if before is None:
                await self._doors.must_be_open(database, basket.cafeteria_id, self._clock())
                total = await stock.cost(database, basket.cafeteria_id, quantities)
                if basket.expected_minor not in (None, total):
                    raise PriceError(total)
                await wallet.must_suffice(database, caller.id, total)
            return before

        return await self._database.write(look, by=[caller.id])

    async def move(
        self,
        caller: Principal,
        order_id: int,
        status: OrderStatus,
        version: int,
        reason: str | None = None,
    ) -> Order:
        """The order in its next state, if it is still of the `version` that the caller has seen.

        What is cancelled or rejected, for a `reason` if one is told, goes back on sale, and its
        price into the wallet. Raises NotFoundError, ForbiddenError, MovedOnError,
        IllegalMoveError, and InvalidError where anything else has a reason.
        """
        if reason is not None and status not in _UNDONE:
            raise InvalidError("Only what is cancelled or rejected has a reason.")
        step = Step(order_id, status, version, reason)
        for _ in range(MOST_TRIES):
            order = await self._moved(caller, step)
            if order is not None:
                self._announced()
                return order
            await self._must_be_allowed(caller, step)
        raise UnavailableError("Too much is changed at once.", 1)

    async def _moved(self, caller: Principal, step: Step) -> Order | None:
        """The order in its next state, if nothing stands in its way."""
        concerned: set[int] = set()
        is_undone = step.status in _UNDONE

        async def change(database: Writer) -> Order:
            order = await moved(database, caller, step)
            concerned.update((caller.id, order.user_id))
            if is_undone:
                quantities = {item.product_id: item.quantity for item in order.items}
                await stock.put_back(database, quantities)
                await wallet.refund(database, order.user_id, order.id)
            return order

        try:
            return await self._database.write(change, by=concerned, is_single=not is_undone)
        except UnmovedError:
            return None

    async def _must_be_allowed(self, caller: Principal, step: Step) -> None:
        """Raises what stands in the way of a move."""

        async def look(database: Writer) -> None:
            await must_be_active(database, caller.id)
            values = {"order": step.order_id, **parties(caller)}
            before = (await database.execute(_BEFORE[caller.role], values)).one_or_none()
            if before is None:
                raise NotFoundError("order", step.order_id)
            _must_be_allowed(caller, before, step)

        await self._database.write(look)


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


def _must_be_allowed(caller: Principal, before: _Before, step: Step) -> None:
    # Staff, too, at another counter than theirs.
    customer = not caller.runs(before.cafeteria_id)
    present = before.version, before.status
    if customer and step.status not in BY_CUSTOMER:
        raise ForbiddenError("The counter does that; you may cancel the order.")
    if before.version != step.version:
        message = f"The order is {before.status} now, in version {before.version}."
        raise MovedOnError(message, *present)
    if before.status not in BY_COUNTER[step.status]:
        message = f"An order that is {before.status} does not become {step.status}."
        raise IllegalMoveError(message, *present)
    if customer and before.status not in BY_CUSTOMER[step.status]:
        raise IllegalMoveError("The order is being prepared; ask at the counter.", *present)
