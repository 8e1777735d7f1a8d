"""An order is moved on by one statement: the state it is in, what its customer is told, and what
others must hear of that.

As where it is placed (domain/placing.py), all of it is done or nothing; and who comes second waits,
and finds that the order is of another version by then.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain import model, notifications, order_notices
from domain.accounts import Principal
from domain.database import Writer
from domain.events import announced
from domain.model import OrderStatus, Role
from domain.orders import (
    CHANGED,
    COLUMNS,
    OF_THE_COUNTER,
    OWN,
    Order,
    items,
    parties,
    told,
    whole,
)
from domain.people import ACTIVE
from domain.trace import traceparent

BY_COUNTER: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    status: frozenset(before for before in OrderStatus if before.may_become(status))
    for status in OrderStatus
}
"""From which states the counter moves an order to each;"""
BY_CUSTOMER: Final = {
    OrderStatus.CANCELLED: BY_COUNTER[OrderStatus.CANCELLED] - {OrderStatus.PREPARING}
}
"""and its customer."""


class Step(Struct, frozen=True):
    """The state that an order is to go on to from the `version` that was seen, and for which
    reason, if one is told."""

    order_id: int
    status: OrderStatus
    version: int
    reason: str | None = None


class UnmovedError(Exception):
    """Nothing was done, for whatever reason."""


async def moved(writer: Writer, caller: Principal, step: Step) -> Order:
    """The order in its next state.

    Where nothing else goes with it, it is all that is done in the transaction. Raises UnmovedError.
    """
    given = {
        **parties(caller),
        **order_notices.words(step.status, step.reason),
        "person": caller.id,
        "order": step.order_id,
        "seen": step.version,
        "status": step.status,
        "reason": step.reason,
        "by_counter": list(BY_COUNTER[step.status]),
        "by_customer": list(BY_CUSTOMER.get(step.status, ())),
        "traceparent": traceparent.get(),
    }
    row = (await writer.change(_MOVE[caller.role], given)).one_or_none()
    if row is None:
        raise UnmovedError
    *columns, writer.transaction = row
    return whole(columns)


def _from(states: str) -> ColumnElement[bool]:
    listed = bindparam(states, type_=ARRAY(Text))
    return type_coerce(model.Order.status, Text) == func.any(listed)


def _may(role: Role) -> ColumnElement[bool]:
    """Whether the caller may make this move: for their counter, or of their own order."""
    own = and_(OWN, _from("by_customer"))
    if role is Role.CUSTOMER:
        return own
    counter = _from("by_counter")
    return counter if role is Role.ADMIN else or_(and_(OF_THE_COUNTER, counter), own)


def _moved(role: Role) -> CTE:
    return (
        update(model.Order)
        .where(
            model.Order.id == bindparam("order", type_=BigInteger),
            model.Order.version == bindparam("seen", type_=Integer),
            ACTIVE.c.id.is_not(None),
            _may(role),
        )
        .values(
            status=bindparam("status", type_=model.Order.status.type),
            reason=bindparam("reason", type_=Text),
            version=model.Order.version + 1,
            updated_at=func.now(),
        )
        .returning(*COLUMNS.values(), model.Order.changed_in)
        .cte("moved")
    )


def _move(role: Role) -> Select[*tuple[object, ...]]:
    """All of it; the order and its items, and the number of the transaction, if it was done."""
    order = _moved(role)
    news = order_notices.news(order)
    notification = notifications.written(news)
    event = announced(told(CHANGED, order), *notifications.events(notification, news))
    head = (order.c[name] for name in COLUMNS)
    return select(*head, items(order.c.id), order.c.changed_in).add_cte(event)


# Built once, for building takes longer than running.
_MOVE: Final = {role: _move(role) for role in Role}
