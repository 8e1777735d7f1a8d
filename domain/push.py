"""Pushing a notification to the devices of whom it is for, once to each."""

import asyncio
import logging
from collections import deque
from enum import Enum, auto
from typing import Final, Protocol

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from domain import model
from domain.database import Database, Role, Writer
from domain.events import Event, NotYetError
from domain.model import Platform

log = logging.getLogger(__name__)

# Seconds after which nobody wants to be told any more: of an order, and of anything.
STALE_ORDER: Final = 600
STALE: Final = 86_400


class Push(Struct, frozen=True):
    """A notification on its way to one device, where it is of use for `seconds` more."""

    notification_id: int
    order_id: int | None
    kind: str
    title: str
    body: str
    seconds: int
    device_id: int
    token: str
    platform: Platform


class Outcome(Enum):
    """What became of a push."""

    TAKEN = auto()
    GONE = auto()
    """There is no such device any more."""
    REFUSED = auto()
    """And it would be again."""


class Pusher(Protocol):
    """The port to whoever reaches devices."""

    async def push(self, push: Push) -> Outcome:
        """Hand it over. Raises where another try may do, NotYetError if it was told when."""

    async def close(self) -> None:
        """Let go of connections."""


class RecordedPushes:
    """Where there is no FCM: the last pushes, to be looked at and logged."""

    def __init__(self, most: int = 1000) -> None:
        self.made: deque[Push] = deque(maxlen=most)

    async def push(self, push: Push) -> Outcome:
        """Record it."""
        self.made.append(push)
        told = push.notification_id, push.device_id
        log.info("push of notification %d to device %d recorded: no FCM is configured", *told)
        return Outcome.TAKEN

    async def close(self) -> None:
        """There are none."""


class Pushes:
    """Sees to the events of notifications. However often one comes, a device that has got the
    notification, or will not, is left alone."""

    def __init__(self, database: Database, pusher: Pusher) -> None:
        self._database = database
        self._pusher = pusher

    async def see_to(self, event: Event) -> None:
        """Push to every device that needs it. Raises when some are left for another try."""
        needed = await self._needed(event.payload["notificationId"])
        ended = await asyncio.gather(*map(self._push, needed), return_exceptions=True)
        errors = [error for error in ended if error is not None]
        told = [error for error in errors if isinstance(error, NotYetError)]
        if told:
            raise max(told, key=lambda error: error.seconds)
        if errors:
            raise errors[0]

    async def _needed(self, notification_id: int) -> list[Push]:
        # A replica that has not heard of it would have nothing to push, and that for good.
        values = {"notification": notification_id}
        rows = await self._database.rows(Role.PRIMARY, _NEEDED, values)
        return [Push(*row) for row in rows]

    async def _push(self, push: Push) -> None:
        outcome = await self._pusher.push(push)
        if outcome is Outcome.GONE:
            log.info("device %d is gone", push.device_id)
            await self._forget(push)
        else:
            await self._settle(push)

    async def _forget(self, push: Push) -> None:
        async def change(database: Writer) -> None:
            await database.change(_GONE, {"device": push.device_id})

        await self._database.write(change, is_single=True)

    async def _settle(self, push: Push) -> None:
        device = {"device": push.device_id}

        async def change(database: Writer) -> None:
            await database.change(_DONE, {"notification": push.notification_id, **device})
            await database.change(_PAST, device)

        await self._database.write(change)


def _overtaken() -> ColumnElement[bool]:
    """Whether more was said of the order since: that it is being prepared is no news when it is
    ready, and events are seen to in any order."""
    later = aliased(model.Notification)
    return exists().where(
        later.user_id == model.Notification.user_id,
        later.order_id == model.Notification.order_id,
        # The instant is for the index; of a transaction's own, the id is the later one's.
        later.created_at >= model.Notification.created_at,
        later.id > model.Notification.id,
    )


def _seconds_left() -> ColumnElement[float]:
    lifetime = case((model.Notification.order_id.is_(None), STALE), else_=STALE_ORDER)
    age = func.extract("epoch", func.now() - model.Notification.created_at)
    return cast(lifetime - age, Float)


# Built once, for building takes longer than running.
_NOTIFICATION: Final = bindparam("notification", type_=BigInteger)
_DEVICE: Final = bindparam("device", type_=BigInteger)
_NEEDED: Final = (
    select(
        model.Notification.id,
        model.Notification.order_id,
        model.Notification.kind,
        model.Notification.title,
        model.Notification.body,
        cast(func.ceil(_seconds_left()), Integer),
        model.Device.id,
        model.Device.token,
        model.Device.platform,
    )
    .join(model.Device, model.Device.user_id == model.Notification.user_id)
    .outerjoin(
        model.PushDelivery,
        and_(
            model.PushDelivery.notification_id == model.Notification.id,
            model.PushDelivery.device_id == model.Device.id,
        ),
    )
    .where(
        model.Notification.id == _NOTIFICATION,
        ~model.Notification.is_read,
        _seconds_left() > 0,
        model.PushDelivery.device_id.is_(None),
        ~_overtaken(),
    )
)
_DONE: Final = (
    insert(model.PushDelivery)
    .from_select(
        ["notification_id", "device_id"],
        # From the table, for the device may have been forgotten meanwhile.
        select(_NOTIFICATION, model.Device.id).where(model.Device.id == _DEVICE),
    )
    .on_conflict_do_nothing()
)
# Nothing as old is pushed any more, so nobody asks whether it was.
_PAST: Final = delete(model.PushDelivery).where(
    model.PushDelivery.device_id == _DEVICE,
    model.PushDelivery.settled_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, STALE),
)
_GONE: Final = delete(model.Device).where(model.Device.id == _DEVICE)
