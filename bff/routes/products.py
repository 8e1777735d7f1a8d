"""One product: as everybody sees it, and as those who run its counter change it."""

from typing import Annotated, Any, cast

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from bff.edge import kinds
from bff.representation import views
from bff.representation.answers import Answer
from bff.representation.fields import Fields
from bff.representation.shared import Made, Shared
from bff.routes.idempotency import IdempotencyKey, keyed
from bff.routes.inputs import LINE, TEXT, Id, PathId, Price, given
from bff.routes.versions import (
    IfMatch,
    adding,
    alone,
    changing,
    expected,
    removing,
    showing,
    versioned,
)
from domain.accounts import Principal
from domain.menu import Menu
from domain.menu_changes import (
    MOST_DESCRIPTION,
    MOST_PRODUCT_NAME,
    MOST_STOCK,
    MenuChanges,
    NewProduct,
    ProductChange,
)
from domain.model.money import to_minor

Name = Annotated[str, Meta(max_length=MOST_PRODUCT_NAME, pattern=LINE)]
Description = Annotated[str, Meta(max_length=MOST_DESCRIPTION, pattern=TEXT)]
Stock = Annotated[int, Meta(ge=0, le=MOST_STOCK)]


class ProductBody(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A dish that is to be on the menu."""

    cafeteria_id: Id
    category_id: Id
    name: Name
    price: Price
    description: Description = ""
    stock: Stock = 0
    is_available: bool = True


class ProductPatch(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What of a dish becomes another (RFC 7396); what is not named stays, and null is nothing
    that any of it could be."""

    category_id: Id | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    stock: Stock | UnsetType = UNSET
    is_available: bool | UnsetType = UNSET


@get(
    "/api/products/{product_id:int}",
    summary="A product",
    tags=["menu"],
    **showing(views.PRODUCTS),
)
async def show_product(
    request: Request[Any, Any, Any],
    product_id: PathId,
    menu: NamedDependency[Menu],
    shared: NamedDependency[Shared],
    fields: Fields = None,
) -> Answer[Any]:
    """As it stands on the menu, the same for everybody; 404 for one that was withdrawn."""
    chosen = views.PRODUCTS.select_of_one(fields)

    async def make() -> Made:
        return alone(views.product(await menu.product(product_id)), chosen)

    return await shared.answer(request, f"/api/products/{product_id}#{chosen.key}", make)


@post(
    "/api/products",
    summary="Put a product on the menu",
    tags=["menu"],
    **adding(kinds.UNPROCESSABLE),
)
async def add_product(
    data: JSONBody[ProductBody],
    idempotency_key: IdempotencyKey,
    principal: NamedDependency[Principal],
    menu_changes: NamedDependency[MenuChanges],
) -> Answer[views.ProductView]:
    """By the staff of the cafeteria, and administrators; 422 where there is no such cafeteria or
    category."""
    new = NewProduct(
        cafeteria_id=data.cafeteria_id,
        category_id=data.category_id,
        name=data.name,
        description=data.description,
        price_minor=to_minor(data.price),
        stock=data.stock,
        is_available=data.is_available,
    )
    request = keyed(principal, idempotency_key, "product", data)
    product = await menu_changes.add_product(principal, new, request)
    return versioned(views.product(product), at=f"/api/products/{product.id}")


@patch(
    "/api/products/{product_id:int}",
    summary="Change a product",
    tags=["menu"],
    **changing(kinds.UNPROCESSABLE),
)
async def change_product(
    product_id: PathId,
    data: JSONBody[ProductPatch],
    principal: NamedDependency[Principal],
    menu_changes: NamedDependency[MenuChanges],
    if_match: IfMatch = None,
) -> Answer[views.ProductView]:
    """By the staff of its cafeteria, and administrators. Each order makes another version, for
    there is less in stock then: `If-Match: *` is for taking a dish off in the middle of lunch."""
    change = given(data)
    if "price" in change:
        change["price_minor"] = to_minor(change.pop("price"))
    product = await menu_changes.change_product(
        principal, product_id, cast("ProductChange", change), expected(if_match)
    )
    return versioned(views.product(product))


@delete(
    "/api/products/{product_id:int}",
    summary="Withdraw a product",
    tags=["menu"],
    **removing(),
)
async def withdraw_product(
    product_id: PathId,
    principal: NamedDependency[Principal],
    menu_changes: NamedDependency[MenuChanges],
    if_match: IfMatch = None,
) -> None:
    """It is on no menu any more, and cannot be ordered; orders and reports go on to name it. By
    the staff of its cafeteria, and administrators."""
    await menu_changes.withdraw_product(principal, product_id, expected(if_match))
