"""What a counter, or the campus, took today, sold most, and when; and its orders as CSV."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import QueryParameter
from litestar.response import Stream

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation import views
from bff.representation.answers import Answer, streamed
from bff.representation.fields import Fields
from bff.representation.pages import (
    Cursor,
    Cursors,
    Page,
    PageLimit,
    PageNumber,
    listing,
)
from bff.representation.pages import declared as shown
from bff.representation.views import View
from bff.routes.inputs import MOST_ID
from bff.routes.wallet import CreatedFrom, CreatedTo
from domain.accounts import Principal
from domain.days import Days, Recent, Span
from domain.model import OrderStatus, TransactionKind
from domain.model.money import to_decimal
from domain.model.paging import Position
from domain.reports import (
    MOST_DAYS,
    MOST_DAYS_OF_PRODUCTS,
    MOST_PRODUCTS,
    Cards,
    Day,
    Exported,
    Grouping,
    Lines,
    Offered,
    Reports,
)

T = TypeVar("T")

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
        le=MOST_ID,
        description="of this cafeteria only; staff have no other than their own",
    ),
]
First = Annotated[
    date | None,
    QueryParameter(
        name="from",
        description="the first day, like 2026-11-24; if not said, each cafeteria's own today",
    ),
]
Last = Annotated[
    date | None,
    QueryParameter(
        name="to",
        description=f"the last day, of {MOST_DAYS} at most; the first, if not said",
    ),
]


class DayView(View, frozen=True):
    """A cafeteria's day so far. Orders and revenue are without those cancelled and rejected; of
    all of its orders so many were paid for, and so many of these given back."""

    cafeteria_id: int
    cafeteria: str
    date: str
    orders: int
    revenue: str
    cancelled: int
    rejected: int
    paid: int
    refunded: int


class TodayView(View, frozen=True):
    """Each cafeteria's today, by its own clock, as of a moment."""

    as_of: datetime | None
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
    """Sums in the order of their keys, as of a moment; by category they are made anew each
    hour."""

    as_of: datetime | None
    data: list[SumView]


class DeclineView(View, frozen=True):
    """How often the provider declined for a reason."""

    reason: str
    payments: int


class CardsView(View, frozen=True):
    """Top-ups by card. The success rate is the share of those that the provider has answered,
    succeeded / (succeeded + declined), null before the first; the amount is what came."""

    succeeded: int
    declined: int
    pending: int
    amount: str
    success_rate: float | None
    decline_reasons: list[DeclineView]


class CashView(View, frozen=True):
    """Cash that a cafeteria's present staff took; null is what administrators took."""

    cafeteria_id: int | None
    cafeteria: str | None
    payments: int
    amount: str


