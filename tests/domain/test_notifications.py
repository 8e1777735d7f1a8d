"""People are told what happened, see nobody else's, and choose where it is pushed to."""

import asyncio
import json

import asyncpg
import pytest

from domain.accounts import Principal
from domain.database import Database, Writer
from domain.devices import MOST_DEVICES, Devices
from domain.errors import NotFoundError
from domain.model import Platform, Role
from domain.model.paging import Window
from domain.model.selection import columns
from domain.notifications import Notifications
from tests.notices import write

HER, HIM = "student1@%", "student2@%"
SOME = columns("id", "is_read")
ALL = Window(100)


async def person(connection: asyncpg.Connection, email: str) -> Principal:
    """Somebody of the campus who was told nothing yet."""
    key = await connection.fetchval("SELECT id FROM users WHERE email LIKE $1", email)
    await connection.execute("DELETE FROM notifications WHERE user_id = $1", key)
    return Principal(key, Role.CUSTOMER)


async def tell(campus: Database, who: Principal, *titles: str) -> list[int]:
    """Tell somebody things, each in a transaction of its own."""
    told = []
    for title in titles:

        async def change(writer: Writer, title: str = title) -> int:
            return await write(writer, who.id, "order:ready", title, "Pasa a recogerlo.")

        told.append(await campus.write(change, by=[who.id]))
    return told


async def test_a_notification_and_its_event_are_there_with_the_change_or_not_at_all(
    campus: Database, connection: asyncpg.Connection
) -> None:
    her = await person(connection, HER)

    async def change(writer: Writer) -> int:
        return await write(writer, her.id, "order:ready", "Pedido 7", "Listo.")

    async def undone(writer: Writer) -> None:
        await change(writer)
        raise RuntimeError("something else of it fails")

    with pytest.raises(RuntimeError):
        await campus.write(undone)
    assert await Notifications(campus).unread(her) == 0
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    key = await campus.write(change, by=[her.id])
    chosen = columns("id", "kind", "title", "body", "order_id", "is_read")
    (found,) = (await Notifications(campus).listed(her, chosen, ALL)).rows
    assert tuple(found) == (key, "order:ready", "Pedido 7", "Listo.", None, False)
    # Nobody sees to it but the relay, so there is nobody to wait for.
    event, shown = await connection.fetch(
        "SELECT kind, payload, due_at <= now() AS due FROM outbox ORDER BY id"
    )
    assert (event["kind"], event["due"]) == ("notification:created", True)
    told = {"notificationId": key, "userId": her.id}
    assert json.loads(event["payload"]) == told
    # And with all that there is to show, for those that watch.
    assert shown["kind"] == "notification:told"
    assert json.loads(shown["payload"]) == told | {
        "kind": "order:ready",
        "title": "Pedido 7",
        "body": "Listo.",
        "orderId": None,
        "version": None,
    }


async def test_everyone_lists_and_marks_their_own_notifications_only(
    campus: Database, connection: asyncpg.Connection
) -> None:
    notifications = Notifications(campus)
    her, him = await person(connection, HER), await person(connection, HIM)
    hers = await tell(campus, her, "1", "2", "3")
    his = await tell(campus, him, "4")
    # All at one moment: the id says which is newer.
    await connection.execute("UPDATE notifications SET created_at = now()")
    with pytest.raises(NotFoundError):
        await notifications.mark_read(her, his[0])
    assert await notifications.unread(him) == 1
    await notifications.mark_read(her, hers[1])
    await notifications.mark_read(her, hers[1])
    assert await notifications.unread(her) == 2
    page = await notifications.listed(her, SOME, Window(2))
    assert ([each[0] for each in page.rows], page.total) == ([hers[2], hers[1]], 3)
    assert [each[1] for each in page.rows] == [False, True]
    page = await notifications.listed(her, SOME, Window(1, offset=1), unread=True)
    assert ([each[0] for each in page.rows], page.total) == ([hers[0]], 2)
    await notifications.mark_all_read(her)
    assert await notifications.unread(her) == 0
    assert (await notifications.listed(her, SOME, ALL, unread=True)).total == 0
    assert await notifications.unread(him) == 1


async def test_a_device_is_of_whoever_registered_it_last(
    campus: Database, connection: asyncpg.Connection
) -> None:
    devices = Devices(campus)
    her, him = await person(connection, HER), await person(connection, HIM)
    first = await devices.register(her, "phone", Platform.ANDROID)
    again = await devices.register(her, "phone", Platform.ANDROID)
    assert (again.id, again.created_at) == (first.id, first.created_at)
    assert again.last_seen_at > first.last_seen_at
    with pytest.raises(NotFoundError):
        await devices.forget(him, first.id)
    moved = await devices.register(him, "phone", Platform.WEB)
    owners = await connection.fetch("SELECT id, user_id, platform FROM devices")
    assert [tuple(row) for row in owners] == [(moved.id, him.id, "web")]
    with pytest.raises(NotFoundError):
        await devices.forget(her, moved.id)
    await devices.forget(him, moved.id)
    assert await connection.fetchval("SELECT count(*) FROM devices") == 0


async def test_of_too_many_devices_the_longest_unseen_go_though_all_come_at_once(
    campus: Database, connection: asyncpg.Connection
) -> None:
    devices = Devices(campus)
    her, him = await person(connection, HER), await person(connection, HIM)
    await devices.register(him, "his", Platform.IOS)
    for token in ("old", "older"):
        await devices.register(her, token, Platform.IOS)
    # Longer ago, and seen again.
    await devices.register(her, "old", Platform.IOS)
    new = [f"new-{number}" for number in range(MOST_DEVICES - 1)]
    await asyncio.gather(*(devices.register(her, token, Platform.IOS) for token in new))
    kept = await connection.fetch("SELECT token FROM devices WHERE user_id = $1", her.id)
    assert {row["token"] for row in kept} == {"old", *new}
    assert await connection.fetchval("SELECT count(*) FROM devices WHERE token = 'his'") == 1
