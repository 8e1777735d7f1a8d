"""What is told of which change, and in which rooms: events of the outbox as those of sockets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from bff.realtime.bus import Bus, Notice
from bff.representation.views import View
from domain import notifications, orders
from domain.database import Fence
from domain.events import Told
from domain.model import OrderStatus
from domain.model.money import to_decimal
from domain.orders import Order

KINDS: Final = (orders.CREATED, orders.CHANGED, notifications.TOLD)
"""Of the outbox, that sockets are told of."""
ALL_ORDERS: Final = "orders"

# What is not here is an update like any other.
_NAMES: Final = {
    OrderStatus.CREATED: "order:created",
    OrderStatus.ACCEPTED: "order:accepted",
}
_UPDATED: Final = "order:updated"
_NEW_NOTIFICATION: Final = "notification:new"
_encode = msgspec.json.Encoder().encode


class OrderNews(View, frozen=True):
    """An order as it is now; a client that has this `version`, or a later one, drops it. `fence`
    is for the Comanda-Fence of what is read because of it."""

    order_id: int
    cafeteria_id: int
    status: OrderStatus
    total_amount: str
    pickup_code: str | None
    reason: str | None
    version: int
    fence: str
    at: datetime


class NotificationNews(View, frozen=True):
    """A notification, and the order with its version that it is about."""

    notification_id: int
    kind: str
    title: str
    body: str
    order_id: int | None
    version: int | None
    fence: str
    at: datetime


def watched(order_id: int) -> str:
    """The room of whoever watches one order."""
    return f"order:{order_id}"


def person(user_id: int) -> str:
    """The room of a person's own devices."""
    return f"user:{user_id}"


def counter(cafeteria_id: int) -> str:
    """The room of a cafeteria's live feed."""
    return f"cafeteria:{cafeteria_id}"


class Announcer:
    """Puts events of the outbox on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, events: Sequence[Told]) -> None:
        """Tell of them, in this order. Raises AwayError, ResponseError."""
        await self._bus.publish([notice(each) for each in events])


def notice(event: Told) -> Notice:
    """An event as it is told."""
    told = event.payload
    if event.kind == notifications.TOLD:
        rooms: tuple[str, ...] = (person(told["userId"]),)
        body = _notification(event, told)
    else:
        rooms = (
            watched(told["orderId"]),
            person(told["userId"]),
            counter(told["cafeteriaId"]),
            ALL_ORDERS,
        )
        body = _order(event, told)
    return Notice(rooms, body, event.at.timestamp(), event.fence, event.traceparent)


def hexadecimal(fence: Fence) -> str:
    """A fence as it is in the header Comanda-Fence."""
    return f"{fence:x}"


def of(order: Order, fence: Fence) -> tuple[str, OrderNews]:
    """An order as it is, under the name of its last event."""
    news = OrderNews(
        order_id=order.id,
        cafeteria_id=order.cafeteria_id,
        status=order.status,
        total_amount=to_decimal(order.total_minor),
        pickup_code=order.pickup_code,
        reason=order.reason,
        version=order.version,
        fence=hexadecimal(fence),
        at=order.updated_at,
    )
    return _NAMES.get(order.status, _UPDATED), news


def _order(event: Told, told: dict[str, Any]) -> bytes:
    status = OrderStatus(told["status"])
    news = OrderNews(
        order_id=told["orderId"],
        cafeteria_id=told["cafeteriaId"],
        status=status,
        # One from before these were told has none.
        total_amount=to_decimal(told.get("totalMinor", 0)),
        pickup_code=told.get("pickupCode"),
        reason=told.get("reason"),
        version=told["version"],
        fence=hexadecimal(event.fence),
        at=event.at,
    )
    return _encode([_NAMES.get(status, _UPDATED), news])


def _notification(event: Told, told: dict[str, Any]) -> bytes:
    news = NotificationNews(
        notification_id=told["notificationId"],
        kind=told["kind"],
        title=told["title"],
        body=told["body"],
        order_id=told["orderId"],
        version=told["version"],
        fence=hexadecimal(event.fence),
        at=event.at,
    )
    return _encode([_NEW_NOTIFICATION, news])
