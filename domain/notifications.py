"""What people are told: written where something happens to them, listed, and marked as read."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, func, insert, select, update

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader, Role, Writer
from domain.errors import NotFoundError
from domain.model.paging import Page, Window

CREATED: Final = "notification:created"


class Notification(Struct, frozen=True):
    """A message to one person; `kind` is for programs, `title` and `body` are for people."""

    id: int
    order_id: int | None
    kind: str
    title: str
    body: str
    is_read: bool
    created_at: datetime


_columns = (
    model.Notification.id,
    model.Notification.order_id,
    model.Notification.kind,
    model.Notification.title,
    model.Notification.body,
    model.Notification.is_read,
    model.Notification.created_at,
)


async def write(
    writer: Writer, user_id: int, kind: str, title: str, body: str, order_id: int | None = None
) -> int:
    """Tell a person something in the transaction that makes it so; the notification's id.

    Of those that `Database.write` is told of, the person should be one.
    """
    written = await writer.change(
        insert(model.Notification)
        .values(user_id=user_id, order_id=order_id, kind=kind, title=title, body=body)
        .returning(model.Notification.id)
    )
    notification_id: int = written.scalar_one()
    payload = {"notificationId": notification_id, "userId": user_id}
    await writer.announce(CREATED, payload, at_once=True)
    return notification_id


class Notifications:
    """One's own notifications, and nobody else's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(
        self, caller: Principal, window: Window, *, unread: bool = False
    ) -> Page[Notification]:
        """The newest first; all of them, or only the `unread`."""
        chosen = _unread(caller) if unread else model.Notification.user_id == caller.id
        counted = select(func.count()).select_from(model.Notification).where(chosen)
        rows = (
            select(*_columns)
            .where(chosen)
            # The id settles ties, or a page could show one twice.
            .order_by(model.Notification.created_at.desc(), model.Notification.id.desc())
            .limit(window.limit)
            .offset(window.offset)
        )

        async def read(database: Reader) -> Page[Notification]:
            total = await database.scalar(counted)
            return Page([Notification(*row) for row in await database.execute(rows)], total or 0)

        return await self._database.read(Role.MENU, read, of=caller.id)

    async def unread(self, caller: Principal) -> int:
        """How many the caller has not read."""
        counted = select(func.count()).select_from(model.Notification).where(_unread(caller))
        rows = await self._database.rows(Role.MENU, counted, of=caller.id)
        return rows[0][0]

    async def mark_read(self, caller: Principal, notification_id: int) -> None:
        """It was read; to say so again is no error. Raises NotFoundError."""
        marked = (
            update(model.Notification)
            .where(
                model.Notification.id == notification_id,
                model.Notification.user_id == caller.id,
            )
            .values(is_read=True)
        )

        async def mark(database: Writer) -> None:
            if not (await database.change(marked)).rowcount:
                raise NotFoundError("notification", notification_id)

        await self._database.write(mark, by=[caller.id])

    async def mark_all_read(self, caller: Principal) -> None:
        """All that there are at this moment were read."""
        marked = update(model.Notification).where(_unread(caller)).values(is_read=True)

        async def mark(database: Writer) -> None:
            await database.change(marked)

        await self._database.write(mark, by=[caller.id])


def _unread(caller: Principal) -> ColumnElement[bool]:
    return and_(model.Notification.user_id == caller.id, ~model.Notification.is_read)
