"""What people are told: written where something happens to them, listed, and marked as read."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, func, insert, select, update

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader, Role, Writer
from domain.errors import NotFoundError
from domain.model.paging import Position, Stretch
from domain.model.selection import Selection
from domain.timeline import Part, Timeline

CREATED: Final = "notification:created"
"""Is pushed to the person's devices,"""
TOLD: Final = "notification:told"
"""and shown by those that watch."""

_UNREAD: Final = ~model.Notification.is_read
_OWNED: Final = model.Notification.user_id == bindparam("owner", type_=BigInteger)
_OWN: Final = Timeline(
    {
        "id": model.Notification.id.expression,
        "order_id": model.Notification.order_id.expression,
        "kind": model.Notification.kind.expression,
        "title": model.Notification.title.expression,
        "body": model.Notification.body.expression,
        "is_read": model.Notification.is_read.expression,
        "created_at": model.Notification.created_at.expression,
    },
    {
        "owner": _OWNED,
        "unread": _UNREAD,
    },
)
# Built once, for building takes longer than running.
_WRITTEN: Final = insert(model.Notification).returning(model.Notification.id)
_COUNTED: Final = select(func.count()).select_from(model.Notification).where(_OWNED, _UNREAD)
_ALL_READ: Final = update(model.Notification).where(_OWNED, _UNREAD).values(is_read=True)
_ONE_READ: Final = (
    update(model.Notification)
    .where(model.Notification.id == bindparam("notification", type_=BigInteger), _OWNED)
    .values(is_read=True)
)


async def write(
    writer: Writer,
    user_id: int,
    kind: str,
    title: str,
    body: str,
    order_id: int | None = None,
    version: int | None = None,
) -> int:
    """Tell a person something in the transaction that makes it so, of an order which `version` of
    it; the notification's id.

    Of those that `Database.write` is told of, the person should be one.
    """
    words = {"kind": kind, "title": title, "body": body}
    values = {"user_id": user_id, "order_id": order_id, **words}
    notification_id: int = (await writer.change(_WRITTEN, values)).scalar_one()
    payload = {"notificationId": notification_id, "userId": user_id}
    await writer.announce(CREATED, payload, at_once=True)
    shown = {**words, "orderId": order_id, "version": version}
    await writer.announce(TOLD, payload | shown)
    return notification_id


class Notifications:
    """One's own notifications, and nobody else's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(
        self, caller: Principal, selection: Selection, part: Part, *, unread: bool = False
    ) -> Stretch[Sequence[Any], Position]:
        """The newest first; all of them, or only the `unread`."""
        given: dict[str, Any] = {"owner": caller.id}
        if unread:
            given["unread"] = True

        async def read(database: Reader) -> Stretch[Sequence[Any], Position]:
            return await _OWN.read(database, selection, part, given)

        return await self._database.read(Role.MENU, read, of=caller.id)

    async def unread(self, caller: Principal) -> int:
        """How many the caller has not read."""
        rows = await self._database.rows(Role.MENU, _COUNTED, {"owner": caller.id}, of=caller.id)
        return rows[0][0]

    async def mark_read(self, caller: Principal, notification_id: int) -> None:
        """It was read; to say so again is no error. Raises NotFoundError."""
        values = {"notification": notification_id, "owner": caller.id}

        async def mark(database: Writer) -> None:
            if not (await database.change(_ONE_READ, values)).rowcount:
                raise NotFoundError("notification", notification_id)

        await self._database.write(mark, by=[caller.id], is_single=True)

    async def mark_all_read(self, caller: Principal) -> None:
        """All that there are at this moment were read."""

        async def mark(database: Writer) -> None:
            await database.change(_ALL_READ, {"owner": caller.id})

        await self._database.write(mark, by=[caller.id], is_single=True)
