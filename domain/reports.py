"""What was ordered and earned, for those who run a counter, and those who run the campus.

All of it is read from replicas for analytics and reports, so it is a moment behind, and tells
which. A day is a cafeteria's own.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct, structs
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
    tuple_,
)

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader
from domain.database import Role as Node
from domain.days import Days, Recent, Span, among, bounds, within
from domain.errors import ForbiddenError, InvalidError
from domain.model import OrderStatus, PaymentStatus, Role, Transaction, TransactionKind
from domain.model.paging import Position, Stretch
from domain.model.selection import Selection
from domain.product_sales import SALES, refreshed_at
from domain.timeline import Part, Timeline

T = TypeVar("T")

MOST_DAYS: Final = 31
"""Of orders, which are read one by one."""
MOST_DAYS_OF_PRODUCTS: Final = 366
MOST_PRODUCTS: Final = 100
BATCH: Final = 1000
_UNDONE: Final = (OrderStatus.CANCELLED, OrderStatus.REJECTED)
_ZONE: Final = model.Cafeteria.time_zone


class Grouping(StrEnum):
    """What sales are summed by."""

    HOUR = "hour"
    CAFETERIA = "cafeteria"
    CATEGORY = "category"


class Report(Struct, Generic[T], frozen=True):
    """Rows that know of all there was at a moment, and perhaps of more; None before there is one
    to tell."""

    as_of: datetime | None
    rows: list[T]


class Day(Struct, frozen=True):
    """A cafeteria's day so far. `orders` and `revenue_minor` are without those that came to
    nothing, which are `cancelled` and `rejected`; of all, `paid` were paid for, and `refunded`
    of these."""

    cafeteria_id: int
    cafeteria: str
    day: date
    orders: int
    revenue_minor: int
    cancelled: int
    rejected: int
    paid: int
    refunded: int


class Sold(Struct, frozen=True):
    """How much was sold of a product."""

    product_id: int
    name: str
    cafeteria_id: int
    category_id: int
    portions: int
    revenue_minor: int


class Sum(Struct, frozen=True):
    """What was sold in an hour of the day (0 to 23), at a cafeteria or of a category, by `key`.

    Orders are counted where they are not divided: not by category. Portions only there.
    """

    key: int
    name: str
    orders: int | None
    portions: int | None
    revenue_minor: int


class Cards(Struct, frozen=True):
    """Top-ups by card, as the provider answered; `declines` by reason, the most frequent first.

    `amount_minor` is of those that succeeded.
    """

    succeeded: int
    declined: int
    pending: int
    amount_minor: int
    declines: dict[str, int]

    @property
    def success_rate(self) -> float | None:
        """Of those that the provider has answered, the share that succeeded; None of none."""
        answered = self.succeeded + self.declined
        return self.succeeded / answered if answered else None


class Cash(Struct, frozen=True):
    """Cash that the staff of a cafeteria took; of none (None), what administrators did."""

    cafeteria_id: int | None
    cafeteria: str | None
    payments: int
    amount_minor: int


class Takings(Struct, frozen=True):
    """Money that came into wallets. `cards` is None where one counter is asked for: cards are
    charged at none."""

    as_of: datetime | None
    cards: Cards | None
    cash: list[Cash]


class Exported(Struct, frozen=True):
    """An order as a row of an export."""

    id: int
    created_at: datetime
    cafeteria_id: int
    user_id: int
    status: OrderStatus
    total_minor: int


class Offered(Struct, frozen=True):
    """A product as a row of an export."""

    id: int
    cafeteria_id: int
    category: str
    name: str
    price_minor: int
    stock: int
    is_available: bool


class Lines(Struct, frozen=True):
    """Which lines of the ledger; what is not said, any. No cafeteria's are those of top-ups."""

    cafeteria_id: int | None = None
    kind: TransactionKind | None = None
    order_id: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


