"""What was ordered and earned, for those who run a counter, and those who run the campus.

All of it is read from replicas for analytics and reports, so it is a moment behind. A day is a
cafeteria's own, from midnight to midnight in its time zone.
"""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Integer,
    Select,
    and_,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
    tuple_,
    type_coerce,
)

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader
from domain.database import Role as Node
from domain.errors import ForbiddenError, InvalidError
from domain.model import OrderStatus, Role, TransactionKind
from domain.product_sales import SALES, refreshed_at

MOST_DAYS: Final = 31
"""Of orders, which are read one by one."""
MOST_DAYS_OF_PRODUCTS: Final = 366
MOST_PRODUCTS: Final = 100
BATCH: Final = 1000
_UNDONE: Final = (OrderStatus.CANCELLED, OrderStatus.REJECTED)


class Grouping(StrEnum):
    """What sales are summed by."""

    HOUR = "hour"
    CAFETERIA = "cafeteria"
    CATEGORY = "category"


class Span(Struct, frozen=True):
    """Days from `first` to `last`, both included."""

    first: date
    last: date


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


class Bestsellers(Struct, frozen=True):
    """Products by portions sold, the most first, as of a moment; None before the first hour."""

    as_of: datetime | None
    products: list[Sold]


class Sum(Struct, frozen=True):
    """What was sold in an hour of the day (0 to 23), at a cafeteria or of a category, by `key`.

    Orders are counted where they are not divided: not by category. Portions only there.
    """

    key: int
    name: str
    orders: int | None
    portions: int | None
    revenue_minor: int


class Exported(Struct, frozen=True):
    """An order as a row of an export."""

    id: int
    created_at: datetime
    cafeteria_id: int
    user_id: int
    status: OrderStatus
    total_minor: int


