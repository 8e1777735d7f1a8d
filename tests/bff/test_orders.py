"""Ordering over HTTP: who may, what comes back, and which fields."""

import asyncpg
import httpx
import pytest

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


async def a_product(client: httpx.AsyncClient) -> dict[str, object]:
    products = (await client.get("/api/products")).json()["data"]
    return next(each for each in products if each["cafeteriaId"] == 1)


async def test_an_order_is_placed_listed_and_shown(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    product = await a_product(client)
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 2}]}
    placed = await client.post("/api/orders", json=basket, headers=student)
    assert placed.status_code == 201
    order = placed.json()
    assert order["status"] == "created"
    assert float(order["totalAmount"]) == pytest.approx(2 * float(str(product["price"])))
    assert order["items"] == [
        {
            "productId": product["id"],
            "productName": product["name"],
            "quantity": 2,
            "unitPrice": product["price"],
        }
    ]
    shown = await client.get(f"/api/orders/{order['id']}", headers=student)
    assert shown.json() == order
    listed = (await client.get("/api/orders?limit=1", headers=student)).json()
    assert [each["id"] for each in listed["data"]] == [order["id"]]


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
        await client.post("/api/orders", json=basket, headers=headers),
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
        {"cafeteriaId": 1, "items": [{"productId": 2**70, "quantity": 1}]},
        {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}] * 51},
    ],
)
async def test_a_malformed_order_is_refused(
    client: httpx.AsyncClient, student: dict[str, str], basket: dict[str, object]
) -> None:
    answer = await client.post("/api/orders", json=basket, headers=student)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:comanda:problem:invalid-request"


async def test_a_sold_out_dish_is_a_conflict_that_says_what_is_left(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    product = await a_product(client)
    await connection.execute("UPDATE products SET stock = 1 WHERE id = $1", product["id"])
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 2}]}
    answer = await client.post("/api/orders", json=basket, headers=student)
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"{product['name']}: 2 asked for, 1 left."