_PLACE: Final = bindparam("cafeteria_id", type_=BigInteger)
_LINES: Final = Timeline(
    {
        "id": Transaction.id.expression,
        "user_id": Transaction.user_id.expression,
        "customer_name": select(model.User.name)
        .where(model.User.id == Transaction.user_id)
        .scalar_subquery(),
        "kind": Transaction.kind.expression,
        "amount_minor": Transaction.amount_minor.expression,
        "order_id": Transaction.order_id.expression,
        "created_at": Transaction.created_at.expression,
    },
    {
        "cafeteria_id": and_(
            Transaction.order_id.in_(
                select(model.Order.id).where(model.Order.cafeteria_id == _PLACE)
            ),
            # Or what others had before its first order would be looked through for a new one.
            Transaction.created_at
            >= select(func.min(model.Order.created_at))
            .where(model.Order.cafeteria_id == _PLACE)
            .scalar_subquery(),
        ),
        "kind": Transaction.kind == bindparam("kind", type_=Transaction.kind.type),
        "order_id": Transaction.order_id == bindparam("order_id", type_=BigInteger),
        "created_from": Transaction.created_at
        >= bindparam("created_from", type_=DateTime(timezone=True)),
        "created_to": Transaction.created_at
        < bindparam("created_to", type_=DateTime(timezone=True)),
    },
)


