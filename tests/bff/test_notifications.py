"""Notifications over HTTP, and all the way to a device."""

import asyncio
import logging
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from bff.app import create_app
from bff.routes.notifications import NewDevice
from bff.settings import Settings, SettingsError
from domain import events
from domain.database import Database, Writer
from infra.demo.campus import PASSWORD
from tests.conftest import Serve
from tests.fcm import serving
from tests.notices import write

PHONE = {"token": "phone:1", "platform": "android"}


async def student(client: httpx.AsyncClient) -> tuple[int, dict[str, str]]:
    """A student's id, and what their requests carry."""
    credentials = {"email": "student1@campus.example", "password": PASSWORD}
    session = (await client.post("/auth/login", json=credentials)).json()
    return session["user"]["id"], {"authorization": f"Bearer {session['accessToken']}"}


async def tell(campus: Database, user: int, title: str) -> int:
    async def change(writer: Writer) -> int:
        return await write(writer, user, "order:ready", title, "Pasa a recogerlo.")

    return await campus.write(change)


async def test_notifications_are_listed_counted_and_read_and_a_device_shows_no_token(
    client: httpx.AsyncClient, campus: Database, connection: asyncpg.Connection
) -> None:
    user, headers = await student(client)
    client.headers.update(headers)
    await connection.execute("DELETE FROM notifications WHERE user_id = $1", user)
    keys = [await tell(campus, user, title) for title in ("1", "2", "3")]
    listed = (await client.get("/api/notifications?limit=2")).json()
    cursor = listed["pagination"].pop("nextCursor")
    assert listed["pagination"] == {"total": 3, "page": 1, "limit": 2, "totalPages": 2}
    rest = (await client.get(f"/api/notifications?limit=2&cursor={cursor}")).json()
    assert [each["id"] for each in rest["data"]] == [keys[0]]
    assert rest["pagination"] == {"limit": 2, "nextCursor": None}
    assert [each["id"] for each in listed["data"]] == [keys[2], keys[1]]
    newest = listed["data"][0]
    assert newest.pop("createdAt").endswith("Z")
    assert newest == {
        "id": keys[2],
        "orderId": None,
        "kind": "order:ready",
        "title": "3",
        "body": "Pasa a recogerlo.",
        "isRead": False,
    }
    assert (await client.post(f"/api/notifications/{keys[2]}/read")).status_code == 204
    assert (await client.get("/api/notifications/unread")).json() == {"count": 2}
    unread = (await client.get("/api/notifications?unread=true")).json()
    assert [each["id"] for each in unread["data"]] == [keys[1], keys[0]]
    assert (await client.post("/api/notifications/read")).status_code == 204
    assert (await client.get("/api/notifications/unread")).json() == {"count": 0}

    registered = await client.put("/api/devices", json=PHONE)
    assert registered.status_code == 200
    assert set(registered.json()) == {"id", "platform", "createdAt", "lastSeenAt"}
    device = f"/api/devices/{registered.json()['id']}"
    assert (await client.delete(device)).status_code == 204
    assert (await client.delete(device)).status_code == 404


@pytest.mark.parametrize(
    "device",
    [
        {},
        {"token": "phone:1", "platform": "kiosk"},
        {"token": "", "platform": "ios"},
        {"token": "two words", "platform": "ios"},
        {"token": "nul\0", "platform": "ios"},
        {"token": "x\n", "platform": "ios"},
        {"token": "x" * 1025, "platform": "ios"},
        {"token": "x", "platform": "ios", "userId": 1},
    ],
)
def test_a_malformed_device_is_refused(device: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(device, NewDevice)


@pytest.mark.parametrize("configured", [True, False])
async def test_what_a_service_writes_is_pushed_by_the_relay_or_recorded_without_fcm(
    settings: Settings,
    serve: Serve,
    campus: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    configured: bool,
) -> None:
    monkeypatch.setattr(events, "POLL", 0.02)
    caplog.set_level(logging.INFO, "domain.push")
    with serving(tmp_path) as google:
        if configured:
            settings = msgspec.structs.replace(
                settings, fcm_credentials=str(google.key_file), fcm_endpoint=google.url
            )
        async with serve(settings) as client:
            user, headers = await student(client)
            device = (await client.put("/api/devices", json=PHONE, headers=headers)).json()
            key = await tell(campus, user, "Pedido 7")
            recorded = f"push of notification {key} to device {device['id']} recorded"
            async with asyncio.timeout(30):
                while not google.sent and recorded not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert google.devices() == (["phone:1"] if configured else [])
        assert (recorded in caplog.text) is not configured


def test_a_wrong_key_file_is_told_before_anything_starts(
    settings: Settings, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.json"
    with pytest.raises(SettingsError, match=r"^COMANDA_FCM_CREDENTIALS: .*missing\.json"):
        create_app(msgspec.structs.replace(settings, fcm_credentials=str(missing)))
