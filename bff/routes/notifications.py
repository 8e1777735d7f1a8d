"""What the caller is told, and the devices that it is pushed to."""

from typing import Annotated, Any

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.status_codes import HTTP_204_NO_CONTENT
from msgspec import Meta, Struct

from bff.edge import kinds
from bff.edge.problems import declared as problems
from bff.representation import views
from bff.representation.answers import Answer
from bff.representation.fields import Fields
from bff.representation.pages import (
    Cursor,
    Cursors,
    Page,
    PageLimit,
    PageNumber,
    declared,
    listing,
)
from bff.routes.inputs import MOST_ID
from domain.accounts import Principal
from domain.devices import Devices
from domain.model import Platform
from domain.model.paging import Position
from domain.notifications import Notifications

BEARER = [{"bearer": list[str]()}]
ONE = problems(kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.NOT_FOUND, kinds.UNAVAILABLE)
Id = Annotated[int, PathParameter(ge=1, le=MOST_ID)]


class UnreadView(Struct, frozen=True):
    """How many notifications the caller has not read."""

    count: int


class NewDevice(Struct, frozen=True, forbid_unknown_fields=True):
    """An installation of the app, by the registration token that FCM gave it."""

    # Python's `$` would let a line's end by.
    token: Annotated[str, Meta(pattern=r"^[!-~]{1,1024}(?!\n)$")]
    platform: Platform


@get(
    "/api/notifications",
    summary="Notifications, the newest first",
    tags=["notifications"],
    security=BEARER,
    responses=problems(kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.UNAVAILABLE)
    | declared(views.NOTIFICATIONS),
)
async def list_notifications(
    principal: NamedDependency[Principal],
    notifications: NamedDependency[Notifications],
    cursors: NamedDependency[Cursors],
    unread: Annotated[bool, QueryParameter(description="only those that were not read")] = False,
    page: PageNumber = 1,
    limit: PageLimit = 20,
    cursor: Cursor = None,
    fields: Fields = None,
) -> Answer[Page[Any]]:
    """The caller's own, read ones too unless `unread=true`."""
    chosen = views.NOTIFICATIONS.select(fields)
    of = listing("/api/notifications", fields and chosen.key, unread=unread or None)
    part = cursors.asked(of, Position, page=page, limit=limit, cursor=cursor)
    found = await notifications.listed(principal, chosen.selection, part.part, unread=unread)
    shown = part.shown(chosen.rows(found.rows), found)
    return Answer(shown.page, headers=shown.headers)


@get(
    "/api/notifications/unread",
    summary="How many notifications are unread",
    tags=["notifications"],
    security=BEARER,
    responses=problems(kinds.UNAUTHENTICATED, kinds.UNAVAILABLE),
)
async def count_unread(
    principal: NamedDependency[Principal], notifications: NamedDependency[Notifications]
) -> UnreadView:
    """The number on the bell."""
    return UnreadView(await notifications.unread(principal))


@post(
    "/api/notifications/{notification_id:int}/read",
    summary="Mark a notification as read",
    tags=["notifications"],
    security=BEARER,
    status_code=HTTP_204_NO_CONTENT,
    responses=ONE,
)
async def mark_read(
    notification_id: Id,
    principal: NamedDependency[Principal],
    notifications: NamedDependency[Notifications],
) -> None:
    """To do so twice is no error; 404 for one that is not the caller's."""
    await notifications.mark_read(principal, notification_id)


@post(
    "/api/notifications/read",
    summary="Mark every notification as read",
    tags=["notifications"],
    security=BEARER,
    status_code=HTTP_204_NO_CONTENT,
    responses=problems(kinds.UNAUTHENTICATED, kinds.UNAVAILABLE),
)
async def mark_all_read(
    principal: NamedDependency[Principal], notifications: NamedDependency[Notifications]
) -> None:
    """All that the caller has at this moment."""
    await notifications.mark_all_read(principal)


@put(
    "/api/devices",
    summary="Register a device for push",
    tags=["notifications"],
    security=BEARER,
    responses=problems(
        kinds.INVALID_REQUEST,
        kinds.UNAUTHENTICATED,
        kinds.BODY_TOO_LARGE,
        kinds.UNSUPPORTED_MEDIA_TYPE,
        kinds.UNAVAILABLE,
    ),
)
async def register_device(
    data: JSONBody[NewDevice],
    principal: NamedDependency[Principal],
    devices: NamedDependency[Devices],
) -> views.DeviceView:
    """At each start of the app, and when FCM gives it another token. The device is the caller's
    from now on, whoever's it was; of more than ten, the one goes that was longest not seen."""
    return views.device(await devices.register(principal, data.token, data.platform))


@delete(
    "/api/devices/{device_id:int}",
    summary="Push no more to a device",
    tags=["notifications"],
    security=BEARER,
    responses=ONE,
)
async def forget_device(
    device_id: Id, principal: NamedDependency[Principal], devices: NamedDependency[Devices]
) -> None:
    """At logging out; 404 for one that is not the caller's."""
    await devices.forget(principal, device_id)
