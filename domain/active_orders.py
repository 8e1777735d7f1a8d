"""The order that somebody waits for."""

from typing import Final

from sqlalchemy import BigInteger, bindparam, select

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader, Role
from domain.orders import UNDER_WAY, Order, order_of

_NEWEST: Final = (
    select(model.Order.id)
    .where(
        model.Order.user_id == bindparam("caller", type_=BigInteger),
        UNDER_WAY,
    )
    .order_by(model.Order.created_at.desc(), model.Order.id.desc())
    .limit(1)
)


class ActiveOrders:
    """Orders between the phone and the tray."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, caller: Principal) -> Order | None:
        """The caller's own that came last of those that are not over, if there is one."""

        async def read(database: Reader) -> Order | None:
            found = await database.execute(_NEWEST, {"caller": caller.id})
            row = found.one_or_none()
            return None if row is None else await order_of(database, row[0])

        return await self._database.read(Role.MENU, read, of=caller.id)
