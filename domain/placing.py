"""An order is placed by one statement, which does all of it or, where anything is amiss, nothing.

Each part takes what it needs from those before it, and so comes after them: the person, the key
and the hours; the products, locked by id; the money; and then the order with all that follows from
it. Up to there nothing is written but the wallet, and behind it nothing is refused any more.

What others change meanwhile is waited for, and then looked at as it has become: of rows that are
locked or updated PostgreSQL takes the latest version, though the rest of the statement sees the
world as of its beginning (READ COMMITTED, https://www.postgresql.org/docs/current/transaction-iso.html).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    Integer,
    LargeBinary,
    Select,
    Text,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from domain import idempotency, model, stock, tags, wallet
from domain.database import Writer
from domain.events import announced
from domain.idempotency import Once
from domain.model.nested import instant, json_object
from domain.model.selection import columns
from domain.orders import COLUMNS, CREATED, UNDER_WAY, Order, told
from domain.people import ACTIVE
from domain.trace import traceparent

_PERSON: Final = bindparam("person", type_=BigInteger)
_COUNTER: Final = bindparam("counter", type_=BigInteger)
_LINES: Final = bindparam("lines", type_=Integer)
_EXPECTED: Final = bindparam("expected", type_=BigInteger)


class Wish(Struct, frozen=True):
    """So many of each product at a counter, at a total if one is `expected_minor`, as long as the
    counter's hours are of `hours_version`; and the codes that it may be called up by."""

    cafeteria_id: int
    quantities: Mapping[int, int]
    expected_minor: int | None
    hours_version: int
    codes: Sequence[str]


class UnplacedError(Exception):
    """Nothing was done, for whatever reason."""


async def placed(writer: Writer, request: Once, wish: Wish) -> Order:
    """The order, paid by whose request it is.

    It is all that is done in the transaction. Raises UnplacedError, and UniqueViolationError where
    another one has taken the key, or the code, at the same moment.
    """
    given = idempotency.named(request) | stock.wanted(wish.quantities)
    given |= {
        "counter": wish.cafeteria_id,
        "hours": wish.hours_version,
        "lines": len(wish.quantities),
        "expected": wish.expected_minor,
        "codes": wish.codes,
        "traceparent": traceparent.get(),
    }
    row = (await writer.change(_PLACE, given)).one_or_none()
    if row is None:
        raise UnplacedError
    writer.void(map(tags.product, wish.quantities))
    body, writer.transaction = row
    return msgspec.json.decode(body, type=Order)


def _turn() -> CTE:
    """A row if this person may order here, now, and for the first time by this key."""
    has_hours = (
        select(model.Cafeteria.id)
        .where(
            model.Cafeteria.id == _COUNTER,
            model.Cafeteria.version == bindparam("hours", type_=Integer),
            model.Cafeteria.withdrawn_at.is_(None),
        )
        .exists()
    )
    return select(ACTIVE.c.id).where(idempotency.IS_NEW, has_hours).cte("turn")


def _bill(products: CTE) -> CTE:
    """What all of it costs and by which code it is called up, if all of it is there at the total
    that was expected, and a code is free."""
    total = cast(func.sum(products.c.price_minor * products.c.quantity), BigInteger)
    sum_ = (
        select(total.label("total"))
        .having(
            func.count() == _LINES,
            or_(_EXPECTED.is_(None), total == _EXPECTED),
        )
        .subquery("sum")
    )
    code = func.unnest(bindparam("codes", type_=ARRAY(Text))).column_valued("code")
    # One by one, by the index: a join might read all that is under way there.
    whose = (
        select(model.Order.id)
        .where(model.Order.cafeteria_id == _COUNTER, model.Order.pickup_code == code, UNDER_WAY)
        .limit(1)
        .scalar_subquery()
    )
    free = select(code.label("code")).where(whose.is_(None)).limit(1).subquery("free")
    return select(_PERSON.label("whose"), sum_.c.total, free.c.code).join(free, true()).cte("bill")


def _order(bill: CTE, paid: CTE) -> CTE:
    """The order, if its bill is paid, or is of nothing."""
    return (
        insert(model.Order)
        .from_select(
            ["user_id", "cafeteria_id", "total_minor", "pickup_code"],
            select(bill.c.whose, _COUNTER, bill.c.total, bill.c.code)
            .select_from(bill.outerjoin(paid, true()))
            .where(or_(paid.c.user_id.is_not(None), bill.c.total == 0)),
        )
        .returning(*COLUMNS.values())
        .cte("placed")
    )


def _answer(order: CTE, products: CTE) -> CTE:
    """The order as it is kept by its key: an Order in JSON."""
    line = {
        "product_id": products.c.id,
        "product_name": products.c.name,
        "quantity": products.c.quantity,
        "unit_price_minor": products.c.price_minor,
    }
    items = func.json_agg(aggregate_order_by(json_object(columns(*line), line), products.c.id))
    head = {name: order.c[name] for name in COLUMNS}
    moments = {name: instant(order.c[name]) for name in ("created_at", "updated_at")}
    whole = head | moments | {"items": select(items).scalar_subquery()}
    text = cast(json_object(columns(*whole), whole), Text)
    body = func.convert_to(text, "UTF8", type_=LargeBinary)
    return select(body.label("body")).select_from(order).cte("answer")


def _place() -> Select[bytes, int]:
    """All of it; what was answered, and the number of the transaction, if it was done."""
    products = stock.on_sale(_turn())
    bill = _bill(products)
    paid = wallet.paid(bill)
    order = _order(bill, paid)
    answer = _answer(order, products)
    event = announced(told(CREATED, order))
    items = insert(model.OrderItem).from_select(
        ["order_id", "product_id", "quantity", "unit_price_minor"],
        select(order.c.id, products.c.id, products.c.quantity, products.c.price_minor).select_from(
            order.join(products, true())
        ),
    )
    return (
        select(answer.c.body, event.c.transaction)
        .select_from(answer.join(event, true()))
        .add_cte(
            items.cte("items"),
            stock.taken(products, order).cte("taken"),
            wallet.line(paid, order).cte("line"),
            idempotency.kept(answer).cte("kept"),
        )
    )


# Built once, for building takes longer than running.
_PLACE: Final = _place()
