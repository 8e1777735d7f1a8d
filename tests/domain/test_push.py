"""A notification reaches each device once, in FCM's own protocol, whatever is answered."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from domain import fcm
from domain.database import Database, Writer
from domain.events import Outbox, Relay
from domain.fcm import CredentialsFileError, Fcm
from domain.notifications import CREATED
from domain.push import Outcome, Push, Pushes, RecordedPushes
from tests.fcm import Answer, Google, key_file, refusal, serving
from tests.notices import write

REGISTER = "INSERT INTO devices (user_id, token, platform) VALUES ($1, $2, $3)"
AGAIN = "UPDATE outbox SET due_at = now(), delivered_at = NULL WHERE kind = 'notification:created'"
LEFT = """
SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND kind = 'notification:created'
"""
DUE_IN = """
SELECT extract(epoch FROM due_at - now())::float8
  FROM outbox WHERE delivered_at IS NULL AND kind = 'notification:created'
"""


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Google]:
    with serving(tmp_path) as google:
        yield google


@pytest.fixture
async def sender(google: Google) -> AsyncIterator[Fcm]:
    sender = fcm.from_file(str(google.key_file), google.url)
    yield sender
    await sender.close()


@pytest.fixture
def relay(campus: Database, sender: Fcm) -> Relay:
    return Relay(Outbox(campus), {CREATED: Pushes(campus, sender).see_to})


async def own(connection: asyncpg.Connection, *devices: str, platform: str = "android") -> int:
    """A person with some devices."""
    user: int = await connection.fetchval("SELECT min(id) FROM users")
    for token in devices:
        await connection.execute(REGISTER, user, token, platform)
    return user


async def tell(campus: Database, user: int, *, order: int | None = None) -> int:
    async def change(writer: Writer) -> int:
        return await write(writer, user, "order:ready", "Pedido 7", "Listo. " * 200, order)

    return await campus.write(change)


async def test_each_platform_is_asked_in_fcms_own_protocol_with_one_token_for_all(
    campus: Database, connection: asyncpg.Connection, google: Google, relay: Relay
) -> None:
    for platform in ("android", "ios", "web"):
        user = await own(connection, f"an {platform}", platform=platform)
    order = await connection.fetchval("SELECT min(id) FROM orders")
    key = await tell(campus, user, order=order)
    assert await relay.round() == 1
    android, ios, web = sorted(google.sent, key=lambda message: str(message["token"]))
    for message in (android, ios, web):
        assert message["notification"] == {"title": "Pedido 7", "body": ("Listo. " * 200)[:500]}
        assert message["data"] == {
            "notificationId": str(key),
            "kind": "order:ready",
            "orderId": str(order),
        }
    name = f"notification-{key}"
    ttl = android["android"].pop("ttl")
    assert 540 < int(ttl.removesuffix("s")) <= 600
    assert android["android"] == {"priority": "HIGH", "notification": {"tag": name}}
    headers = ios["apns"]["headers"]
    assert 540 < int(headers.pop("apns-expiration")) - time.time() <= 600
    assert headers == {"apns-priority": "10", "apns-collapse-id": name}
    assert web["webpush"] == {
        "headers": {"TTL": ttl.removesuffix("s"), "Urgency": "high"},
        "notification": {"tag": name},
    }
    assert [set(each) - {"token", "notification", "data"} for each in (android, ios, web)] == [
        {"android"},
        {"apns"},
        {"webpush"},
    ]
    await tell(campus, user)
    assert await relay.round() == 1
    assert len(google.sent) == 6
    assert google.assertions == len(google.granted) == 1
    assert await connection.fetchval(LEFT) == 0


GONE = {
    "unregistered": refusal(404, "UNREGISTERED"),
    "never registered": refusal(
        400, "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"
    ),
    "misspelt": refusal(400, "INVALID_ARGUMENT", fields=("message.token",)),
}
STAYS = {
    "too large": refusal(400, ""),
    "wrong elsewhere": refusal(
        400, "INVALID_ARGUMENT", "registration token or not", fields=("message.data[0].value",)
    ),
    "of another project": refusal(403, "SENDER_ID_MISMATCH"),
    "sent elsewhere": Answer(307, b"", {"Location": "/token"}),
    "behind a wrong address": Answer(404, b"<html>Not Found</html>"),
    "without a certificate": refusal(401, "THIRD_PARTY_AUTH_ERROR"),
}


async def test_a_device_goes_when_fcm_does_not_know_it_and_for_no_other_refusal(
    campus: Database, connection: asyncpg.Connection, google: Google, relay: Relay
) -> None:
    user = await own(connection, *GONE, *STAYS)
    google.answers = {token: [answer] for token, answer in (GONE | STAYS).items()}
    await tell(campus, user)
    assert await relay.round() == 1
    assert await connection.fetchval(LEFT) == 0
    kept = await connection.fetch("SELECT token FROM devices")
    assert {row["token"] for row in kept} == set(STAYS)
    # None of them says that our access token is not good.
    assert (google.assertions, google.devices()) == (1, sorted([*GONE, *STAYS]))
    await connection.execute(AGAIN)
    assert await relay.round() == 1
    assert len(google.sent) == len(GONE | STAYS)


async def test_a_retry_reaches_only_the_devices_that_did_not_get_it(
    campus: Database, connection: asyncpg.Connection, google: Google, relay: Relay
) -> None:
    user = await own(connection, "a", "b", "c")
    google.answers = {"b": [refusal(503, "UNAVAILABLE")], "c": [Answer(502, b"<html>")] * 2}
    key = await tell(campus, user)
    for reached, left in ((["a", "b", "c"], 1), (["b", "c"], 1), (["c"], 0), ([], 0)):
        google.sent.clear()
        await connection.execute(AGAIN)
        assert await relay.round() == 1
        assert google.devices() == reached
        assert await connection.fetchval(LEFT) == left
    settled = "SELECT count(*) FROM push_deliveries WHERE notification_id = $1"
    assert await connection.fetchval(settled, key) == 3
    # What nobody would push again is not kept for ever.
    await connection.execute("UPDATE push_deliveries SET settled_at = now() - interval '25 hours'")
    await tell(campus, user)
    assert await relay.round() == 1
    assert await connection.fetchval("SELECT count(*) FROM push_deliveries") == 3


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (429, lambda: "300", 300),
        (503, lambda: formatdate(time.time() + 600, usegmt=True), 600),
        (429, lambda: "soon", 60),
        (503, lambda: "9" * 400, 3600),
    ],
    ids=["seconds", "date", "nothing of use", "beyond measure"],
)
async def test_fcm_is_left_alone_for_as_long_as_it_asks(
    campus: Database,
    connection: asyncpg.Connection,
    google: Google,
    relay: Relay,
    status: int,
    retry_after: Callable[[], str],
    seconds: float,
) -> None:
    user = await own(connection, "a", "b", "c")
    told = refusal(status, "BUSY", Retry_After=retry_after())
    # What fails without a word does not make the others come too early, or too late.
    google.answers = {"a": [refusal(503, "UNAVAILABLE")], "b": [told], "c": [refusal(500, "")]}
    await tell(campus, user)
    assert await relay.round() == 1
    assert google.devices() == ["a", "b", "c"]
    # Not another notification either, for the quota is the project's.
    await tell(campus, user)
    assert await relay.round() == 1
    assert google.devices() == ["a", "b", "c"]
    for (due_in,) in await connection.fetch(DUE_IN):
        assert seconds * 0.8 < due_in <= seconds


async def test_nobody_is_told_what_is_stale_was_read_or_was_overtaken(
    campus: Database, connection: asyncpg.Connection, google: Google, relay: Relay
) -> None:
    user = await own(connection, "a")
    order = await connection.fetchval("SELECT min(id) FROM orders")
    await tell(campus, user, order=order)
    still_of_use = await tell(campus, user)
    await connection.execute("UPDATE notifications SET created_at = now() - interval '11 minutes'")
    await tell(campus, user)
    await connection.execute(
        "UPDATE notifications SET created_at = now() - interval '25 hours'"
        " WHERE id = (SELECT max(id) FROM notifications)"
    )
    read = await tell(campus, user)
    await connection.execute("UPDATE notifications SET is_read = true WHERE id = $1", read)
    another = await connection.fetchval("SELECT max(id) FROM orders")
    await tell(campus, user, order=another)
    last = await tell(campus, user, order=another)
    assert await relay.round() == 6
    told = {message["data"]["notificationId"] for message in google.sent}
    assert (told, len(google.sent)) == ({str(still_of_use), str(last)}, 2)
    assert await connection.fetchval(LEFT) == 0


async def test_an_access_token_that_was_taken_back_is_replaced(
    campus: Database, connection: asyncpg.Connection, google: Google, relay: Relay
) -> None:
    user = await own(connection, "a", "b", "c")
    await tell(campus, user)
    await relay.round()
    google.granted.append("somebody else's")
    await tell(campus, user)
    await relay.round()
    assert google.devices() == ["a", "a", "b", "b", "c", "c"]
    # One for all three that were turned away.
    assert google.assertions == 2


async def test_without_an_access_token_google_is_asked_once_and_nothing_is_lost(
    campus: Database, connection: asyncpg.Connection, google: Google, relay: Relay
) -> None:
    user = await own(connection, "a", "b")
    google.refuses_tokens = True
    for _ in range(3):
        await tell(campus, user)
    assert await relay.round() == 3
    assert (google.assertions, google.sent) == (1, [])
    due = [due_in for (due_in,) in await connection.fetch(DUE_IN)]
    assert len(due) == 3
    assert 0 < max(due) <= 10


async def test_a_device_that_is_forgotten_while_it_is_pushed_to_troubles_nobody(
    campus: Database, connection: asyncpg.Connection
) -> None:
    class Meanwhile(RecordedPushes):
        async def push(self, push: Push) -> Outcome:
            await connection.execute("DELETE FROM devices WHERE id = $1", push.device_id)
            return await super().push(push)

    pusher = Meanwhile()
    await tell(campus, await own(connection, "a"))
    assert await Relay(Outbox(campus), {CREATED: Pushes(campus, pusher).see_to}).round() == 1
    assert len(pusher.made) == 1
    assert await connection.fetchval(LEFT) == 0


@pytest.mark.parametrize(
    "changes",
    [
        None,
        {"private_key": "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"},
        {"token_uri": None},
        {"project_id": ""},
    ],
)
def test_a_file_that_is_no_service_accounts_is_refused_without_a_word_of_it(
    tmp_path: Path, changes: dict[str, Any] | None
) -> None:
    path = tmp_path / "account.json"
    if changes is not None:
        given = key_file("http://127.0.0.1") | changes
        path.write_text(json.dumps({k: v for k, v in given.items() if v is not None}))
    with pytest.raises(CredentialsFileError) as refused:
        fcm.from_file(str(path), "http://127.0.0.1")
    assert str(path) in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "PRIVATE" not in str(refused.value)
