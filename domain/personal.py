"""What somebody is shown of themselves at first, in one look."""

from typing import Final

from msgspec import Struct
from sqlalchemy import BigInteger, bindparam, func, select, true

from domain import model
from domain.accounts import Principal
from domain.database import Database, Role
from domain.errors import NotFoundError
from domain.notifications import UNREAD
from domain.orders import UNDER_WAY, WHOLE, Order, whole


class Own(Struct, frozen=True):
    """A person's name, what is in their wallet (minor units), how many notifications they have not
    read, and the newest of their orders that are under way."""

    name: str
    balance_minor: int
    unread: int
    order: Order | None


_PERSON: Final = model.User.id
_BALANCE: Final = (
    select(model.Wallet.balance_minor).where(model.Wallet.user_id == _PERSON).scalar_subquery()
)
_NEWS: Final = (
    select(func.count())
    .select_from(model.Notification)
    .where(model.Notification.user_id == _PERSON, UNREAD)
    .scalar_subquery()
)
_NEWEST: Final = (
    WHOLE.where(model.Order.user_id == _PERSON, UNDER_WAY)
    .order_by(model.Order.created_at.desc(), model.Order.id.desc())
    .limit(1)
    .lateral("newest")
)
# Built once, for building takes longer than running.
_OWN: Final = (
    select(model.User.name, func.coalesce(_BALANCE, 0), _NEWS, *_NEWEST.c)
    .select_from(model.User)
    .outerjoin(_NEWEST, true())
    .where(bindparam("caller", type_=BigInteger) == _PERSON)
)


class Personal:
    """What is nobody else's business."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def own(self, caller: Principal) -> Own:
        """The caller's, of one moment. Raises NotFoundError for who is not there any more."""
        rows = await self._database.rows(Role.MENU, _OWN, {"caller": caller.id}, of=caller.id)
        if not rows:
            raise NotFoundError("person", caller.id)
        name, balance, unread, *order = rows[0]
        return Own(name, balance, unread, None if order[0] is None else whole(order))
