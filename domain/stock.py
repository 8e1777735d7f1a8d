"""What there is to sell: taken by an order, and put back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    Integer,
    Select,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain import tags
from domain.database import Writer
from domain.errors import ConflictError, NotFoundError
from domain.model import Product


class Taken(Struct, frozen=True):
    """A product that was taken: its name, and its price in minor units at that moment."""

    name: str
    price_minor: int


def _locked(products: Select[int, int]) -> CTE:
    """Those rows, locked in one order everywhere, so that two orders never wait for each other.

    Not so strongly that the foreign keys of other orders' items would wait as well. What had not
    enough before the statement began is passed over without waiting for its lock.
    """
    return products.order_by(Product.id).with_for_update(key_share=True, of=Product).cte("locked")


# Built once, for building takes longer than running; two arrays, for however many products.
_WANTED: Final = (
    func.unnest(
        bindparam("wanted_products", type_=ARRAY(BigInteger)),
        bindparam("wanted_quantities", type_=ARRAY(Integer)),
    )
    .table_valued("product_id", "quantity", name="wanted")
    .render_derived()
)
_RETURNED: Final = _locked(
    select(Product.id, _WANTED.c.quantity).join(_WANTED, _WANTED.c.product_id == Product.id)
)
_PUT_BACK: Final = (
    update(Product)
    .where(Product.id == _RETURNED.c.id)
    .values(stock=Product.stock + _RETURNED.c.quantity, version=Product.version + 1)
)
_ENOUGH: Final = _locked(
    select(Product.id, _WANTED.c.quantity)
    .join(_WANTED, _WANTED.c.product_id == Product.id)
    .where(
        Product.cafeteria_id == bindparam("counter", type_=BigInteger),
        Product.is_available,
        Product.stock >= _WANTED.c.quantity,
    )
)
_TAKE: Final = (
    update(Product)
    .where(Product.id == _ENOUGH.c.id, Product.stock >= _ENOUGH.c.quantity)
    .values(stock=Product.stock - _ENOUGH.c.quantity, version=Product.version + 1)
    .returning(Product.id, Product.name, Product.price_minor)
)


async def take(
    database: Writer, cafeteria_id: int, quantities: Mapping[int, int]
) -> dict[int, Taken]:
    """Take so many of each product (by id), or none of any.

    Raises NotFoundError for a product that the cafeteria does not have, ConflictError for one
    that is sold out or taken off the menu.
    """
    rows = await database.change(_TAKE, _wanted(quantities) | {"counter": cafeteria_id})
    taken = {row.id: Taken(row.name, row.price_minor) for row in rows}
    missing = [product for product in quantities if product not in taken]
    if missing:
        raise await _refusal(database, cafeteria_id, missing, quantities)
    database.void(map(tags.product, quantities))
    return taken


async def put_back(database: Writer, quantities: Mapping[int, int]) -> None:
    """Put so many of each product back."""
    await database.change(_PUT_BACK, _wanted(quantities))
    database.void(map(tags.product, quantities))


def _wanted(quantities: Mapping[int, int]) -> dict[str, Any]:
    return {
        "wanted_products": list(quantities),
        "wanted_quantities": list(quantities.values()),
    }


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
