"""Orders as those see them whom they concern: a page of them, or one, in one statement each."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from msgspec import Raw, Struct
from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Row,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from domain import model
from domain.accounts import Principal
from domain.database import Database
from domain.database import Role as Node
from domain.errors import NotFoundError
from domain.model import OrderStatus, Role
from domain.model.nested import Columns, decimal, instant, json_list, json_text
from domain.model.orders import TRANSITIONS
from domain.model.paging import MOST_COUNTED, Following, Position, Stretch, Window
from domain.model.selection import Chosen, Selection
from domain.orders import COLUMNS, OF_THE_COUNTER, UNDER_WAY, parties, visible

Found: TypeAlias = Row[*tuple[Any, ...]]
Part: TypeAlias = Window | Following[Position]
_LIMIT: Final = bindparam("limit", type_=Integer)
_OFFSET: Final = bindparam("offset", type_=Integer)
_AT: Final = bindparam("at", type_=DateTime(timezone=True))
_ID: Final = bindparam("id", type_=BigInteger)
# Of the values of a list of one person's orders, those that no other person's has.
_OWN: Final = ("caller",)
_OWN_BEHIND: Final = ("caller", "at", "id")
_NOTHING: Final[ColumnElement[Any]] = literal_column("NULL")

# What may be chosen of what belongs to an order, as it is sent.
_PRODUCT: Final[Columns] = {
    "id": model.Product.id.expression,
    "cafeteria_id": model.Product.cafeteria_id.expression,
    "category_id": model.Product.category_id.expression,
    "name": model.Product.name.expression,
    "description": model.Product.description.expression,
    "price_minor": decimal(model.Product.price_minor.expression),
    "is_available": model.Product.is_available.expression,
    "updated_at": instant(model.Product.updated_at.expression),
}
_ITEM: Final[dict[str, ColumnElement[Any]]] = {
    "product_id": model.OrderItem.product_id.expression,
    "product_name": model.Product.name.expression,
    "quantity": model.OrderItem.quantity.expression,
    "unit_price_minor": decimal(model.OrderItem.unit_price_minor.expression),
}
_CAFETERIA: Final[Columns] = {
    "id": model.Cafeteria.id.expression,
    "name": model.Cafeteria.name.expression,
    "location": model.Cafeteria.location.expression,
    "time_zone": model.Cafeteria.time_zone.expression,
}
_CUSTOMER: Final[Columns] = {
    "id": model.User.id.expression,
    "name": model.User.name.expression,
    "email": model.User.email.expression,
}
# Of an order itself, what is not sent as it is kept.
_WRITTEN: Final[dict[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]]] = {
    "total_minor": decimal,
    "created_at": instant,
    "updated_at": instant,
}
_FILTERS: Final[dict[str, ColumnElement[bool]]] = {
    "statuses": type_coerce(model.Order.status, Text)
    == any_(bindparam("statuses", type_=ARRAY(Text))),
    # What is true of these statuses anyway, said so that it leads to the index of few.
    "are_under_way": UNDER_WAY,
    "cafeteria_id": model.Order.cafeteria_id == bindparam("cafeteria_id", type_=BigInteger),
    "created_from": model.Order.created_at
    >= bindparam("created_from", type_=DateTime(timezone=True)),
    "created_to": model.Order.created_at < bindparam("created_to", type_=DateTime(timezone=True)),
    "pickup_code": model.Order.pickup_code == bindparam("pickup_code", type_=Text),
    "customer": model.Order.user_id.in_(
        select(model.User.id).where(
            func.strpos(func.lower(model.User.name), func.lower(bindparam("customer", type_=Text)))
            > 0
        )
    ),
}


class Wanted(Struct, frozen=True):
    """Which of the orders that somebody may see, and in which direction; what is not said, any.
    `mine` are those that they placed; `customer` is a part of a name."""

    mine: bool = False
    statuses: tuple[OrderStatus, ...] = ()
    cafeteria_id: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    pickup_code: str | None = None
    customer: str | None = None
    oldest_first: bool = False

    @property
    def are_under_way(self) -> bool:
        """Whether none of them is over."""
        return bool(self.statuses) and all(TRANSITIONS[status] for status in self.statuses)


ANY: Final = Wanted()


class _Shape(Struct, frozen=True):
    """What makes a list another statement, beside its columns."""

    role: Role
    is_counted: bool
    filters: tuple[str, ...]
    oldest_first: bool


class OrderHistory:
    """Reads of the orders of the campus, as far as the caller may see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(
        self, caller: Principal, selection: Selection, part: Part, wanted: Wanted = ANY
    ) -> Stretch[Raw, Position]:
        """By the time that they were placed, each as the JSON of what is selected and no more:
        columns of COLUMNS; and "items", "cafeteria" or "customer".

        A counter's for its staff, all for an administrator, unless they want `mine`, which is all
        that a customer has. They are counted for a window only.
        """
        filters = tuple(name for name in _FILTERS if getattr(wanted, name))
        shape = _Shape(
            Role.CUSTOMER if wanted.mine else caller.role,
            isinstance(part, Window),
            filters,
            wanted.oldest_first,
        )
        # The columns are in one canonical order, or there would be a statement for each.
        statement = _list(tuple(selection), shape)
        # One more, which tells that there are more.
        parameters = parties(caller) | {"limit": part.limit + 1} | _from(part)
        parameters |= {name: getattr(wanted, name) for name in filters}
        found = await self._row(shape, statement, parameters, caller)
        texts = found.orders or []
        last = Position(found.at, found.id) if len(texts) > part.limit else None
        return Stretch([Raw(text) for text in texts[: part.limit]], last, found.total)

    async def detail(self, caller: Principal, order_id: int, selection: Selection) -> Raw:
        """What is selected of one order, as of those of a list; somebody else's is not found rather
        than forbidden, so ids tell nothing."""
        statement = _one(tuple(selection), caller.role)
        parameters = parties(caller) | {"id": order_id}
        own = tuple(parameters)
        found = await self._database.row(Node.MENU, statement, parameters, of=caller.id, own=own)
        if found is None:
            raise NotFoundError("order", order_id)
        return Raw(found.shown)

    async def _row(
        self,
        shape: _Shape,
        statement: Select[*tuple[Any, ...]],
        parameters: dict[str, Any],
        caller: Principal,
    ) -> Found:
        if shape.role is not Role.CUSTOMER:
            # It may take long, and nobody else is to wait for that.
            return (await self._database.rows(Node.MENU, statement, parameters, of=caller.id))[0]
        own = _OWN if shape.is_counted else _OWN_BEHIND
        found = await self._database.row(Node.MENU, statement, parameters, of=caller.id, own=own)
        assert found is not None
        return found


