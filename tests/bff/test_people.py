"""People as they see themselves, and as administrators see and change them; and settings."""

import asyncio

import asyncpg
import httpx
import pytest

from tests.bff.test_orders import bearer

Headers = dict[str, str]


@pytest.fixture
async def admin(client: httpx.AsyncClient) -> Headers:
    return await bearer(client, "admin1")


@pytest.fixture
async def student(client: httpx.AsyncClient) -> Headers:
    return await bearer(client, "student1")


def seen(headers: Headers, answer: httpx.Response) -> Headers:
    return headers | {"if-match": answer.headers["etag"]}


async def test_one_sees_oneself_and_is_called_as_one_likes(
    client: httpx.AsyncClient, student: Headers
) -> None:
    me = await client.get("/api/me", headers=student)
    assert (me.json()["email"], me.json()["role"]) == ("student1@campus.example", "customer")
    assert "password" not in me.text
    renamed = await client.patch("/api/me", json={"name": "Ana Ñ"}, headers=seen(student, me))
    assert renamed.json() == me.json() | {"name": "Ana Ñ", "version": me.json()["version"] + 1}
    assert (await client.get("/api/me", headers=student)).json() == renamed.json()
    late = await client.patch("/api/me", json={"name": "B"}, headers=seen(student, me))
    assert late.status_code == 412
    for body in ({"role": "admin"}, {"email": "a@b"}, {"name": ""}, {"name": None}):
        refused = await client.patch("/api/me", json=body, headers=seen(student, renamed))
        assert refused.status_code == 400


async def test_people_are_found_by_a_part_of_their_name_or_address(
    client: httpx.AsyncClient, admin: Headers, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE users SET name = '100%_Ana' WHERE email LIKE 'student7@%'")
    for query, expected in (
        ("q=STUDENT7@", ["student7@campus.example"]),
        ("q=0%25_a", ["student7@campus.example"]),
        ("q=a%25a", []),
        ("role=admin", ["admin1@campus.example", "admin2@campus.example"]),
        ("role=admin&active=false", []),
    ):
        found = await client.get(f"/api/admin/users?{query}", headers=admin)
        assert [each["email"] for each in found.json()["data"]] == expected, query
    page = (await client.get("/api/admin/users?limit=5&page=2", headers=admin)).json()
    assert [each["id"] for each in page["data"]] == [6, 7, 8, 9, 10]
    counted = await connection.fetchval("SELECT count(*) FROM users")
    assert page["pagination"]["total"] == counted


async def test_whoever_is_closed_is_logged_out_everywhere(
    client: httpx.AsyncClient, admin: Headers, connection: asyncpg.Connection
) -> None:
    login = {"email": "student1@campus.example", "password": "comanda"}
    session = (await client.post("/auth/login", json=login)).json()
    where = f"/api/admin/users/{session['user']['id']}"
    before = await client.get(where, headers=admin)
    closed = await client.patch(where, json={"isActive": False}, headers=seen(admin, before))
    assert closed.json() == before.json() | {"isActive": False, "version": 2}
    refresh = {"refreshToken": session["refreshToken"]}
    assert (await client.post("/auth/refresh", json=refresh)).status_code == 401
    assert (await client.post("/auth/login", json=login)).status_code == 401
    token = {"authorization": f"Bearer {session['accessToken']}"}
    me = await client.get("/api/me", headers=token)
    refused = await client.patch("/api/me", json={"name": "A"}, headers=seen(token, me))
    assert refused.status_code == 403
    opened = await client.patch(where, json={"isActive": True}, headers=seen(admin, closed))
    assert opened.status_code == 200
    assert (await client.post("/auth/login", json=login)).status_code == 200


async def test_a_role_has_what_it_needs_and_holds_from_the_next_login_on(
    client: httpx.AsyncClient, admin: Headers, student: Headers
) -> None:
    where = f"/api/admin/users/{(await client.get('/api/me', headers=student)).json()['id']}"
    headers = admin | {"if-match": "*"}
    for body in ({"role": "staff"}, {"role": "staff", "cafeteriaId": 999}):
        assert (await client.patch(where, json=body, headers=headers)).status_code == 422
    hire = {"role": "staff", "cafeteriaId": 2}
    assert (await client.patch(where, json=hire, headers=headers)).status_code == 200
    taken = await client.patch(where, json={"cafeteriaId": None}, headers=headers)
    assert taken.status_code == 422
    hired = await bearer(client, "student1")
    url = "/api/reports/today?cafeteriaId=2"
    assert (await client.get(url, headers=hired)).status_code == 200
    fire = {"role": "customer", "cafeteriaId": None}
    assert (await client.patch(where, json=fire, headers=headers)).status_code == 200
    fired = await bearer(client, "student1")
    assert (await client.get(url, headers=fired)).status_code == 403


async def test_there_is_always_an_administrator(client: httpx.AsyncClient, admin: Headers) -> None:
    me = (await client.get("/api/me", headers=admin)).json()
    headers = admin | {"if-match": "*"}
    where = f"/api/admin/users/{me['id']}"
    for body in ({"isActive": False}, {"role": "customer"}):
        assert (await client.patch(where, json=body, headers=headers)).status_code == 409
    # Of two who close each other, one is left.
    other = await bearer(client, "admin2")
    others = (await client.get("/api/me", headers=other)).json()["id"]
    theirs = f"/api/admin/users/{others}"
    answers = await asyncio.gather(
        client.patch(theirs, json={"isActive": False}, headers=headers),
        client.patch(where, json={"isActive": False}, headers=other | {"if-match": "*"}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 403]


async def test_a_setting_is_what_its_schema_says_and_nothing_else(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    told = (await client.get("/api/admin/configuration", headers=admin)).json()["data"]
    assert {each["key"]: each["value"] for each in told} == {
        "home.bestsellers": 8,
        "home.notice": None,
    }
    where = "/api/admin/configuration/home.bestsellers"
    shown = await client.get(where, headers=admin)
    assert shown.headers["etag"].startswith('"0-')
    assert shown.json()["jsonSchema"] == {"type": "integer", "minimum": 0, "maximum": 24}
    for value in (-1, 25, "8", None, [8]):
        refused = await client.put(where, json={"value": value}, headers=seen(admin, shown))
        assert refused.status_code == 422, value
    first, second = await asyncio.gather(
        *(client.put(where, json={"value": n}, headers=seen(admin, shown)) for n in (1, 2))
    )
    assert sorted((first.status_code, second.status_code)) == [200, 412]
    kept = await client.get(where, headers=admin)
    won = first if first.is_success else second
    assert kept.json() == won.json()
    assert kept.headers["etag"] == won.headers["etag"]
    # The system keeps other things there, which are nobody's to set.
    for key in ("product_sales_daily", "none", "a.b"):
        refused = await client.get(f"/api/admin/configuration/{key}", headers=admin)
        assert refused.status_code in (400, 404)


@pytest.mark.parametrize("account", ["student1", "staff1"])
async def test_people_and_settings_are_for_administrators(
    client: httpx.AsyncClient, account: str
) -> None:
    headers = await bearer(client, account) | {"if-match": "*"}
    for method, url, body in (
        ("GET", "/api/admin/users", None),
        ("GET", "/api/admin/users/1", None),
        ("PATCH", "/api/admin/users/1", {"name": "A"}),
        ("GET", "/api/admin/configuration", None),
        ("GET", "/api/admin/configuration/home.notice", None),
        ("PUT", "/api/admin/configuration/home.notice", {"value": "A"}),
    ):
        refused = await client.request(method, url, json=body, headers=headers)
        assert refused.status_code == 403, (method, url)
