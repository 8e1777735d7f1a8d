"""Placing orders and looking at them."""

from typing import Annotated, Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation import views
from bff.representation.fields import MOST_CHARACTERS
from bff.representation.pages import Listing, PageLimit, PageNumber, listing, window
from domain.accounts import Principal
from domain.orders import MOST_LINES, MOST_OF_ONE, Line, Orders

BEARER = [{"bearer": list[str]()}]
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class NewLine(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """So many of a product."""

    product_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MOST_OF_ONE)]


class NewOrder(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is ordered, and where it will be picked up. The server knows the prices."""

    cafeteria_id: Id
    items: Annotated[list[NewLine], Meta(min_length=1, max_length=MOST_LINES)]


@post(
    "/api/orders",
    summary="Place an order",
    tags=["orders"],
    security=BEARER,
    responses=declared(
        kinds.INVALID_REQUEST,
        kinds.UNAUTHENTICATED,
        kinds.NOT_FOUND,
        kinds.CONFLICT,
        kinds.BODY_TOO_LARGE,
        kinds.UNSUPPORTED_MEDIA_TYPE,
        kinds.UNPROCESSABLE,
        kinds.UNAVAILABLE,
    ),
)
async def place_order(
    data: JSONBody[NewOrder], principal: NamedDependency[Principal], orders: NamedDependency[Orders]
) -> views.OrderView:
    """A new order at the current prices; 409 where something is sold out."""
    lines = [Line(each.product_id, each.quantity) for each in data.items]
    return views.order(await orders.place(principal, data.cafeteria_id, lines))


@get(
    "/api/orders",
    summary="Orders, the newest first",
    tags=["orders"],
    security=BEARER,
    responses=declared(kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.UNAVAILABLE),
)
async def list_orders(
    principal: NamedDependency[Principal],
    orders: NamedDependency[Orders],
    page: PageNumber = 1,
    limit: PageLimit = 20,
    fields: Annotated[
        str | None,
        QueryParameter(
            max_length=MOST_CHARACTERS,
            description="fields to send, like id,status,totalAmount,createdAt",
        ),
    ] = None,
) -> Listing[Any]:
    """A customer's own orders, those of the counter for its staff, all for an administrator."""
    chosen = views.ORDER_FIELDS.select(fields)
    found = await orders.listed(principal, chosen.columns, window(page, limit))
    return listing(chosen.represent(found.rows), found.total, page, limit)


@get(
    "/api/orders/{order_id:int}",
    summary="An order",
    tags=["orders"],
    security=BEARER,
    responses=declared(
        kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.NOT_FOUND, kinds.UNAVAILABLE
    ),
)
async def show_order(
    order_id: Annotated[int, PathParameter(ge=1, le=2**63 - 1)],
    principal: NamedDependency[Principal],
    orders: NamedDependency[Orders],
) -> views.OrderView:
    """One order with its items; 404 for one that is not the caller's to see."""
    return views.order(await orders.detail(principal, order_id))
