"""Placing orders, looking at them, and moving them on."""

from typing import Annotated, Any, Final, Literal

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta, Struct

from bff.edge import kinds
from bff.edge.direct import CALLED
from bff.edge.problems import declared as problems
from bff.representation import positions, views
from bff.representation.amounts import Amount
from bff.representation.answers import Answer
from bff.representation.fields import Fields, answered
from bff.representation.pages import (
    Cursor,
    Cursors,
    Moment,
    Page,
    PageLimit,
    PageNumber,
    declared,
    listing,
)
from bff.routes.idempotency import IdempotencyKey, keyed
from bff.routes.inputs import END, LINE, MOST_ID
from bff.routes.menu import CafeteriaId
from domain.accounts import Principal
from domain.model import OrderStatus, Role
from domain.model.money import to_minor
from domain.model.orders import MOST_REASON
from domain.model.paging import Position
from domain.order_changes import OrderChanges
from domain.order_history import OrderHistory, Wanted
from domain.ordering import MOST_LINES, MOST_OF_ONE, Basket, Line, Ordering

# Of what a name has in it.
MOST_TEXT: Final = 80
BEARER = [{"bearer": list[str]()}]
Id = Annotated[int, Meta(ge=1, le=MOST_ID)]
OrderId = Annotated[int, PathParameter(ge=1, le=MOST_ID)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1, description="the version that was seen")]
Reason = Annotated[
    str,
    Meta(max_length=MOST_REASON, pattern=LINE, description="why, in words for the other side"),
]
Since = Annotated[
    str | None,
    QueryParameter(
        max_length=positions.CHARACTERS,
        pattern=positions.PATTERN,
        description="the `next` of an answer; without it nothing but a position is told",
    ),
]
MOVES = problems(
    kinds.INVALID_PARAMETER,
    kinds.INVALID_REQUEST,
    kinds.UNAUTHENTICATED,
    kinds.FORBIDDEN,
    kinds.NOT_FOUND,
    kinds.MOVED_ON,
    kinds.ILLEGAL_MOVE,
    kinds.BODY_TOO_LARGE,
    kinds.UNSUPPORTED_MEDIA_TYPE,
    kinds.UNAVAILABLE,
)


class NewLine(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """So many of a product."""

    product_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MOST_OF_ONE)]


