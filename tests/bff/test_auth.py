"""Accounts and sessions over HTTP: what comes back, to whom, and what is refused."""

import httpx
import pytest
from redis import Redis

NORA = {"email": "Nora@Campus.example", "name": "Nora", "password": "correct horse"}


async def test_from_a_registration_to_the_last_logout(
    client: httpx.AsyncClient, redis_url: str
) -> None:
    agent = {"user-agent": "Comanda/1.0"}
    made = await client.post("/auth/register", json=NORA | {"device": "phone"}, headers=agent)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    first = made.json()
    assert first["user"]["role"] == "customer"
    with Redis.from_url(redis_url) as redis:
        # Wherever she asks next, she exists.
        assert redis.exists(f"{{user:{first['user']['id']}}}:fence")

    refreshed = await client.post("/auth/refresh", json={"refreshToken": first["refreshToken"]})
    assert (refreshed.status_code, refreshed.headers["cache-control"]) == (200, "no-store")
    second = refreshed.json()
    assert second["user"] == first["user"]
    assert second["tokenType"] == "Bearer"
    assert second["refreshToken"] != first["refreshToken"]
    assert second["refreshExpiresAt"] > second["expiresAt"]

    bearer = {"authorization": f"Bearer {second['accessToken']}"}
    login = await client.post("/auth/login", json=without_name(NORA))
    other = login.json()
    listed = (await client.get("/auth/sessions", headers=bearer)).json()["data"]
    shown = [(each["device"], each["userAgent"], each["current"]) for each in listed]
    assert ("phone", "Comanda/1.0", True) in shown
    assert len(shown) == 2
    (elsewhere,) = (each["id"] for each in listed if not each["current"])
    ended = await client.delete(f"/auth/sessions/{elsewhere}", headers=bearer)
    assert (ended.status_code, ended.content) == (204, b"")

    assert (await client.post("/auth/logout", headers=bearer)).status_code == 204
    for token in (other["refreshToken"], second["refreshToken"]):
        refused = await client.post("/auth/refresh", json={"refreshToken": token})
        assert refused.status_code == 401
        assert refused.json()["type"] == "urn:comanda:problem:unauthenticated"
    assert (await client.get("/auth/sessions", headers=bearer)).json()["data"] == []


async def test_a_changed_password_is_answered_without_a_word(client: httpx.AsyncClient) -> None:
    login = await client.post(
        "/auth/login", json={"email": "student1@campus.example", "password": "comanda"}
    )
    bearer = {"authorization": f"Bearer {login.json()['accessToken']}"}
    passwords = {"oldPassword": "comanda", "newPassword": "correct horse"}
    changed = await client.post("/auth/password", json=passwords, headers=bearer)
    assert (changed.status_code, changed.content) == (204, b"")
    refused = await client.post("/auth/password", json=passwords, headers=bearer)
    assert refused.status_code == 403


WRONG: list[tuple[str, dict[str, object]]] = [
    ("register", {"email": "nora"}),
    ("register", {"email": "x" * 250 + "@c.example"}),
    ("register", {"email": "nora@campus.example\n"}),
    ("register", {"name": ""}),
    ("register", {"name": "Nora\n"}),
    ("register", {"name": "N\x00ra"}),
    ("register", {"name": "N" * 121}),
    ("register", {"password": "1234567"}),
    ("register", {"password": "x" * 257}),
    ("register", {"device": "x" * 81}),
    ("register", {"role": "admin"}),
    ("refresh", {}),
    ("refresh", {"refreshToken": "A" * 63}),
    ("refresh", {"refreshToken": "A" * 65}),
    ("refresh", {"refreshToken": "A" * 64 + "\n"}),
    ("refresh", {"refreshToken": "." * 64}),
]


async def test_what_cannot_be_meant_is_refused_before_anybody_looks(
    client: httpx.AsyncClient,
) -> None:
    for path, changes in WRONG:
        body = NORA | changes if path == "register" else changes
        answer = await client.post(f"/auth/{path}", json=body)
        assert answer.status_code == 400, (path, changes)
    surrogate = b'{"email": "a@b.example", "name": "\\ud800", "password": "correct horse"}'
    answer = await client.post(
        "/auth/register", content=surrogate, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("password", ["password1", NORA["email"]])
async def test_a_password_that_is_tried_first_is_refused_with_a_reason(
    client: httpx.AsyncClient, password: str
) -> None:
    answer = await client.post("/auth/register", json=NORA | {"password": password})
    assert answer.status_code == 422
    assert "first" in answer.json()["detail"]


def without_name(registration: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in registration.items() if key != "name"}