class Reports:
    """Reports for staff, of their own cafeteria, and for administrators, of any or all.

    Every method raises ForbiddenError for anybody else, and UnavailableError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def today(
        self, caller: Principal, cafeteria_id: int | None, now: datetime
    ) -> Report[Day]:
        """The day that it is at the aware instant `now`, for each cafeteria."""
        place, order, days = model.Cafeteria, model.Order, Recent(now)
        undone = order.status.in_(_UNDONE)
        ledger = _ledger_of(order.id)
        statement = (
            select(
                place.id,
                place.name,
                days.at(_ZONE)[1],
                func.count(order.id).filter(~undone),
                _sum(order.total_minor, ~undone),
                func.count(order.id).filter(order.status == OrderStatus.CANCELLED),
                func.count(order.id).filter(order.status == OrderStatus.REJECTED),
                func.count(order.id).filter(ledger.c.paid),
                func.count(order.id).filter(ledger.c.refunded),
            )
            .select_from(place)
            .outerjoin(
                order, and_(order.cafeteria_id == place.id, within(days, order.created_at, _ZONE))
            )
            .outerjoin(ledger, true())
            .where(_at(place.id, _counter(caller, cafeteria_id)))
            .group_by(place.id)
            .order_by(place.name)
        )
        as_of, rows = await self._read(statement)
        return Report(as_of, [Day(*row) for row in rows])

    async def products(
        self, caller: Principal, cafeteria_id: int | None, days: Days, limit: int
    ) -> Report[Sold]:
        """What was sold most, by portions, as the view of sales knows it. Raises InvalidError."""
        _bounded(days, MOST_DAYS_OF_PRODUCTS)
        sold = (
            select(
                SALES.c.product_id,
                func.sum(SALES.c.portions).label("portions"),
                func.sum(SALES.c.revenue_minor).label("revenue_minor"),
            )
            .join(model.Cafeteria, model.Cafeteria.id == SALES.c.cafeteria_id)
            .where(
                among(days, SALES.c.day, _ZONE),
                _at(SALES.c.cafeteria_id, _counter(caller, cafeteria_id)),
            )
            .group_by(SALES.c.product_id)
            .order_by(func.sum(SALES.c.portions).desc(), SALES.c.product_id)
            .limit(min(limit, MOST_PRODUCTS))
            .subquery("sold")
        )
        product = model.Product
        statement = (
            select(
                product.id,
                product.name,
                product.cafeteria_id,
                product.category_id,
                cast(sold.c.portions, BigInteger),
                cast(sold.c.revenue_minor, BigInteger),
            )
            .join(sold, sold.c.product_id == product.id)
            .order_by(sold.c.portions.desc(), product.id)
        )
        as_of, rows = await self._read(statement, of_view=True)
        return Report(as_of, [Sold(*row) for row in rows])

    async def sales(
        self, caller: Principal, cafeteria_id: int | None, days: Days, by: Grouping
    ) -> Report[Sum]:
        """Sums in the order of their keys, those of nothing left out. Raises InvalidError."""
        _bounded(days, MOST_DAYS)
        statement = _SALES_BY[by](days, _counter(caller, cafeteria_id))
        as_of, rows = await self._read(statement, of_view=by is Grouping.CATEGORY)
        return Report(as_of, [Sum(*row) for row in rows])

    async def takings(self, caller: Principal, cafeteria_id: int | None, days: Days) -> Takings:
        """How money came into wallets, and how often it did not. Raises InvalidError.

        A card is charged at no cafeteria, nor is cash taken by who belongs to none: their days
        are UTC's. Orders are not in it: one that its wallet does not pay for is not placed.
        """
        _bounded(days, MOST_DAYS)
        counter = _counter(caller, cafeteria_id)
        payment, place = model.Payment, model.Cafeteria
        key = place.id, place.name, payment.taken_by.is_(None), payment.status
        statement = (
            select(*key, payment.decline_reason, func.count(), _sum(payment.amount_minor))
            .select_from(payment)
            .outerjoin(model.User, model.User.id == payment.taken_by)
            .outerjoin(place, place.id == model.User.cafeteria_id)
            .where(
                _at(place.id, counter),
                within(days, payment.created_at, func.coalesce(_ZONE, literal_column("'UTC'"))),
            )
            .group_by(*key, payment.decline_reason)
            .order_by(place.name, func.count().desc(), payment.decline_reason)
        )
        as_of, rows = await self._read(statement)
        cards = [tuple(row[3:]) for row in rows if row[2]]
        cash = [Cash(*row[:2], *row[5:]) for row in rows if not row[2]]
        return Takings(as_of, _cards(cards) if counter is None else None, cash)

    async def transactions(
        self, caller: Principal, selection: Selection, part: Part, lines: Lines
    ) -> Stretch[Sequence[Any], Position]:
        """The ledger, the newest first: payments and refunds of a cafeteria's orders, or, for
        administrators who name none, all of it."""
        counter = _counter(caller, lines.cafeteria_id)
        given = structs.asdict(structs.replace(lines, cafeteria_id=counter))
        given = {name: value for name, value in given.items() if value is not None}

        async def read(database: Reader) -> Stretch[Sequence[Any], Position]:
            return await _LINES.read(database, selection, part, given)

        return await self._database.read(Node.REPORTS, read)

    async def menu(
        self, caller: Principal, cafeteria_id: int | None
    ) -> AsyncIterator[list[Offered]]:
        """The products that were not withdrawn, in batches, by id."""
        product, after = model.Product, 0
        counter = _counter(caller, cafeteria_id)
        while True:
            statement = (
                select(
                    product.id,
                    product.cafeteria_id,
                    model.Category.name,
                    product.name,
                    product.price_minor,
                    product.stock,
                    product.is_available,
                )
                .join(model.Category, model.Category.id == product.category_id)
                .where(
                    product.id > after,
                    product.withdrawn_at.is_(None),
                    _at(product.cafeteria_id, counter),
                )
                .order_by(product.id)
                .limit(BATCH)
            )
            rows = await self._database.rows(Node.REPORTS, statement)
            batch = [Offered(*row) for row in rows]
            yield batch
            if len(batch) < BATCH:
                return
            after = batch[-1].id

    async def export(
        self,
        caller: Principal,
        cafeteria_id: int | None,
        days: Days,
        statuses: Sequence[OrderStatus] = tuple(OrderStatus),
    ) -> AsyncIterator[list[Exported]]:
        """The orders of some days in batches, by cafeteria and then as they came.

        Each batch is a read of its own: a slow reader holds no connection, and a replica that is
        lost meanwhile is nobody's problem. Raises InvalidError.
        """
        _bounded(days, MOST_DAYS)
        counter = _counter(caller, cafeteria_id)
        places = select(model.Cafeteria.id, *bounds(days, _ZONE)).order_by(model.Cafeteria.id)
        for place, begins, ends in await self._database.rows(
            Node.REPORTS, places.where(_at(model.Cafeteria.id, counter))
        ):
            # Ids are positive.
            after = begins, 0
            while batch := await self._batch(place, after, ends, statuses):
                yield batch
                if len(batch) < BATCH:
                    break
                after = batch[-1].created_at, batch[-1].id

    async def _batch(
        self,
        place: int,
        after: tuple[datetime, int],
        ends: datetime,
        statuses: Sequence[OrderStatus],
    ) -> list[Exported]:
        order = model.Order
        at, key = after
        behind = literal(at, DateTime(timezone=True)), literal(key, BigInteger)
        statement = (
            select(
                order.id,
                order.created_at,
                order.cafeteria_id,
                order.user_id,
                order.status,
                order.total_minor,
            )
            .where(
                order.cafeteria_id == place,
                tuple_(order.created_at, order.id) > tuple_(*behind),
                order.created_at < ends,
                order.status.in_(statuses),
            )
            .order_by(order.created_at, order.id)
            .limit(BATCH)
        )
        return [Exported(*row) for row in await self._database.rows(Node.REPORTS, statement)]

    async def _read(
        self, statement: Select[*tuple[Any, ...]], *, of_view: bool = False
    ) -> tuple[datetime | None, Sequence[Row[*tuple[Any, ...]]]]:
        """The rows, and the moment that they, or the view of sales, are of."""

        async def read(database: Reader) -> tuple[datetime | None, Sequence[Row[*tuple[Any, ...]]]]:
            # Before the rows, which may be of a later moment but of no earlier one.
            as_of = await (database.scalar(refreshed_at()) if of_view else database.as_of())
            return as_of, (await database.execute(statement)).all()

        return await self._database.read(Node.ANALYTICS, read)


def _counter(caller: Principal, cafeteria_id: int | None) -> int | None:
    """Whose orders the caller may be told of; None for all."""
    if caller.role is Role.ADMIN:
        return cafeteria_id
    if caller.role is not Role.STAFF or cafeteria_id not in (None, caller.cafeteria_id):
        raise ForbiddenError("Reports are for the staff of the cafeteria.")
    return caller.cafeteria_id


def _bounded(days: Days, most: int) -> None:
    if not 1 <= days.number <= most:
        raise InvalidError(f"A report is of 1 to {most} days, the first before the last.")
    if isinstance(days, Span) and not 2000 <= days.first.year <= days.last.year < 3000:
        raise InvalidError("A report is of days of our time.")


def _at(column: Any, counter: int | None) -> ColumnElement[bool]:
    return true() if counter is None else column == counter


def _cards(rows: Sequence[tuple[PaymentStatus, str | None, int, int]]) -> Cards:
    """Of rows of status, reason, number and amount."""
    several = dict.fromkeys(PaymentStatus, 0)
    for status, _, number, _ in rows:
        several[status] += number
    return Cards(
        succeeded=several[PaymentStatus.SUCCEEDED],
        declined=several[PaymentStatus.DECLINED],
        pending=several[PaymentStatus.PENDING],
        amount_minor=sum(row[3] for row in rows if row[0] is PaymentStatus.SUCCEEDED),
        declines={reason: number for _, reason, number, _ in rows if reason is not None},
    )


def _ledger_of(order_id: Any) -> FromClause:
    line = model.Transaction
    return (
        select(
            func.bool_or(line.kind == TransactionKind.PAYMENT).label("paid"),
            func.bool_or(line.kind == TransactionKind.REFUND).label("refunded"),
        )
        .where(line.order_id == order_id)
        .lateral("ledger")
    )


def _sum(column: Any, condition: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    total = func.sum(column)
    return cast(
        func.coalesce(total if condition is None else total.filter(condition), 0), BigInteger
    )


def _by_hour(days: Days, counter: int | None) -> Select[*tuple[Any, ...]]:
    at = func.timezone(_ZONE, model.Order.created_at)
    # By their labels: the same expression with parameters of its own would be another one.
    return (
        _of_orders(
            cast(func.date_part(literal_column("'hour'"), at), Integer).label("hour"),
            func.to_char(at, literal_column("'HH24:00'")).label("called"),
            days,
            counter,
        )
        .group_by("hour", "called")
        .order_by("hour")
    )


def _by_cafeteria(days: Days, counter: int | None) -> Select[*tuple[Any, ...]]:
    key, name = model.Cafeteria.id, model.Cafeteria.name
    return _of_orders(key, name, days, counter).group_by(key).order_by(key)


def _of_orders(key: Any, name: Any, days: Days, counter: int | None) -> Select[*tuple[Any, ...]]:
    return (
        select(key, name, func.count(), null(), _sum(model.Order.total_minor))
        .select_from(model.Cafeteria)
        .join(model.Order, model.Order.cafeteria_id == model.Cafeteria.id)
        .where(
            _at(model.Cafeteria.id, counter),
            within(days, model.Order.created_at, _ZONE),
            model.Order.status.not_in(_UNDONE),
        )
    )


def _by_category(days: Days, counter: int | None) -> Select[*tuple[Any, ...]]:
    category = model.Category
    return (
        select(
            category.id, category.name, null(), _sum(SALES.c.portions), _sum(SALES.c.revenue_minor)
        )
        .select_from(SALES)
        .join(model.Product, model.Product.id == SALES.c.product_id)
        .join(category, category.id == model.Product.category_id)
        .join(model.Cafeteria, model.Cafeteria.id == SALES.c.cafeteria_id)
        .where(among(days, SALES.c.day, _ZONE), _at(SALES.c.cafeteria_id, counter))
        .group_by(category.id)
        .order_by(category.id)
    )


_SALES_BY: Final = {
    Grouping.HOUR: _by_hour,
    Grouping.CAFETERIA: _by_cafeteria,
    Grouping.CATEGORY: _by_category,
}
