"""Notifications of whatever a test has to tell."""

from typing import Final

from sqlalchemy import BigInteger, Integer, Text, bindparam, select

from domain import notifications
from domain.database import Writer
from domain.events import announced

_NEWS: Final = select(
    bindparam("user_id", type_=BigInteger).label("user_id"),
    bindparam("order_id", type_=BigInteger).label("order_id"),
    bindparam("version", type_=Integer).label("version"),
    bindparam("kind", type_=Text).label("kind"),
    bindparam("title", type_=Text).label("title"),
    bindparam("body", type_=Text).label("body"),
).cte("news")
_NOTIFICATION: Final = notifications.written(_NEWS)
_WRITTEN: Final = select(_NOTIFICATION.c.id).add_cte(
    announced(*notifications.events(_NOTIFICATION, _NEWS))
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
    """Tell a person something, of an order which `version` of it; the notification's id."""
    values = {
        "user_id": user_id,
        "order_id": order_id,
        "version": version,
        "kind": kind,
        "title": title,
        "body": body,
        "traceparent": None,
    }
    notification: int = (await writer.change(_WRITTEN, values)).scalar_one()
    return notification
