"""Orders as those see them whom they concern: a page of them, or one, in one statement each."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader
from domain.database import Role as Node
from domain.errors import NotFoundError
from domain.model import Role
from domain.model.paging import MOST_COUNTED, Following, Position, Stretch, Window
from domain.orders import COLUMNS, OF_THE_COUNTER, Item, Order, parties, visible

ITEMS: Final = "items"
Found: TypeAlias = Row[*tuple[Any, ...]]
_items = msgspec.json.Decoder(list[Item]).decode
_LIMIT: Final = bindparam("limit", type_=Integer)
_OFFSET: Final = bindparam("offset", type_=Integer)
_AT: Final = bindparam("at", type_=DateTime(timezone=True))
_ID: Final = bindparam("id", type_=BigInteger)


class OrderHistory:
    """Reads of the orders of the campus, as far as the caller may see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(
        self,
        caller: Principal,
        columns: Sequence[str],
        part: Window | Following,
        *,
        mine: bool = False,
    ) -> Stretch[tuple[Any, ...]]:
        """The newest first, each a row of `columns` and no other: names of COLUMNS, or ITEMS.

        A counter's for its staff, all for an administrator, unless they ask for `mine`, which is
        all that a customer has. They are counted for a window only.
        """
        role = Role.CUSTOMER if mine else caller.role
        counted = isinstance(part, Window)
        # The columns are in one canonical order, or there would be a statement for each.
        statement = _list(role, tuple(columns), counted=counted)
        # One more, which tells that there are more.
        parameters = parties(caller) | {"limit": part.limit + 1} | _from(part)

        async def read(database: Reader) -> Sequence[Found]:
            return (await database.execute(statement, parameters)).all()

        found = await self._database.read(Node.MENU, read, of=caller.id)
        # The empty list, too, has one row: its total.
        rows = [row for row in found if row.id is not None]
        end = rows[part.limit - 1] if len(rows) > part.limit else None
        shown = [row[: len(columns)] for row in rows[: part.limit]]
        if ITEMS in columns:
            place = list(columns).index(ITEMS)
            shown = [(*row[:place], _decoded(row[place]), *row[place + 1 :]) for row in shown]
        return Stretch(
            shown,
            None if end is None else Position(end.created_at, end.id),
            found[0].total if counted else None,
        )

    async def detail(self, caller: Principal, order_id: int) -> Order:
        """One order; somebody else's is not found rather than forbidden, so ids tell nothing."""
        statement = _one(caller.role)
        parameters = parties(caller) | {"id": order_id}

        async def read(database: Reader) -> Found | None:
            return (await database.execute(statement, parameters)).one_or_none()

        row = await self._database.read(Node.MENU, read, of=caller.id)
        if row is None:
            raise NotFoundError("order", order_id)
        values: list[Any] = [*row[:-1], _decoded(row[-1])]
        return Order(*values)


def _decoded(items: str | None) -> list[Item]:
    return [] if items is None else _items(items)


@lru_cache(maxsize=256)
def _list(role: Role, columns: tuple[str, ...], *, counted: bool) -> Select[*tuple[Any, ...]]:
    """Built once, for building takes longer than running: `columns`, what else there is of the
    position, and the total."""
    key = model.Order.created_at, model.Order.id
    names = tuple(dict.fromkeys((*columns, "created_at", "id")))
    page = (
        select(*(COLUMNS[name] for name in names if name != ITEMS))
        .where(_listed(role))
        # The id settles ties, or a page could show an order twice.
        .order_by(*(column.desc() for column in key))
        .limit(_LIMIT)
    )
    # By comparison of rows: an index does not begin in the middle of an OR.
    page = page.offset(_OFFSET) if counted else page.where(tuple_(*key) < tuple_(_AT, _ID))
    rows = page.cte("page")
    total = _total(role) if counted else select(literal_column("NULL").label("total")).subquery()
    source = total.outerjoin(rows, true())
    chosen = {name: rows.c[name] for name in names if name != ITEMS}
    if ITEMS in columns:
        items = _items_of(rows)
        source = source.outerjoin(items, items.c.order_id == rows.c.id)
        chosen[ITEMS] = items.c.lines
    return (
        select(*(chosen[name] for name in names), total.c.total)
        .select_from(source)
        .order_by(rows.c.created_at.desc(), rows.c.id.desc())
    )


@lru_cache(maxsize=8)
def _one(role: Role) -> Select[*tuple[Any, ...]]:
    found = select(*COLUMNS.values()).where(model.Order.id == _ID, visible(role)).cte("page")
    items = _items_of(found)
    return select(*found.c, items.c.lines).outerjoin_from(
        found, items, items.c.order_id == found.c.id
    )


def _total(role: Role) -> FromClause:
    some = select(literal_column("1", Integer)).select_from(model.Order).where(_listed(role))
    return (
        select(func.count().label("total"))
        .select_from(some.limit(MOST_COUNTED).subquery())
        .subquery("counted")
    )


def _items_of(orders: CTE) -> FromClause:
    """The items of each of some orders, as the JSON of a list of Item.

    Of all of them at once: order by order, a small menu would be read whole for each.
    """
    item: dict[str, Any] = {
        "product_id": model.OrderItem.product_id,
        "product_name": model.Product.name,
        "quantity": model.OrderItem.quantity,
        "unit_price_minor": model.OrderItem.unit_price_minor,
    }
    pairs: list[Any] = []
    for name, column in item.items():
        pairs += literal_column(f"'{name}'"), column
    in_order = aggregate_order_by(func.json_build_object(*pairs), model.OrderItem.product_id)
    return (
        select(model.OrderItem.order_id, cast(func.json_agg(in_order), Text).label("lines"))
        .join(orders, orders.c.id == model.OrderItem.order_id)
        .join(model.Product, model.Product.id == model.OrderItem.product_id)
        .group_by(model.OrderItem.order_id)
        .subquery("items")
    )


def _listed(role: Role) -> ColumnElement[bool]:
    # Not both for staff: no index has the newest of an OR at its beginning.
    return OF_THE_COUNTER if role is Role.STAFF else visible(role)


def _from(part: Window | Following) -> dict[str, Any]:
    if isinstance(part, Window):
        return {"offset": part.offset}
    return {"at": part.after.created_at, "id": part.after.id}
