"""What there is to sell: taken by an order, and put back."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    Integer,
    Select,
    TableValuedAlias,
    cast,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain.database import Writer
from domain.errors import ConflictError, NotFoundError
from domain.model import Product


class Taken(Struct, frozen=True):
    """A product that was taken: its name, and its price in minor units at that moment."""

    name: str
    price_minor: int


async def take(
    database: Writer, cafeteria_id: int, quantities: Mapping[int, int]
) -> dict[int, Taken]:
    """Take so many of each product (by id), or none of any.

    Raises NotFoundError for a product that the cafeteria does not have, ConflictError for one
    that is sold out or taken off the menu.
    """
    wanted = _wanted(quantities)
    enough = _locked(
        select(Product.id, wanted.c.quantity)
        .join(wanted, wanted.c.product_id == Product.id)
        .where(
            Product.cafeteria_id == cafeteria_id,
            Product.is_available,
            Product.stock >= wanted.c.quantity,
        )
    )
    statement = (
        update(Product)
        .where(Product.id == enough.c.id, Product.stock >= enough.c.quantity)
        .values(stock=Product.stock - enough.c.quantity, version=Product.version + 1)
        .returning(Product.id, Product.name, Product.price_minor)
    )
    taken = {row.id: Taken(row.name, row.price_minor) for row in await database.change(statement)}
    missing = [product for product in quantities if product not in taken]
    if missing:
        raise await _refusal(database, cafeteria_id, missing, quantities)
    return taken


async def put_back(database: Writer, quantities: Mapping[int, int]) -> None:
    """Put so many of each product back."""
    wanted = _wanted(quantities)
    returned = _locked(
        select(Product.id, wanted.c.quantity).join(wanted, wanted.c.product_id == Product.id)
    )
    await database.change(
        update(Product)
        .where(Product.id == returned.c.id)
        .values(stock=Product.stock + returned.c.quantity, version=Product.version + 1)
    )


def tags(products: Mapping[int, Any]) -> list[str]:
    """The cache tags of products whose stock has changed."""
    return [f"product-{product}" for product in sorted(products)]


def _wanted(quantities: Mapping[int, int]) -> TableValuedAlias:
    # Two arrays: the same statement for however many products.
    return (
        func.unnest(
            cast(list(quantities), ARRAY(BigInteger)),
            cast(list(quantities.values()), ARRAY(Integer)),
        )
        .table_valued("product_id", "quantity", name="wanted")
        .render_derived()
    )


def _locked(products: Select[int, int]) -> CTE:
    """Those rows, locked in one order everywhere, so that two orders never wait for each other.

    Not so strongly that the foreign keys of other orders' items would wait as well. What had not
    enough before the statement began is passed over without waiting for its lock.
    """
    return products.order_by(Product.id).with_for_update(key_share=True, of=Product).cte("locked")


async def _refusal(
    database: Writer, cafeteria_id: int, missing: Sequence[int], quantities: Mapping[int, int]
) -> Exception:
    """Why the first of `missing` cannot be had."""
    statement = select(Product.id, Product.name, Product.stock, Product.is_available).where(
        Product.id == func.any(list(missing)), Product.cafeteria_id == cafeteria_id
    )
    found = {row.id: row for row in await database.execute(statement)}
    for product in missing:
        if product not in found:
            return NotFoundError(f"product in cafeteria {cafeteria_id} with id", product)
    row = found[missing[0]]
    left = row.stock if row.is_available else 0
    return ConflictError(f"{row.name}: {quantities[row.id]} asked for, {left} left.")