class NewOrder(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is ordered, and where it will be picked up. The server knows the prices: with
    `expectedTotal`, nothing is ordered at any other."""

    cafeteria_id: Id
    items: Annotated[list[NewLine], Meta(min_length=1, max_length=MOST_LINES)]
    expected_total: Amount | None = None


class Move(Struct, frozen=True, forbid_unknown_fields=True):
    """The state that an order is to go on to; only one that comes to nothing has a reason."""

    status: OrderStatus
    version: Version
    reason: Reason | None = None


class ChangesView(Struct, frozen=True):
    """Orders as they are now, in the order in which they were changed last; `next` is for what
    follows, at once where there is `more`, and later on where there is not."""

    data: list[views.ChangedOrderView]
    next: str
    more: bool


class Cancellation(Struct, frozen=True, forbid_unknown_fields=True):
    """The order, as it was seen by who cancels it, and why they do."""

    version: Version
    reason: Reason | None = None


@post(
    "/api/orders",
    summary="Place an order",
    tags=["orders"],
    security=BEARER,
    opt=CALLED,
    responses=problems(
        kinds.INVALID_REQUEST,
        kinds.UNAUTHENTICATED,
        kinds.FORBIDDEN,
        kinds.NOT_FOUND,
        kinds.CONFLICT,
        kinds.CLOSED,
        kinds.PRICE_CHANGED,
        kinds.INSUFFICIENT_FUNDS,
        kinds.IN_FLIGHT,
        kinds.BODY_TOO_LARGE,
        kinds.UNSUPPORTED_MEDIA_TYPE,
        kinds.UNPROCESSABLE,
        kinds.KEY_REUSED,
        kinds.UNAVAILABLE,
    ),
)
async def place_order(
    data: JSONBody[NewOrder],
    idempotency_key: IdempotencyKey,
    principal: NamedDependency[Principal],
    ordering: NamedDependency[Ordering],
) -> views.OrderView:
    """A new order at the current prices, paid from the caller's wallet; 409 where something is
    sold out, the cafeteria is closed, the total is another or the money does not suffice."""
    basket = Basket(
        data.cafeteria_id,
        [Line(each.product_id, each.quantity) for each in data.items],
        None if data.expected_total is None else to_minor(data.expected_total),
    )
    request = keyed(principal, idempotency_key, "order", data)
    return views.order(await ordering.place(principal, basket, request))


@post(
    "/api/orders/{order_id:int}/status",
    summary="Move an order on",
    tags=["orders"],
    security=BEARER,
    status_code=HTTP_200_OK,
    responses=MOVES | problems(kinds.UNPROCESSABLE),
)
async def move_order(
    order_id: OrderId,
    data: JSONBody[Move],
    principal: NamedDependency[Principal],
    ordering: NamedDependency[Ordering],
) -> views.OrderView:
    """The counter accepts, rejects, prepares, hands out; 409 if the order is another by now, with
    its present version and status."""
    moved = await ordering.move(principal, order_id, data.status, data.version, data.reason)
    return views.order(moved)


@post(
    "/api/orders/{order_id:int}/cancel",
    summary="Cancel an order",
    tags=["orders"],
    security=BEARER,
    status_code=HTTP_200_OK,
    responses=MOVES,
)
async def cancel_order(
    order_id: OrderId,
    data: JSONBody[Cancellation],
    principal: NamedDependency[Principal],
    ordering: NamedDependency[Ordering],
) -> views.OrderView:
    """Money and stock go back. A customer may until the order is being prepared, the counter until
    it is ready."""
    cancelled = OrderStatus.CANCELLED
    moved = await ordering.move(principal, order_id, cancelled, data.version, data.reason)
    return views.order(moved)


@get(
    "/api/orders",
    summary="Orders, the newest first",
    tags=["orders"],
    security=BEARER,
    opt=CALLED,
    responses=problems(kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.UNAVAILABLE)
    | declared(views.ORDERS[Role.ADMIN]),
)
async def list_orders(
    principal: NamedDependency[Principal],
    order_history: NamedDependency[OrderHistory],
    cursors: NamedDependency[Cursors],
    status: Annotated[
        list[OrderStatus] | None,
        QueryParameter(max_items=len(OrderStatus), description="in one of these states only"),
    ] = None,
    cafeteria_id: CafeteriaId = None,
    created_from: Annotated[
        Moment | None,
        QueryParameter(name="createdFrom", description="placed at this moment or later"),
    ] = None,
    created_to: Annotated[
        Moment | None, QueryParameter(name="createdTo", description="placed before this moment")
    ] = None,
    pickup_code: Annotated[
        str | None,
        QueryParameter(
            name="pickupCode", pattern=f"^[A-Za-z0-9]{{3,5}}{END}", description="called up by it"
        ),
    ] = None,
    customer: Annotated[
        str | None,
        QueryParameter(
            max_length=MOST_TEXT, pattern=LINE, description="with this in the name of who placed it"
        ),
    ] = None,
    mine: Annotated[bool, QueryParameter(description="only those that the caller placed")] = False,
    sort: Annotated[
        Literal["-createdAt", "createdAt"], QueryParameter(description="a minus: the newest first")
    ] = "-createdAt",
    page: PageNumber = 1,
    limit: PageLimit = 20,
    cursor: Cursor = None,
    fields: Fields = None,
) -> Answer[Page[Any]]:
    """A customer's own orders; those of the counter for its staff, and all for an administrator,
    unless `mine=true`. Only staff and administrators see the customer, and only the latter the
    e-mail. A total of 10001 means more than 10000; by cursor nothing is counted."""
    chosen = views.ORDERS[principal.role].select(fields)
    wanted = Wanted(
        mine=mine,
        statuses=tuple(status or ()),
        cafeteria_id=cafeteria_id,
        created_from=created_from,
        created_to=created_to,
        pickup_code=pickup_code and pickup_code.upper(),
        customer=customer,
        oldest_first=sort == "createdAt",
    )
    of = listing(
        "/api/orders",
        fields and chosen.key,
        status=status,
        cafeteriaId=cafeteria_id,
        createdFrom=created_from,
        createdTo=created_to,
        pickupCode=wanted.pickup_code,
        customer=customer,
        mine=mine or None,
        sort=sort,
    )
    part = cursors.asked(of, Position, page=page, limit=limit, cursor=cursor)
    found = await order_history.listed(principal, chosen.selection, part.part, wanted)
    shown = part.shown(found.rows, found)
    return Answer(shown.page, headers=shown.headers)


@get(
    "/api/orders/changes",
    summary="What is new of orders",
    tags=["orders"],
    security=BEARER,
    opt=CALLED,
    responses=problems(
        kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.POSITION_LOST, kinds.UNAVAILABLE
    ),
)
async def list_changes(
    principal: NamedDependency[Principal],
    order_changes: NamedDependency[OrderChanges],
    since: Since = None,
    limit: PageLimit = 100,
) -> ChangesView:
    """For who was away: every change that was committed since a position, of the orders that the
    caller may see, at least once. An order may come again: drop what is not of a later version.
    Take a position first (without `since`), then read the list, and then what is new; after
    `position-lost` do so again."""
    position = None if since is None else positions.position(since)
    found = await order_changes.since(principal, position, limit)
    orders = [views.changed(row) for row in found.orders]
    return ChangesView(orders, positions.written(found.position), found.more)


@get(
    "/api/orders/{order_id:int}",
    summary="An order",
    tags=["orders"],
    security=BEARER,
    opt=CALLED,
    responses=problems(
        kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.NOT_FOUND, kinds.UNAVAILABLE
    )
    | answered(views.ORDERS[Role.ADMIN].shape, "The order; of it what `fields` names"),
)
async def show_order(
    order_id: OrderId,
    principal: NamedDependency[Principal],
    order_history: NamedDependency[OrderHistory],
    fields: Fields = None,
) -> Answer[Any]:
    """One order, with its items if not said otherwise; 404 for one that is not the caller's to
    see."""
    chosen = views.ORDERS[principal.role].select(views.WHOLE_ORDER if fields is None else fields)
    return Answer(await order_history.detail(principal, order_id, chosen.selection))
