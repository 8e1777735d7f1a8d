"""A person's money: the balance with its ledger, and what was paid into it."""

from typing import Annotated, Any, Generic, TypeVar

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from bff.edge import kinds
from bff.edge.limits.layer import limited_by
from bff.edge.problems import declared as problems
from bff.representation import views
from bff.representation.amounts import Amount
from bff.representation.answers import Answer
from bff.representation.fields import Fields
from bff.representation.pages import (
    Cursor,
    Cursors,
    Moment,
    Page,
    PageLimit,
    PageNumber,
    Pagination,
    declared,
    listing,
)
from bff.routes.idempotency import IdempotencyKey, keyed
from bff.routes.inputs import MOST_ID
from domain.accounts import Principal
from domain.model import PaymentStatus, TransactionKind
from domain.model.money import to_decimal, to_minor
from domain.model.paging import Position
from domain.payments import Payments, Wanted
from domain.wallet import Lines, Wallets

T = TypeVar("T")
BEARER = [{"bearer": list[str]()}]
CreatedFrom = Annotated[
    Moment | None, QueryParameter(name="createdFrom", description="of this moment or later")
]
CreatedTo = Annotated[
    Moment | None, QueryParameter(name="createdTo", description="of before this moment")
]


class NewTopUp(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Money for the caller's wallet, from their card; with `userId` it is cash that the counter
    took from that person."""

    amount: Amount
    user_id: Annotated[int, Meta(ge=1, le=MOST_ID)] | None = None


class WalletView(Struct, Generic[T], frozen=True):
    """What there is, and a part of how it came to that."""

    balance: str
    data: list[T]
    pagination: Pagination


@get(
    "/api/wallet",
    summary="The balance, and the ledger by page",
    tags=["wallet"],
    security=BEARER,
    responses=problems(kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.UNAVAILABLE)
    | declared(views.TRANSACTIONS, WalletView),
)
async def show_wallet(
    principal: NamedDependency[Principal],
    wallets: NamedDependency[Wallets],
    cursors: NamedDependency[Cursors],
    kind: Annotated[
        TransactionKind | None, QueryParameter(description="lines of this kind only")
    ] = None,
    created_from: CreatedFrom = None,
    created_to: CreatedTo = None,
    page: PageNumber = 1,
    limit: PageLimit = 20,
    cursor: Cursor = None,
    fields: Fields = None,
) -> Answer[WalletView[Any]]:
    """The caller's own, its lines the newest first."""
    chosen = views.TRANSACTIONS.select(fields)
    of = listing(
        "/api/wallet",
        fields and chosen.key,
        kind=kind,
        createdFrom=created_from,
        createdTo=created_to,
    )
    part = cursors.asked(of, Position, page=page, limit=limit, cursor=cursor)
    wanted = Lines(kind, created_from, created_to)
    found = await wallets.statement(principal, chosen.selection, part.part, wanted)
    shown = part.shown(chosen.rows(found.lines.rows), found.lines)
    view = WalletView(to_decimal(found.balance_minor), shown.page.data, shown.page.pagination)
    return Answer(view, headers=shown.headers)


@post(
    "/api/wallet/top-ups",
    summary="Top a wallet up",
    tags=["wallet"],
    opt=limited_by("payment"),
    security=BEARER,
    responses=problems(
        kinds.INVALID_REQUEST,
        kinds.UNAUTHENTICATED,
        kinds.FORBIDDEN,
        kinds.NOT_FOUND,
        kinds.IN_FLIGHT,
        kinds.BODY_TOO_LARGE,
        kinds.UNSUPPORTED_MEDIA_TYPE,
        kinds.UNPROCESSABLE,
        kinds.KEY_REUSED,
        kinds.UNAVAILABLE,
    ),
)
async def top_up(
    data: JSONBody[NewTopUp],
    idempotency_key: IdempotencyKey,
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
) -> views.PaymentView:
    """From 1.00 to 500.00. A card that is declined is an answer, not an error: see `status`.
    Pending is what the provider has not answered yet; look at the payment again."""
    request = keyed(principal, idempotency_key, "top-up", data)
    amount = to_minor(data.amount)
    if data.user_id is None:
        return views.payment(await payments.top_up(principal, amount, request))
    return views.payment(await payments.take_cash(principal, data.user_id, amount, request))


@get(
    "/api/payments",
    summary="Top-ups, the newest first",
    tags=["wallet"],
    security=BEARER,
    responses=problems(kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.UNAVAILABLE)
    | declared(views.PAYMENTS),
)
async def list_payments(
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
    cursors: NamedDependency[Cursors],
    status: Annotated[
        PaymentStatus | None, QueryParameter(description="in this state only")
    ] = None,
    created_from: CreatedFrom = None,
    created_to: CreatedTo = None,
    page: PageNumber = 1,
    limit: PageLimit = 20,
    cursor: Cursor = None,
    fields: Fields = None,
) -> Answer[Page[Any]]:
    """Into the caller's own wallet, in cash and by card, those that were declined too."""
    chosen = views.PAYMENTS.select(fields)
    of = listing(
        "/api/payments",
        fields and chosen.key,
        status=status,
        createdFrom=created_from,
        createdTo=created_to,
    )
    part = cursors.asked(of, Position, page=page, limit=limit, cursor=cursor)
    wanted = Wanted(status, created_from, created_to)
    found = await payments.listed(principal, chosen.selection, part.part, wanted)
    shown = part.shown(chosen.rows(found.rows), found)
    return Answer(shown.page, headers=shown.headers)


@get(
    "/api/payments/{payment_id:int}",
    summary="A top-up",
    tags=["wallet"],
    security=BEARER,
    responses=problems(
        kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.NOT_FOUND, kinds.UNAVAILABLE
    ),
)
async def show_payment(
    payment_id: Annotated[int, PathParameter(ge=1, le=MOST_ID)],
    principal: NamedDependency[Principal],
    payments: NamedDependency[Payments],
) -> views.PaymentView:
    """One of the caller's, or one that they took in cash; 404 for anybody else's, but for
    administrators."""
    return views.payment(await payments.detail(principal, payment_id))