@lru_cache(maxsize=256)
def _list(selection: tuple[Chosen, ...], shape: _Shape) -> Select[*tuple[Any, ...]]:
    """Built once, for building takes longer than running: one row with the total, the orders, and
    the position of the last that was wanted."""
    key = model.Order.created_at, model.Order.id
    page = (
        select(*key, *_needed(selection))
        .where(_listed(shape))
        .order_by(*_by_time(shape, *(each.expression for each in key)))
        .limit(_LIMIT)
    )
    if shape.is_counted:
        page = page.offset(_OFFSET)
    else:
        # By comparison of rows: an index does not begin in the middle of an OR.
        there, after = tuple_(*key), tuple_(_AT, _ID)
        page = page.where(there > after if shape.oldest_first else there < after)
    rows = page.cte("page", nesting=True)
    source, text = _shown(rows, selection)
    by_time = _by_time(shape, rows.c.created_at, rows.c.id)
    last = _LIMIT - 1

    def of_each(column: ColumnElement[Any], kind: Any) -> ColumnElement[Any]:
        return func.array_agg(aggregate_order_by(column, *by_time), type_=ARRAY(kind))

    shown = (
        select(
            of_each(text, Text).label("orders"),
            of_each(rows.c.created_at, DateTime(timezone=True))[last].label("at"),
            of_each(rows.c.id, BigInteger)[last].label("id"),
        )
        .select_from(source)
        .subquery("shown")
    )
    total = _total(shape) if shape.is_counted else select(_NOTHING.label("total")).subquery()
    return select(total.c.total, *shown.c).select_from(total.join(shown, true()))


