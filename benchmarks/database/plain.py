"""The plain way: mapped classes with relationships, loaded eagerly, one session a request."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, joinedload, relationship, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from domain import model


class Plain(DeclarativeBase):
    """Mapped anew: the models of the domain have no relationships."""


class Product(Plain):
    """A dish."""

    __table__ = model.Product.__table__


class OrderItem(Plain):
    """A line of an order."""

    __table__ = model.OrderItem.__table__
    product = relationship(Product)


class Order(Plain):
    """An order."""

    __table__ = model.Order.__table__
    items = relationship(OrderItem, order_by=model.OrderItem.product_id)


_COLUMNS = model.Order.__table__.c
BY_SELECT: ORMOption = selectinload(Order.items).joinedload(OrderItem.product)
BY_JOIN: ORMOption = joinedload(Order.items).joinedload(OrderItem.product)


class PlainOrders:
    """A person's orders, as entities; their items are loaded as `options` say, or not at all."""

    def __init__(self, engine: AsyncEngine, *options: ORMOption) -> None:
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self._options = options

    async def listed(self, user_id: int, limit: int) -> tuple[list[Any], int]:
        """The newest, and how many there are."""
        own = _COLUMNS.user_id == user_id
        page: Select[Any] = (
            select(Order)
            .options(*self._options)
            .where(own)
            .order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc())
            .limit(limit)
        )
        async with self._sessions() as session:
            total = await session.scalar(select(func.count()).select_from(Order).where(own))
            return list((await session.scalars(page)).unique()), total or 0

    async def detail(self, user_id: int, order_id: int) -> Any:
        """One of them."""
        one = (
            select(Order)
            .options(*self._options)
            .where(_COLUMNS.id == order_id, _COLUMNS.user_id == user_id)
        )
        async with self._sessions() as session:
            return (await session.scalars(one)).unique().one()
