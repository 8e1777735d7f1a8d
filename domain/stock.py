"""What there is to sell: taken by an order, and put back."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Integer,
    Select,
    Update,
    bindparam,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain import tags
from domain.database import Reader, Writer
from domain.errors import ConflictError, NotFoundError
from domain.model import Product

# Built once, for building takes longer than running; two arrays, for however many products.
_WANTED: Final = (
    func.unnest(
        bindparam("wanted_products", type_=ARRAY(BigInteger)),
        bindparam("wanted_quantities", type_=ARRAY(Integer)),
    )
    .table_valued("product_id", "quantity", name="wanted")
    .render_derived()
)
_COUNTER: Final = bindparam("counter", type_=BigInteger)


def wanted(quantities: Mapping[int, int]) -> dict[str, Any]:
    """The parameters of a statement about so many of each product, by id."""
    return {
        "wanted_products": list(quantities),
        "wanted_quantities": list(quantities.values()),
    }


def _locked(products: Select[*tuple[Any, ...]], name: str) -> CTE:
    """Those rows, locked in one order everywhere, so that two orders never wait for each other.

    Not so strongly that the foreign keys of other orders' items would wait as well. What had not
    enough before the statement began is passed over without waiting for its lock.
    """
    return products.order_by(Product.id).with_for_update(key_share=True, of=Product).cte(name)


def on_sale(turn: CTE) -> CTE:
    """Of what is `wanted` at the `counter`, what can be had in full, at its price of this moment;
    nobody else takes any of it before the transaction ends. Without a row of `turn`, nothing."""
    return _locked(
        select(Product.id, Product.name, Product.price_minor, _WANTED.c.quantity)
        .join(_WANTED, _WANTED.c.product_id == Product.id)
        .join(turn, true())
        .where(
            Product.cafeteria_id == _COUNTER,
            Product.is_available,
            Product.stock >= _WANTED.c.quantity,
        ),
        "on_sale",
    )


def taken(products: CTE, order: CTE) -> Update:
    """Take what is `on_sale` for an order, if there is one."""
    return (
        update(Product)
        .where(Product.id == products.c.id, select(order.c.id).exists())
        .values(stock=Product.stock - products.c.quantity, version=Product.version + 1)
    )


_RETURNED: Final = _locked(
    select(Product.id, _WANTED.c.quantity).join(_WANTED, _WANTED.c.product_id == Product.id),
    "returned",
)
_PUT_BACK: Final = (
    update(Product)
    .where(Product.id == _RETURNED.c.id)
    .values(stock=Product.stock + _RETURNED.c.quantity, version=Product.version + 1)
)


async def put_back(database: Writer, quantities: Mapping[int, int]) -> None:
    """Put so many of each product back."""
    await database.change(_PUT_BACK, wanted(quantities))
    database.void(map(tags.product, quantities))


async def cost(database: Reader, cafeteria_id: int, quantities: Mapping[int, int]) -> int:
    """What so many of each product would cost at this moment (minor units).

    Raises NotFoundError for the first that the cafeteria does not have, ConflictError for the
    first that is sold out or taken off the menu.
    """
    statement = select(
        Product.id, Product.name, Product.price_minor, Product.stock, Product.is_available
    ).where(Product.id == func.any(list(quantities)), Product.cafeteria_id == cafeteria_id)
    found = {row.id: row for row in await database.execute(statement)}
    for product in quantities:
        if product not in found:
            raise NotFoundError(f"product in cafeteria {cafeteria_id} with id", product)
    for product, quantity in quantities.items():
        row = found[product]
        left = row.stock if row.is_available else 0
        if left < quantity:
            raise ConflictError(f"{row.name}: {quantity} asked for, {left} left.")
    return sum(found[product].price_minor * quantity for product, quantity in quantities.items())
