"""Ordering over HTTP: who may, what comes back, and which fields."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from redis import Redis

from infra.demo.campus import PASSWORD


async def bearer(client: httpx.AsyncClient, account: str) -> dict[str, str]:
    credentials = {"email": f"{account}@campus.example", "password": PASSWORD}
    answer = await client.post("/auth/login", json=credentials)
    assert answer.status_code == 200
    session = answer.json()
    assert session["tokenType"] == "Bearer"
    return {"authorization": f"Bearer {session['accessToken']}"}


@pytest.fixture
async def student(client: httpx.AsyncClient) -> dict[str, str]:
    return await bearer(client, "student1")


async def order(
    client: httpx.AsyncClient, who: dict[str, str], basket: dict[str, Any], key: str | None = None
) -> httpx.Response:
    headers = who | {"idempotency-key": key or str(uuid4())}
    return await client.post("/api/orders", json=basket, headers=headers)


async def a_product(client: httpx.AsyncClient) -> dict[str, object]:
    products = (await client.get("/api/products")).json()["data"]
    return next(each for each in products if each["cafeteriaId"] == 1)


async def test_an_order_is_placed_listed_and_shown(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    product = await a_product(client)
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 2}]}
    answer = await order(client, student, basket)
    assert answer.status_code == 201
    # How far whoever is told of it has to see.
    assert int(answer.headers["comanda-fence"], 16) > 0
    placed = answer.json()
    assert placed["status"] == "created"
    assert len(placed["pickupCode"]) == 3
    assert float(placed["totalAmount"]) == pytest.approx(2 * float(str(product["price"])))
    assert placed["items"] == [
        {
            "productId": product["id"],
            "productName": product["name"],
            "quantity": 2,
            "unitPrice": product["price"],
        }
    ]
    shown = await client.get(f"/api/orders/{placed['id']}", headers=student)
    assert shown.json() == placed
    listed = (await client.get("/api/orders?limit=1", headers=student)).json()
    assert [each["id"] for each in listed["data"]] == [placed["id"]]


async def test_a_request_that_comes_again_with_its_key_gets_the_very_same_answer(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    product = await a_product(client)
    items = [{"productId": product["id"], "quantity": 1}]
    first = await order(client, student, {"cafeteriaId": 1, "items": items}, "a key")
    again = await order(client, student, {"items": items, "cafeteriaId": 1}, "a key")
    assert (again.status_code, again.content) == (201, first.content)
    other = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 2}]}
    reused = await order(client, student, other, "a key")
    assert (reused.status_code, reused.json()["type"]) == (422, "urn:comanda:problem:key-reused")
    for key in ("", "x" * 129, "caf\xe9", "a\tb"):
        headers = {**student, "idempotency-key": key}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        refused = await client.post("/api/orders", json=other, headers=raw)
        assert refused.status_code == 400, key
        assert refused.json()["type"] == "urn:comanda:problem:invalid-request"
    without = await client.post("/api/orders", json=other, headers=student)
    assert without.status_code == 400
    assert "Idempotency-Key" in without.text


async def test_a_refusal_says_how_things_stand(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    product = await a_product(client)
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}

    async def refused(**more: str) -> tuple[int, str, dict[str, Any]]:
        problem = (await order(client, student, basket | more)).json()
        return problem["status"], problem["type"].split(":")[-1], problem["present"]

    stale = await refused(expectedTotal="0.01")
    assert stale == (409, "price-changed", {"totalAmount": product["price"]})
    await connection.execute(
        "UPDATE wallets SET balance_minor = 7 WHERE user_id ="
        " (SELECT id FROM users WHERE email = 'student1@campus.example')"
    )
    poor = {"totalAmount": product["price"], "balance": "0.07"}
    assert await refused() == (409, "insufficient-funds", poor)
    await connection.execute("DELETE FROM opening_intervals WHERE cafeteria_id = 1")
    assert await refused() == (409, "closed", {})
    await connection.execute(
        "INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
        " SELECT 1, extract(isodow FROM now() + interval '3 days'), '12:00', '13:00'"
    )
    *_, present = await refused()
    assert present["opensAt"].endswith(":00:00Z")


def whose_fences(redis_url: str) -> set[int]:
    """Who is from now on shown what was just written, wherever they ask; they are forgotten."""
    with Redis.from_url(redis_url) as redis:
        keys = redis.keys("{user:*}:fence")
        redis.flushdb()
    return {int(key.split(b"}")[0].removeprefix(b"{user:")) for key in keys}


async def test_an_order_goes_from_hand_to_hand_by_its_version(
    client: httpx.AsyncClient, student: dict[str, str], redis_url: str
) -> None:
    counter = await bearer(client, "staff1")
    product = await a_product(client)
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}
    whose_fences(redis_url)
    placed = (await order(client, student, basket)).json()
    assert whose_fences(redis_url) == {placed["userId"]}
    url = f"/api/orders/{placed['id']}"
    accept = {"status": "accepted", "version": 1}
    assert (await client.post(f"{url}/status", json=accept, headers=student)).status_code == 403
    accepted = await client.post(f"{url}/status", json=accept, headers=counter)
    assert accepted.status_code == 200
    assert placed["userId"] in (concerned := whose_fences(redis_url))
    assert len(concerned) == 2
    assert accepted.json() == placed | {
        "status": "accepted",
        "version": 2,
        "updatedAt": accepted.json()["updatedAt"],
    }
    refused = await client.post(f"{url}/status", json=accept, headers=counter)
    # Nothing was written that anybody would have to wait for.
    assert "comanda-fence" not in refused.headers
    twice = refused.json()
    assert twice["type"] == "urn:comanda:problem:moved-on"
    assert twice["present"] == {"version": 2, "status": "accepted"}
    leap = {"status": "delivered", "version": 2}
    illegal = (await client.post(f"{url}/status", json=leap, headers=counter)).json()
    assert illegal["type"] == "urn:comanda:problem:illegal-move"
    assert illegal["present"] == {"version": 2, "status": "accepted"}
    cancelled = await client.post(f"{url}/cancel", json={"version": 2}, headers=student)
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["reason"] is None


async def test_why_an_order_came_to_nothing_is_kept_and_told(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    counter = await bearer(client, "staff1")
    product = await a_product(client)
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}
    since = (await client.get("/api/orders/changes", headers=counter)).json()["next"]
    placed = (await order(client, student, basket)).json()
    url = f"/api/orders/{placed['id']}"
    why = "No queda <b>arroz</b>"

    async def moved(path: str, **body: object) -> int:
        answer = await client.post(f"{url}/{path}", json={"version": 1} | body, headers=counter)
        return answer.status_code

    for wrong in ("", " ", "a\nb", "\0", "a" * 201, 7):
        assert await moved("cancel", reason=wrong) == 400, wrong
    assert await moved("status", status="accepted", reason=why) == 422
    assert await moved("status", status="rejected", reason=why) == 200
    for who in (counter, student):
        shown = (await client.get(url, headers=who)).json()
        listed = (await client.get("/api/orders?fields=id,reason&limit=1", headers=who)).json()
        changes = (await client.get(f"/api/orders/changes?since={since}", headers=who)).json()
        (changed,) = changes["data"]
        assert [shown["reason"], changed["reason"]] == [why, why]
        assert listed["data"] == [{"id": placed["id"], "reason": why}]
        # The counter calls a name.
        name = await connection.fetchval("SELECT name FROM users WHERE id = $1", shown["userId"])
        assert changed["customer"] == {"name": name}
    (notice,) = (await client.get("/api/notifications?limit=1", headers=student)).json()["data"]
    assert notice["body"].endswith(f"Motivo: {why}")


async def test_the_counter_finds_an_order_by_its_code_and_by_who_placed_it(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    counter = await bearer(client, "staff1")
    product = await a_product(client)
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}
    placed = (await order(client, student, basket)).json()
    # Of it nothing is a pattern.
    name = "Núria 50%_[a] D'Aquí"
    await connection.execute("UPDATE users SET name = $2 WHERE id = $1", placed["userId"], name)
    ours = await connection.fetch(
        "SELECT id FROM orders WHERE cafeteria_id = 1 AND user_id = $1"
        " ORDER BY created_at DESC, id DESC",
        placed["userId"],
    )

    async def found(**asked: str) -> list[int]:
        query = {"fields": "id", "limit": "100", **asked}
        rows: list[int] = []
        while True:
            answer = await client.get("/api/orders", params=query, headers=counter)
            told = answer.json()
            rows += [row["id"] for row in told["data"]]
            if told["pagination"]["nextCursor"] is None:
                return rows
            query["cursor"] = told["pagination"]["nextCursor"]

    code = placed["pickupCode"]
    assert await found(pickupCode=code.lower()) == [placed["id"]]
    assert await found(customer="núria 50%_[A] d'aq", limit="1") == [row["id"] for row in ours]
    assert await found(customer="Núria", pickupCode=code, status="ready") == []
    assert await found(customer="Núria%D") == []
    for wrong in ("pickupCode=A", "pickupCode=A%25C", "customer=", f"customer={'a' * 81}"):
        answer = await client.get(f"/api/orders?{wrong}", headers=counter)
        assert answer.status_code == 400, wrong


async def test_only_the_asked_fields_come_in_one_order_whatever_was_typed(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    url = "/api/orders?fields={}&page=1&limit=1"
    one = await client.get(url.format("id,status,totalAmount,createdAt"), headers=student)
    other = await client.get(url.format("createdAt, status,id,totalAmount,id"), headers=student)
    (row,) = one.json()["data"]
    assert list(row) == ["id", "status", "totalAmount", "createdAt"]
    assert row["createdAt"].endswith("Z")
    assert one.content == other.content


async def test_a_cursor_leads_through_the_list_to_its_end(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    staff = await bearer(client, "staff1")
    expected = await connection.fetch(
        "SELECT id FROM orders WHERE cafeteria_id = 1 ORDER BY created_at DESC, id DESC"
    )
    query = {"fields": "id,items", "limit": "25"}
    first = (await client.get("/api/orders", params=query, headers=staff)).json()
    walked, place = first["data"], first["pagination"]
    assert (place["total"], place["page"]) == (len(expected), 1)
    assert place["totalPages"] == -(-len(expected) // 25)
    while place["nextCursor"] is not None:
        query["cursor"] = place["nextCursor"]
        part = (await client.get("/api/orders", params=query, headers=staff)).json()
        walked, place = walked + part["data"], part["pagination"]
        assert place.keys() == {"limit", "nextCursor"}
    assert [row["id"] for row in walked] == [row["id"] for row in expected]
    order = (await client.get(f"/api/orders/{walked[-1]['id']}", headers=staff)).json()
    assert walked[-1]["items"] == order["items"]
    mine = (await client.get("/api/orders?mine=true", headers=staff)).json()
    assert (mine["data"], mine["pagination"]["total"]) == ([], 0)


@pytest.mark.parametrize(
    "query",
    [
        "cursor=",
        "cursor=AAAAAAAAAAA",
        "cursor=!AAF5yDoAAAAAAAAAAAAAAB",
        "cursor=AAYZ5yDoAAAAAAAAAAAAAA",  # id 0
        "cursor=f_________8AAAAAAAAAAQ",  # beyond the year 9999
        "cursor=gAAAAAAAAAAAAAAAAAAAAQ",
        "cursor=AAYZ5yDoAAAAAAAAAAAAAR",  # another spelling
        "cursor=AAYZ5yDoAAAAAAAAAAAAAQ&page=2",
    ],
)
async def test_a_cursor_that_was_not_given_out_is_refused(
    client: httpx.AsyncClient, student: dict[str, str], query: str
) -> None:
    answer = await client.get(f"/api/orders?{query}", headers=student)
    assert answer.status_code == 400, answer.json()
    assert answer.json()["type"] == "urn:comanda:problem:invalid-parameter"


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ("id,totalAmout", "do you mean totalAmount?"),
        ("user_id", "do you mean userId?"),
        ("__class__", "no field '__class__'"),
        ("id;drop table orders", "no field"),
        ("", "at least one"),
        (",,", "at least one"),
        ("id," * 300, "length <= 512"),
    ],
)
async def test_an_unknown_field_is_a_problem_that_names_the_closest(
    client: httpx.AsyncClient, student: dict[str, str], fields: str, hint: str
) -> None:
    answer = await client.get("/api/orders", params={"fields": fields}, headers=student)
    assert answer.status_code == 400
    assert hint in answer.json()["detail"]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer " + "x" * 5000]
)
async def test_without_a_token_there_are_no_orders(
    client: httpx.AsyncClient, authorization: str
) -> None:
    headers = {"authorization": authorization}
    basket = {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}]}
    answers = [
        await client.get("/api/orders", headers=headers),
        await client.get("/api/orders/1", headers=headers),
        await order(client, headers, basket),
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="comanda"'
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_stranger_cannot_tell_an_order_from_nothing(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    other = await connection.fetchval(
        "SELECT max(o.id) FROM orders o JOIN users u ON u.id = o.user_id"
        " WHERE u.email NOT LIKE 'student1@%'"
    )
    hidden = await client.get(f"/api/orders/{other}", headers=student)
    missing = await client.get("/api/orders/999999999", headers=student)
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["type"] == missing.json()["type"]
    admin = await bearer(client, "admin1")
    assert (await client.get(f"/api/orders/{other}", headers=admin)).status_code == 200


@pytest.mark.parametrize(
    "basket",
    [
        {},
        {"cafeteriaId": 1, "items": []},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 0}]},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 100}]},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1.5}]},
        {"cafeteriaId": "1; --", "items": [{"productId": 1, "quantity": 1}]},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}], "total": "0.01"},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}], "expectedTotal": "1.50\n"},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}], "expectedTotal": 1.5},
        {"cafeteriaId": 1, "items": [{"productId": 2**70, "quantity": 1}]},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}] * 51},
    ],
)
async def test_a_malformed_order_is_refused(
    client: httpx.AsyncClient, student: dict[str, str], basket: dict[str, object]
) -> None:
    answer = await order(client, student, basket)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:comanda:problem:invalid-request"


async def test_a_sold_out_dish_is_a_conflict_that_says_what_is_left(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    product = await a_product(client)
    await connection.execute("UPDATE products SET stock = 1 WHERE id = $1", product["id"])
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 2}]}
    answer = await order(client, student, basket)
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"{product['name']}: 2 asked for, 1 left."


async def test_who_was_away_is_told_what_is_new(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    staff = await bearer(client, "staff1")
    begun = [
        (await client.get("/api/orders/changes", headers=who)).json() for who in (student, staff)
    ]
    assert [(each["data"], each["more"]) for each in begun] == [([], False)] * 2
    body = {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}]}
    key = {"idempotency-key": str(uuid4())}
    order = (await client.post("/api/orders", json=body, headers=student | key)).json()
    name = (await client.get("/api/me", headers=student)).json()["name"]
    for who, at in zip((student, staff), begun, strict=True):
        url = f"/api/orders/changes?since={at['next']}"
        told = (await client.get(url, headers=who)).json()
        assert (told["data"], told["more"]) == ([order | {"customer": {"name": name}}], False)
    other = await bearer(client, "student2")
    told = (await client.get(url, headers=other)).json()
    assert told["data"] == []


@pytest.mark.parametrize("moment", ["0.5", "1795977600", "null", "-1e3", "2026-11-24"])
async def test_a_moment_is_a_moment_and_no_number(
    client: httpx.AsyncClient, student: dict[str, str], moment: str
) -> None:
    refused = await client.get(f"/api/orders?createdTo={moment}", headers=student)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["parameter"] == "createdTo"


async def test_a_position_that_was_never_given_out_is_refused(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    for since, status in (("a" * 48, 410), ("_" * 48, 410), ("a" * 47, 400), ("=" * 48, 400)):
        url = f"/api/orders/changes?since={since}"
        assert (await client.get(url, headers=student)).status_code == status


async def test_an_order_is_shown_with_the_fields_that_are_asked_for(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    listed = (await client.get("/api/orders?limit=1", headers=student)).json()["data"]
    url = f"/api/orders/{listed[0]['id']}"
    whole = (await client.get(url, headers=student)).json()
    assert {name: whole[name] for name in listed[0]} == listed[0]
    query = "?fields=status,items.product.name,items.quantity,cafeteria"
    some = (await client.get(url + query, headers=student)).json()
    assert some == {
        "status": whole["status"],
        "cafeteria": {
            "id": whole["cafeteriaId"],
            "name": await connection.fetchval(
                "SELECT name FROM cafeterias WHERE id = $1", whole["cafeteriaId"]
            ),
        },
        "items": [
            {"quantity": each["quantity"], "product": {"name": each["productName"]}}
            for each in whole["items"]
        ],
    }
    for fields in ("customer.name", ""):
        refused = await client.get(f"{url}?fields={fields}", headers=student)
        assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (400, "fields")
    admin = await bearer(client, "admin1")
    shown = (await client.get(f"{url}?fields=customer.email", headers=admin)).json()
    assert shown == {"customer": {"email": "student1@campus.example"}}