class Reports:
    """Reports for staff, of their own cafeteria, and for administrators, of any or all.

    Every method raises ForbiddenError for anybody else, and UnavailableError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def today(self, caller: Principal, cafeteria_id: int | None, now: datetime) -> list[Day]:
        """The day that it is at the aware instant `now`, for each cafeteria."""
        place, order = model.Cafeteria, model.Order
        day = cast(func.timezone(place.time_zone, literal(now, DateTime(timezone=True))), Date)
        its_today = _of_local_days(day, day)
        undone = order.status.in_(_UNDONE)
        ledger = _ledger_of(order.id)
        statement = (
            select(
                place.id,
                place.name,
                day,
                func.count(order.id).filter(~undone),
                _sum(order.total_minor, ~undone),
                func.count(order.id).filter(order.status == OrderStatus.CANCELLED),
                func.count(order.id).filter(order.status == OrderStatus.REJECTED),
                func.count(order.id).filter(ledger.c.paid),
                func.count(order.id).filter(ledger.c.refunded),
            )
            .select_from(place)
            .outerjoin(
                order,
                and_(order.cafeteria_id == place.id, _around(now, now), its_today),
            )
            .outerjoin(ledger, true())
            .where(_at(place.id, _counter(caller, cafeteria_id)))
            .group_by(place.id)
            .order_by(place.name)
        )
        return [Day(*row) for row in await self._database.rows(Node.ANALYTICS, statement)]

    async def products(
        self, caller: Principal, cafeteria_id: int | None, span: Span, limit: int
    ) -> Bestsellers:
        """What was sold most, as the view of sales knows it. Raises InvalidError."""
        _bounded(span, MOST_DAYS_OF_PRODUCTS)
        sold = (
            select(
                SALES.c.product_id,
                func.sum(SALES.c.portions).label("portions"),
                func.sum(SALES.c.revenue_minor).label("revenue_minor"),
            )
            .where(
                SALES.c.day.between(span.first, span.last),
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

        async def read(database: Reader) -> Bestsellers:
            as_of = await database.scalar(refreshed_at())
            rows = await database.execute(statement)
            return Bestsellers(as_of, [Sold(*row) for row in rows])

        return await self._database.read(Node.ANALYTICS, read)

    async def sales(
        self, caller: Principal, cafeteria_id: int | None, span: Span, by: Grouping
    ) -> list[Sum]:
        """Sums in the order of their keys, those of nothing left out. Raises InvalidError."""
        _bounded(span, MOST_DAYS)
        counter = _counter(caller, cafeteria_id)
        statement = _SALES_BY[by](span, counter)
        return [Sum(*row) for row in await self._database.rows(Node.ANALYTICS, statement)]

    async def export(
        self, caller: Principal, cafeteria_id: int | None, span: Span
    ) -> AsyncIterator[list[Exported]]:
        """The orders of some days in batches, by cafeteria and then as they came.

        Each batch is a read of its own: a slow reader holds no connection, and a replica that is
        lost meanwhile is nobody's problem. Raises InvalidError.
        """
        _bounded(span, MOST_DAYS)
        counter = _counter(caller, cafeteria_id)
        days = literal(span.first, Date), literal(span.last, Date)
        places = select(model.Cafeteria.id, *_bounds(*days)).order_by(model.Cafeteria.id)
        for place, begins, ends in await self._database.rows(
            Node.REPORTS, places.where(_at(model.Cafeteria.id, counter))
        ):
            # Ids are positive.
            after = begins, 0
            while batch := await self._batch(place, after, ends):
                yield batch
                if len(batch) < BATCH:
                    break
                after = batch[-1].created_at, batch[-1].id

    async def _batch(
        self, place: int, after: tuple[datetime, int], ends: datetime
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
            )
            .order_by(order.created_at, order.id)
            .limit(BATCH)
        )
        return [Exported(*row) for row in await self._database.rows(Node.REPORTS, statement)]


def _counter(caller: Principal, cafeteria_id: int | None) -> int | None:
    """Whose orders the caller may be told of; None for all."""
    if caller.role is Role.ADMIN:
        return cafeteria_id
    if caller.role is not Role.STAFF or cafeteria_id not in (None, caller.cafeteria_id):
        raise ForbiddenError("Reports are for the staff of the cafeteria.")
    return caller.cafeteria_id


def _bounded(span: Span, days: int) -> None:
    if not timedelta() <= span.last - span.first < timedelta(days=days):
        raise InvalidError(f"A report is of 1 to {days} days, the first before the last.")
    if not 2000 <= span.first.year <= span.last.year < 3000:
        raise InvalidError("A report is of days of our time.")


def _at(column: Any, counter: int | None) -> ColumnElement[bool]:
    return true() if counter is None else column == counter


def _of_days(span: Span) -> ColumnElement[bool]:
    """Whether an order is of these days at its cafeteria."""
    begins = datetime.combine(span.first, time(), UTC)
    return and_(
        _around(begins, begins + (span.last - span.first)),
        _of_local_days(literal(span.first, Date), literal(span.last, Date)),
    )


def _of_local_days(first: ColumnElement[date], last: ColumnElement[date]) -> ColumnElement[bool]:
    begins, ends = _bounds(first, last)
    return and_(model.Order.created_at >= begins, model.Order.created_at < ends)


def _bounds(
    first: ColumnElement[date], last: ColumnElement[date]
) -> tuple[ColumnElement[datetime], ColumnElement[datetime]]:
    """The instants from which, and before which, it is one of these days at a cafeteria."""

    def midnight(day: ColumnElement[date]) -> ColumnElement[datetime]:
        at = func.timezone(model.Cafeteria.time_zone, cast(day, DateTime))
        return type_coerce(at, DateTime(timezone=True))

    return midnight(first), midnight(cast(last + 1, Date))


def _around(first: datetime, last: datetime) -> ColumnElement[bool]:
    """Two days to either side, for no clock is further off: by instants that differ from place
    to place alone, the planner would read the whole table."""
    room = timedelta(days=2)
    begins, ends = (literal(at, DateTime(timezone=True)) for at in (first - room, last + room))
    return model.Order.created_at.between(begins, ends)


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


def _by_hour(span: Span, counter: int | None) -> Select[*tuple[Any, ...]]:
    at = func.timezone(model.Cafeteria.time_zone, model.Order.created_at)
    # By their labels: the same expression with parameters of its own would be another one.
    return (
        _of_orders(
            cast(func.date_part(literal_column("'hour'"), at), Integer).label("hour"),
            func.to_char(at, literal_column("'HH24:00'")).label("called"),
            span,
            counter,
        )
        .group_by("hour", "called")
        .order_by("hour")
    )


def _by_cafeteria(span: Span, counter: int | None) -> Select[*tuple[Any, ...]]:
    key, name = model.Cafeteria.id, model.Cafeteria.name
    return _of_orders(key, name, span, counter).group_by(key).order_by(key)


def _of_orders(key: Any, name: Any, span: Span, counter: int | None) -> Select[*tuple[Any, ...]]:
    return (
        select(key, name, func.count(), null(), _sum(model.Order.total_minor))
        .select_from(model.Cafeteria)
        .join(model.Order, model.Order.cafeteria_id == model.Cafeteria.id)
        .where(
            _at(model.Cafeteria.id, counter),
            _of_days(span),
            model.Order.status.not_in(_UNDONE),
        )
    )


def _by_category(span: Span, counter: int | None) -> Select[*tuple[Any, ...]]:
    category = model.Category
    return (
        select(
            category.id, category.name, null(), _sum(SALES.c.portions), _sum(SALES.c.revenue_minor)
        )
        .select_from(SALES)
        .join(model.Product, model.Product.id == SALES.c.product_id)
        .join(category, category.id == model.Product.category_id)
        .where(SALES.c.day.between(span.first, span.last), _at(SALES.c.cafeteria_id, counter))
        .group_by(category.id)
        .order_by(category.id)
    )


_SALES_BY: Final = {
    Grouping.HOUR: _by_hour,
    Grouping.CAFETERIA: _by_cafeteria,
    Grouping.CATEGORY: _by_category,
}