@lru_cache(maxsize=256)
def _one(selection: tuple[Chosen, ...], role: Role) -> Select[*tuple[Any, ...]]:
    found = select(*_needed(selection)).where(model.Order.id == _ID, visible(role))
    source, text = _shown(found.cte("page", nesting=True), selection)
    return select(text.label("shown")).select_from(source)


def _by_time(shape: _Shape, *key: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """The id settles ties, or a page could show an order twice."""
    return [each.asc() if shape.oldest_first else each.desc() for each in key]


def _needed(selection: tuple[Chosen, ...]) -> list[ColumnElement[Any]]:
    """The columns of orders that are chosen, and those that lead to what belongs to one."""
    names = [_LINKS[each.column] if each.of else each.column for each in selection]
    return [COLUMNS[name].label(f"of_{name}") for name in dict.fromkeys(names)]


def _shown(orders: CTE, selection: tuple[Chosen, ...]) -> tuple[FromClause, ColumnElement[str]]:
    """Orders with what belongs to them, and what is chosen of both, as it is sent."""
    source: FromClause = orders
    columns: dict[str, ColumnElement[Any]] = {}
    for each in selection:
        if each.of:
            source, columns[each.column] = _RELATED[each.column](source, orders, each.of)
        else:
            column = orders.c[f"of_{each.column}"]
            written = _WRITTEN.get(each.column)
            columns[each.column] = column if written is None else written(column)
    return source, json_text(selection, columns)


def _total(shape: _Shape) -> FromClause:
    some = select(literal_column("1", Integer)).select_from(model.Order).where(_listed(shape))
    return (
        select(func.count().label("total"))
        .select_from(some.limit(MOST_COUNTED).subquery())
        .subquery("counted")
    )


_Joined: TypeAlias = tuple[FromClause, ColumnElement[Any]]


def _with_items(source: FromClause, orders: CTE, of: Sequence[Chosen]) -> _Joined:
    items = _items_of(orders, of)
    lines = func.coalesce(items.c.lines, literal_column("'[]'"))
    return source.outerjoin(items, items.c.order_id == orders.c.of_id), lines


def _with_cafeteria(source: FromClause, orders: CTE, of: Sequence[Chosen]) -> _Joined:
    joined = source.outerjoin(model.Cafeteria, model.Cafeteria.id == orders.c.of_cafeteria_id)
    return joined, json_text(of, _CAFETERIA)


def _with_customer(source: FromClause, orders: CTE, of: Sequence[Chosen]) -> _Joined:
    joined = source.outerjoin(model.User, model.User.id == orders.c.of_user_id)
    return joined, json_text(of, _CUSTOMER)


_RELATED: Final[dict[str, Callable[[FromClause, CTE, Sequence[Chosen]], _Joined]]] = {
    "items": _with_items,
    "cafeteria": _with_cafeteria,
    "customer": _with_customer,
}
# The columns of an order by which it is joined to them.
_LINKS: Final = {"items": "id", "cafeteria": "cafeteria_id", "customer": "user_id"}


def _items_of(orders: CTE, of: Sequence[Chosen]) -> FromClause:
    """What is chosen of the items of each of some orders, as JSON.

    Of all of them at once: order by order, a small menu would be read whole for each.
    """
    products = {each.column: json_text(each.of, _PRODUCT) for each in of if each.of}
    line = json_text(of, _ITEM | products)
    return (
        select(
            model.OrderItem.order_id,
            json_list(line, model.OrderItem.product_id.expression).label("lines"),
        )
        .join(orders, orders.c.of_id == model.OrderItem.order_id)
        .join(model.Product, model.Product.id == model.OrderItem.product_id)
        .group_by(model.OrderItem.order_id)
        .subquery("items")
    )


def _listed(shape: _Shape) -> ColumnElement[bool]:
    # Not both for staff: no index has the newest of an OR at its beginning.
    whose = OF_THE_COUNTER if shape.role is Role.STAFF else visible(shape.role)
    return and_(whose, *(_FILTERS[name] for name in shape.filters))


def _from(part: Part) -> dict[str, Any]:
    if isinstance(part, Window):
        return {"offset": part.offset}
    return {"at": part.after.created_at, "id": part.after.id}
