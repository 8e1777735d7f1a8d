"""What people are told: written where something happens to them, listed, and marked as read."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Select,
    Text,
    bindparam,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader, Role, Writer
from domain.errors import NotFoundError
from domain.model.nested import json_object
from domain.model.paging import Position, Stretch
from domain.model.selection import Selection, columns
from domain.timeline import Part, Timeline

CREATED: Final = "notification:created"
"""Is pushed to the person's devices,"""
TOLD: Final = "notification:told"
"""and shown by those that watch."""

UNREAD: Final = ~model.Notification.is_read
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
        "unread": UNREAD,
    },
)
_SAID: Final = ["user_id", "order_id", "kind", "title", "body"]
# Built once, for building takes longer than running.
_COUNTED: Final = select(func.count()).select_from(model.Notification).where(_OWNED, UNREAD)
_ALL_READ: Final = update(model.Notification).where(_OWNED, UNREAD).values(is_read=True)
_ONE_READ: Final = (
    update(model.Notification)
    .where(model.Notification.id == bindparam("notification", type_=BigInteger), _OWNED)
    .values(is_read=True)
)


def written(news: CTE) -> CTE:
    """A part of the statement that makes it so: what somebody is told, if there is a row of news,
    with the user_id, order_id, kind, title and body of it."""
    told = (news.c[name] for name in _SAID)
    return (
        insert(model.Notification)
        .from_select(_SAID, select(*told))
        .returning(model.Notification.id)
        .cte("notification")
    )


def events(notification: CTE, news: CTE) -> tuple[Select[str, Any], Select[str, Any]]:
    """What the outbox is to hold of it: kind and payload. Of news with a version, the order is of
    that one."""
    to = {"notificationId": notification.c.id, "userId": news.c.user_id}
    shown = to | {
        "kind": news.c.kind,
        "title": news.c.title,
        "body": news.c.body,
        "orderId": news.c.order_id,
        "version": news.c.version,
    }
    both = notification.join(news, true())
    return (
        select(literal(CREATED, Text), json_object(columns(*to), to)).select_from(both),
        select(literal(TOLD, Text), json_object(columns(*shown), shown)).select_from(both),
    )


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