class TakingsView(View, frozen=True):
    """How money came into wallets, as of a moment; cards are null where it is of one cafeteria,
    for they are charged at none."""

    as_of: datetime | None
    cards: CardsView | None
    cash: list[CashView]


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
    found = await reports.today(principal, cafeteria_id, datetime.now(UTC))
    return TodayView(found.as_of, [_day(each) for each in found.rows])


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
        QueryParameter(
            ge=1,
            le=MOST_DAYS_OF_PRODUCTS,
            description="of so many days, up to each cafeteria's own today",
        ),
    ] = 7,
    limit: Annotated[
        int, QueryParameter(ge=1, le=MOST_PRODUCTS, description="so many products")
    ] = 10,
) -> BestsellersView:
    """Products by portions, the most first. What was cancelled or rejected was not sold. Days are
    the cafeterias' own."""
    recent = Recent(datetime.now(UTC), days)
    found = await reports.products(principal, cafeteria_id, recent, limit)
    sold = [
        SoldView(
            product_id=row.product_id,
            name=row.name,
            cafeteria_id=row.cafeteria_id,
            category_id=row.category_id,
            portions=row.portions,
            revenue=to_decimal(row.revenue_minor),
        )
        for row in found.rows
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
    sold."""
    found = await reports.sales(principal, cafeteria_id, _days(first, last), Grouping(by))
    sums = [
        SumView(row.key, row.name, row.orders, row.portions, to_decimal(row.revenue_minor))
        for row in found.rows
    ]
    return SalesView(found.as_of, sums)


@get(
    "/api/reports/payments",
    summary="Top-ups: how many succeeded, and why others did not",
    tags=["reports"],
    security=BEARER,
    responses=declared(*PROBLEMS, kinds.UNPROCESSABLE),
)
async def report_payments(
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cafeteria_id: CafeteriaId = None,
    first: First = None,
    last: Last = None,
) -> TakingsView:
    """Of payments that were started on some days: UTC's for cards and for what administrators
    took, the cafeterias' own for their cash. Orders are paid from the wallet when they are placed,
    or are not placed, so none of them is a payment that failed."""
    found = await reports.takings(principal, cafeteria_id, _days(first, last))
    return TakingsView(
        found.as_of,
        None if found.cards is None else _cards(found.cards),
        [
            CashView(row.cafeteria_id, row.cafeteria, row.payments, to_decimal(row.amount_minor))
            for row in found.cash
        ],
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
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cafeteria_id: CafeteriaId = None,
    first: First = None,
    last: Last = None,
    status: Annotated[
        list[OrderStatus] | None,
        QueryParameter(max_items=len(OrderStatus), description="in one of these states only"),
    ] = None,
) -> Stream:
    """All orders of some days, which are the cafeterias' own (RFC 4180), by cafeteria and then as
    they came. They are read while they are sent, so the file is as of no one moment, from `Date` to
    its end; one that breaks off is not whole."""
    days = _days(first, last)
    batches = reports.export(principal, cafeteria_id, days, status or tuple(OrderStatus))
    return await _exported(request, "orders.csv", _ORDER, batches)


@get(
    "/api/reports/products.csv",
    summary="Products as CSV",
    tags=["reports"],
    security=BEARER,
    media_type="text/csv",
    responses=declared(*PROBLEMS),
)
async def export_products(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cafeteria_id: CafeteriaId = None,
) -> Stream:
    """The menu as it is kept, what is sold out too (RFC 4180), by id. A name that a spreadsheet
    would take for a formula has an apostrophe before it."""
    batches = reports.menu(principal, cafeteria_id)
    return await _exported(request, "products.csv", _PRODUCT, batches)


@get(
    "/api/reports/transactions",
    summary="The ledger, the newest first",
    tags=["reports"],
    security=BEARER,
    responses=declared(*PROBLEMS) | shown(views.LEDGER),
)
async def report_transactions(
    principal: NamedDependency[Principal],
    reports: NamedDependency[Reports],
    cursors: NamedDependency[Cursors],
    cafeteria_id: CafeteriaId = None,
    kind: Annotated[
        TransactionKind | None, QueryParameter(description="lines of this kind only")
    ] = None,
    order_id: Annotated[
        int | None,
        QueryParameter(name="orderId", ge=1, le=MOST_ID, description="of this order only"),
    ] = None,
    created_from: CreatedFrom = None,
    created_to: CreatedTo = None,
    page: PageNumber = 1,
    limit: PageLimit = 20,
    cursor: Cursor = None,
    fields: Fields = None,
) -> Answer[Page[Any]]:
    """What was paid for a cafeteria's orders, and given back; for administrators who name none,
    all of it with the top-ups, which are of no cafeteria. A total of 10001 means more than 10000;
    by cursor nothing is counted."""
    chosen = views.LEDGER.select(fields)
    lines = Lines(cafeteria_id, kind, order_id, created_from, created_to)
    of = listing(
        "/api/reports/transactions",
        fields and chosen.key,
        cafeteriaId=cafeteria_id,
        kind=kind,
        orderId=order_id,
        createdFrom=created_from,
        createdTo=created_to,
    )
    part = cursors.asked(of, Position, page=page, limit=limit, cursor=cursor)
    found = await reports.transactions(principal, chosen.selection, part.part, lines)
    told = part.shown(chosen.rows(found.rows), found)
    return Answer(told.page, headers=told.headers)


Written: TypeAlias = Mapping[str, Callable[[T], object]]
_ORDER: Final[Written[Exported]] = {
    "id": lambda row: row.id,
    "createdAt": lambda row: row.created_at.isoformat().replace("+00:00", "Z"),
    "cafeteriaId": lambda row: row.cafeteria_id,
    "userId": lambda row: row.user_id,
    "status": lambda row: row.status,
    "totalAmount": lambda row: to_decimal(row.total_minor),
}
_PRODUCT: Final[Written[Offered]] = {
    "id": lambda row: row.id,
    "cafeteriaId": lambda row: row.cafeteria_id,
    "category": lambda row: _no_formula(row.category),
    "name": lambda row: _no_formula(row.name),
    "price": lambda row: to_decimal(row.price_minor),
    "stock": lambda row: row.stock,
    "isAvailable": lambda row: str(row.is_available).lower(),
}
# What a spreadsheet computes when it opens a file
# (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA: Final = ("=", "+", "-", "@")


def _no_formula(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


async def _exported(
    request: Request[Any, Any, Any],
    name: str,
    columns: Written[T],
    batches: AsyncIterator[list[T]],
) -> Stream:
    """A file of rows that are read while it is sent."""
    # What is wrong is told before the answer begins.
    head: list[T] = await anext(batches, [])

    async def lines() -> AsyncIterator[str]:
        yield ",".join(columns) + "\r\n"
        yield _csv(columns, head)
        async for batch in batches:
            yield _csv(columns, batch)

    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return streamed(request, lines(), "text/csv", headers)


def _csv(columns: Written[T], batch: list[T]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([of(row) for of in columns.values()] for row in batch)
    return text.getvalue()


def _day(row: Day) -> DayView:
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
    )


def _cards(of: Cards) -> CardsView:
    return CardsView(
        succeeded=of.succeeded,
        declined=of.declined,
        pending=of.pending,
        amount=to_decimal(of.amount_minor),
        success_rate=of.success_rate,
        decline_reasons=[DeclineView(*each) for each in of.declines.items()],
    )


def _days(first: date | None, last: date | None) -> Days:
    if first is not None:
        return Span(first, last or first)
    if last is None:
        return Recent(datetime.now(UTC))
    wrong = {"key": "from", "message": "there is a last day, and no first one", "source": "query"}
    raise ValidationException(extra=[wrong])
