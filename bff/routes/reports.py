"""What a counter, or the campus, took today, sold most, and when; and its orders as CSV."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import QueryParameter
from litestar.response import Stream

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation.views import View
from domain.accounts import Principal
from domain.model.money import to_decimal
from domain.reports import (
    MOST_DAYS,
    MOST_DAYS_OF_PRODUCTS,
    MOST_PRODUCTS,
    Day,
    Exported,
    Grouping,
    Reports,
    Span,
)

BEARER = [{"bearer": list[str]()}]
PROBLEMS: Final = (
    kinds.INVALID_PARAMETER,
    kinds.UNAUTHENTICATED,
    kinds.FORBIDDEN,
    kinds.UNAVAILABLE,
)
CafeteriaId = Annotated[
    int | None,
    QueryParameter(
        name="cafeteriaId",
        ge=1,
        le=2**63 - 1,
        description="of this cafeteria only; staff have no other than their own",
    ),
]
First = Annotated[
    str | None,
    QueryParameter(
        name="from", max_length=10, description="the first day, like 2026-11-24; today, if not said"
    ),
]
Last = Annotated[
    str | None,
    QueryParameter(
        name="to",
        max_length=10,
        description=f"the last day, of {MOST_DAYS}; the first, if not said",
    ),
]


class DayView(View, frozen=True):
    """A cafeteria's day so far. Orders and revenue are without those cancelled and rejected; the
    share of all its orders that were paid for, and not given back, is null before the first."""

    cafeteria_id: int
    cafeteria: str
    date: str
    orders: int
    revenue: str
    cancelled: int
    rejected: int
    paid: int
    refunded: int
    payment_success_rate: float | None


class TodayView(View, frozen=True):
    """Each cafeteria's today, by its own clock."""

    data: list[DayView]


class SoldView(View, frozen=True):
    """How much was sold of a product."""

    product_id: int
    name: str
    cafeteria_id: int
    category_id: int
    portions: int
    revenue: str


class BestsellersView(View, frozen=True):
    """The products sold most, as of a moment: it is made anew each hour."""

    as_of: datetime | None
    data: list[SoldView]


class SumView(View, frozen=True):
    """What an hour of the day (key 0 to 23), a cafeteria or a category (key is its id) sold:
    orders, or, by category, portions."""

    key: int
    name: str
    orders: int | None
    portions: int | None
    revenue: str


class SalesView(View, frozen=True):
    """Sums in the order of their keys."""

    data: list[SumView]


@get(
    "/api/reports/today",
    summary="Today's orders and revenue",
    tags=["reports"],
    security=BEARER,
    responses=declared(*PROBLEMS),
)
async def report_today(
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cafeteria_id: CafeteriaId = None,
) -> TodayView:
    """Staff see their own cafeteria's, administrators each one's."""
    days = await reports.today(principal, cafeteria_id, datetime.now(UTC))
    return TodayView([_day(each) for each in days])


@get(
    "/api/reports/products",
    summary="The products sold most",
    tags=["reports"],
    security=BEARER,
    responses=declared(*PROBLEMS),
)
async def report_products(
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cafeteria_id: CafeteriaId = None,
    days: Annotated[
        int,
        QueryParameter(ge=1, le=MOST_DAYS_OF_PRODUCTS, description="of so many days, up to today"),
    ] = 7,
    limit: Annotated[
        int, QueryParameter(ge=1, le=MOST_PRODUCTS, description="so many products")
    ] = 10,
) -> BestsellersView:
    """Products by portions, the most first. What was cancelled or rejected was not sold."""
    today = datetime.now(UTC).date()
    span = Span(today - timedelta(days=days - 1), today)
    found = await reports.products(principal, cafeteria_id, span, limit)
    sold = [
        SoldView(
            product_id=row.product_id,
            name=row.name,
            cafeteria_id=row.cafeteria_id,
            category_id=row.category_id,
            portions=row.portions,
            revenue=to_decimal(row.revenue_minor),
        )
        for row in found.products
    ]
    return BestsellersView(found.as_of, sold)


@get(
    "/api/reports/sales",
    summary="Sales by hour, cafeteria or category",
    tags=["reports"],
    security=BEARER,
    responses=declared(*PROBLEMS, kinds.UNPROCESSABLE),
)
async def report_sales(
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cafeteria_id: CafeteriaId = None,
    first: First = None,
    last: Last = None,
    by: Annotated[
        Literal["hour", "cafeteria", "category"], QueryParameter(description="what is summed by")
    ] = "hour",
) -> SalesView:
    """Sums over some days, which are the cafeterias' own. What was cancelled or rejected was not
    sold; by category it is as of the last full hour."""
    rows = await reports.sales(principal, cafeteria_id, _span(first, last), Grouping(by))
    return SalesView(
        [
            SumView(row.key, row.name, row.orders, row.portions, to_decimal(row.revenue_minor))
            for row in rows
        ]
    )


@get(
    "/api/reports/orders.csv",
    summary="Orders as CSV",
    tags=["reports"],
    security=BEARER,
    media_type="text/csv",
    responses=declared(*PROBLEMS, kinds.UNPROCESSABLE),
)
async def export_orders(
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cafeteria_id: CafeteriaId = None,
    first: First = None,
    last: Last = None,
) -> Stream:
    """All orders of some days (RFC 4180), by cafeteria and then as they came, while they are read:
    an answer that breaks off is not whole."""
    batches = reports.export(principal, cafeteria_id, _span(first, last))
    # What is wrong is told before the answer begins.
    head: list[Exported] = await anext(batches, [])
    return Stream(
        _lines(head, batches),
        media_type="text/csv",
        headers={
            "Content-Disposition": 'attachment; filename="orders.csv"',
            "Cache-Control": "no-store",
        },
    )


async def _lines(
    head: list[Exported], batches: AsyncIterator[list[Exported]]
) -> AsyncIterator[str]:
    columns = ("id", "createdAt", "cafeteriaId", "userId", "status", "totalAmount")
    yield ",".join(columns) + "\r\n"
    yield _csv(head)
    async for batch in batches:
        yield _csv(batch)


def _csv(batch: list[Exported]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(
        (
            row.id,
            row.created_at.isoformat().replace("+00:00", "Z"),
            row.cafeteria_id,
            row.user_id,
            row.status,
            to_decimal(row.total_minor),
        )
        for row in batch
    )
    return text.getvalue()


def _day(row: Day) -> DayView:
    all_orders = row.orders + row.cancelled + row.rejected
    return DayView(
        cafeteria_id=row.cafeteria_id,
        cafeteria=row.cafeteria,
        date=row.day.isoformat(),
        orders=row.orders,
        revenue=to_decimal(row.revenue_minor),
        cancelled=row.cancelled,
        rejected=row.rejected,
        paid=row.paid,
        refunded=row.refunded,
        payment_success_rate=(row.paid - row.refunded) / all_orders if all_orders else None,
    )


def _span(first: str | None, last: str | None) -> Span:
    begins = datetime.now(UTC).date() if first is None else _date("from", first)
    return Span(begins, begins if last is None else _date("to", last))


def _date(parameter: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        wrong = {"key": parameter, "message": "it is no day like 2026-11-24", "source": "query"}
        raise ValidationException(extra=[wrong]) from error
