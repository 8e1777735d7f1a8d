"""Products, categories, cafeterias and hours, as those who run them change them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.bff.test_orders import bearer

Headers = dict[str, str]
Ask = Callable[..., Awaitable[httpx.Response]]
DISH = {"cafeteriaId": 1, "categoryId": 1, "name": "Tortilla", "price": "3.20", "stock": 5}
SECTION = {"slug": "tapas", "name": "Tapas"}
PLACE = {"name": "Kiosco", "location": "Patio", "timeZone": "Europe/Madrid"}


@pytest.fixture
async def admin(client: httpx.AsyncClient) -> Headers:
    return await bearer(client, "admin1")


@pytest.fixture
async def staff(client: httpx.AsyncClient) -> Headers:
    """Of cafeteria 1."""
    return await bearer(client, "staff1")


def once(headers: Headers) -> Headers:
    return headers | {"idempotency-key": str(uuid4())}


def seen(headers: Headers, answer: httpx.Response) -> Headers:
    return headers | {"if-match": answer.headers["etag"]}


async def menu(client: httpx.AsyncClient, category: int) -> set[int]:
    listed = await client.get(f"/api/products?categoryId={category}&limit=100")
    return {each["id"] for each in listed.json()["data"]}


async def test_a_product_is_added_changed_and_withdrawn_by_its_counter(
    client: httpx.AsyncClient, staff: Headers
) -> None:
    added = await client.post("/api/products", json=DISH, headers=once(staff))
    assert added.status_code == 201
    where = added.headers["location"]
    found = await client.get(where)
    assert found.json() == added.json()
    assert found.headers["etag"] == added.headers["etag"]
    assert found.headers["etag"].startswith('"1-')
    known = {"if-none-match": found.headers["etag"]}
    assert (await client.get(where, headers=known)).status_code == 304
    assert (found.json()["price"], found.json()["stock"]) == ("3.20", 5)
    assert added.json()["id"] in await menu(client, 1)

    change = {"price": "3.5", "categoryId": 2, "isAvailable": False}
    changed = await client.patch(where, json=change, headers=seen(staff, found))
    assert changed.status_code == 200
    assert changed.json() == found.json() | change | {"price": "3.50", "version": 2}
    assert (await client.get(where)).json() == changed.json()
    for category, has_it in ((1, False), (2, True)):
        assert (added.json()["id"] in await menu(client, category)) is has_it

    gone = await client.delete(where, headers=seen(staff, changed))
    assert gone.status_code == 204
    assert (await client.get(where)).status_code == 404
    assert added.json()["id"] not in await menu(client, 2)
    for method in ("PATCH", "DELETE"):
        again = await client.request(method, where, json={}, headers=staff | {"if-match": "*"})
        assert again.status_code == 404


async def test_a_product_that_was_ordered_stays_in_its_orders(
    client: httpx.AsyncClient, staff: Headers
) -> None:
    student = await bearer(client, "student1")
    order = {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}]}
    placed = await client.post("/api/orders", json=order, headers=once(student))
    gone = await client.delete("/api/products/1", headers=staff | {"if-match": "*"})
    assert gone.status_code == 204
    refused = await client.post("/api/orders", json=order, headers=once(student))
    assert refused.status_code == 409
    kept = await client.get(f"/api/orders/{placed.json()['id']}", headers=student)
    assert kept.json()["items"] == placed.json()["items"]
    # What it took of the stock comes back, to a dish that is no more on sale.
    cancel = {"version": placed.json()["version"]}
    url = f"/api/orders/{placed.json()['id']}/cancel"
    assert (await client.post(url, json=cancel, headers=student)).status_code == 200
    assert (await client.get("/api/products/1")).status_code == 404


async def test_of_two_who_change_the_same_one_is_told_what_there_is_now(
    client: httpx.AsyncClient, staff: Headers, admin: Headers
) -> None:
    found = await client.get("/api/products/1")
    answers = await asyncio.gather(
        *(
            client.patch("/api/products/1", json={"price": price}, headers=seen(who, found))
            for who, price in ((staff, "1.11"), (admin, "2.22"))
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (won,) = (answer for answer in answers if answer.status_code == 200)
    (lost,) = (answer for answer in answers if answer.status_code == 412)
    assert lost.json()["type"] == "urn:comanda:problem:changed"
    assert lost.json()["present"] == {"version": won.json()["version"]}
    assert (await client.get("/api/products/1")).json() == won.json()


async def test_an_order_makes_another_version_for_there_is_less_in_stock(
    client: httpx.AsyncClient, staff: Headers
) -> None:
    found = await client.get("/api/products/1")
    order = {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}]}
    student = await bearer(client, "student1")
    assert (await client.post("/api/orders", json=order, headers=once(student))).is_success
    refused = await client.patch("/api/products/1", json={"stock": 9}, headers=seen(staff, found))
    assert refused.status_code == 412
    sold_out = await client.patch(
        "/api/products/1", json={"isAvailable": False}, headers=staff | {"if-match": "*"}
    )
    assert sold_out.json()["stock"] == found.json()["stock"] - 1


async def test_a_change_by_hand_makes_another_version(
    connection: asyncpg.Connection,
) -> None:
    for statement, version in (
        ("UPDATE products SET price_minor = 1 WHERE id = 1", "FROM products WHERE id = 1"),
        ("UPDATE categories SET name = 'x' WHERE id = 1", "FROM categories WHERE id = 1"),
        ("UPDATE users SET name = 'x' WHERE id = 1", "FROM users WHERE id = 1"),
        ("UPDATE cafeterias SET name = 'x' WHERE id = 1", "FROM cafeterias WHERE id = 1"),
        ("DELETE FROM opening_intervals WHERE cafeteria_id = 1", "FROM cafeterias WHERE id = 1"),
        (
            "INSERT INTO opening_exceptions (cafeteria_id, on_date) VALUES (1, '2031-01-01')",
            "FROM cafeterias WHERE id = 1",
        ),
    ):
        before = await connection.fetchval(f"SELECT version {version}")
        await connection.execute(statement)
        assert await connection.fetchval(f"SELECT version {version}") == before + 1


CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "/api/products/1", {}),
    ("DELETE", "/api/products/1", None),
    ("PATCH", "/api/categories/1", {}),
    ("DELETE", "/api/categories/1", None),
    ("PATCH", "/api/cafeterias/1", {}),
    ("DELETE", "/api/cafeterias/1", None),
    ("PUT", "/api/cafeterias/1/hours", {"hours": []}),
    ("PUT", "/api/cafeterias/1/exceptions/2031-12-25", {"shifts": []}),
    ("DELETE", "/api/cafeterias/1/exceptions/2031-12-25", None),
]


@pytest.mark.parametrize(("method", "url", "body"), CHANGES)
async def test_nobody_changes_what_they_have_not_seen(
    client: httpx.AsyncClient, admin: Headers, method: str, url: str, body: Any
) -> None:
    for condition, status in (
        (None, 428),
        ('"999"', 412),
        # A weak tag stands for something like it, and another server's for nothing of ours.
        ('W/"1"', 412),
        ('"none"', 412),
        ("1", 400),
        ('"1', 400),
    ):
        headers = admin if condition is None else admin | {"if-match": condition}
        refused = await client.request(method, url, json=body, headers=headers)
        assert refused.status_code == status, condition
    found = (await client.get("/api/products/1")).json()
    assert found["version"] == 1


@pytest.mark.parametrize("condition", ['"1"', '"7", "1"', '"1-gzip"', '"1;br" , W/"9"', "*"])
async def test_a_version_is_named_alone_among_others_or_with_its_coding(
    client: httpx.AsyncClient, admin: Headers, condition: str
) -> None:
    headers = admin | {"if-match": condition}
    changed = await client.patch("/api/categories/1", json={"position": 7}, headers=headers)
    assert (changed.status_code, changed.json()["position"]) == (200, 7)


async def test_a_patch_may_be_called_what_it_is_and_changes_nothing_if_it_is_empty(
    client: httpx.AsyncClient, staff: Headers
) -> None:
    headers = staff | {"if-match": "*", "content-type": "application/merge-patch+json"}
    same = await client.patch("/api/products/1", content=b"{}", headers=headers)
    assert (same.status_code, same.json()["version"]) == (200, 1)
    for body in (b'{"name": null}', b'{"name": " "}', b'{"none": 1}', b'{"price": "-1"}', b"[]"):
        refused = await client.patch("/api/products/1", content=body, headers=headers)
        assert refused.status_code == 400, body
    nowhere = await client.patch("/api/products/1", content=b'{"categoryId": 99}', headers=headers)
    assert nowhere.status_code == 422
    headers["content-type"] = "application/json-patch+json"
    refused = await client.patch("/api/products/1", content=b"[]", headers=headers)
    assert refused.status_code == 415
    assert refused.headers["accept-patch"] == "application/merge-patch+json, application/json"


async def test_what_is_added_twice_under_a_key_is_added_once(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    for url, body in (
        ("/api/products", DISH),
        ("/api/categories", SECTION),
        ("/api/cafeterias", PLACE),
    ):
        headers = once(admin)
        first, second = [await client.post(url, json=body, headers=headers) for _ in range(2)]
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        assert first.headers["location"] == second.headers["location"]


async def test_a_category_is_withdrawn_when_it_is_empty_and_makes_room_for_its_name(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    added = await client.post("/api/categories", json=SECTION, headers=once(admin))
    where = added.headers["location"]
    taken = await client.post("/api/categories", json=SECTION, headers=once(admin))
    assert taken.status_code == 409
    clash = {"slug": SECTION["slug"]}
    taken = await client.patch("/api/categories/1", json=clash, headers=admin | {"if-match": "*"})
    assert taken.status_code == 409
    dish = DISH | {"categoryId": added.json()["id"]}
    product = await client.post("/api/products", json=dish, headers=once(admin))
    full = await client.delete(where, headers=seen(admin, added))
    assert full.status_code == 409
    await client.delete(product.headers["location"], headers=seen(admin, product))
    assert (await client.delete(where, headers=seen(admin, added))).status_code == 204
    assert (await client.get(where)).status_code == 404
    again = await client.post("/api/categories", json=SECTION, headers=once(admin))
    assert again.status_code == 201
    refused = await client.post("/api/products", json=dish, headers=once(admin))
    assert refused.status_code == 422


async def test_a_product_and_the_end_of_its_category_never_both_come_through(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    for _ in range(5):
        category = await client.post("/api/categories", json=SECTION, headers=once(admin))
        dish = DISH | {"categoryId": category.json()["id"]}
        added, gone = await asyncio.gather(
            client.post("/api/products", json=dish, headers=once(admin)),
            client.delete(category.headers["location"], headers=seen(admin, category)),
        )
        assert (added.status_code, gone.status_code) in {(201, 409), (422, 204)}
        if added.is_success:
            await client.delete(added.headers["location"], headers=seen(admin, added))
            await client.delete(category.headers["location"], headers=seen(admin, category))


async def test_a_cafeteria_is_opened_changed_and_closed_for_good(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    added = await client.post("/api/cafeterias", json=PLACE, headers=once(admin))
    where = added.headers["location"]
    assert (added.json()["isOpen"], added.json()["hours"]) == (False, [])
    for wrong in ({"timeZone": "Europe"}, {"timeZone": "Mars/Olympus"}):
        refused = await client.patch(where, json=wrong, headers=seen(admin, added))
        assert refused.status_code == 422
    change = {"location": "Sótano", "lastOrderMinutes": 15}
    changed = await client.patch(where, json=change, headers=seen(admin, added))
    assert changed.json() == added.json() | change | {"version": 2}
    always = [{"weekday": day, "opensAt": "00:00", "closesAt": "00:00"} for day in range(1, 8)]
    # What is sent once prefers another coding than what is kept.
    plain = {"accept-encoding": "identity"}
    opened = await client.put(
        f"{where}/hours", json={"hours": always}, headers=seen(admin, changed) | plain
    )
    assert (opened.json()["isOpen"], len(opened.json()["hours"])) == (True, 7)
    shown = await client.get(where, headers=plain)
    assert (shown.json(), shown.headers["etag"]) == (opened.json(), opened.headers["etag"])
    full = await client.delete("/api/cafeterias/1", headers=admin | {"if-match": "*"})
    assert full.status_code == 409
    assert (await client.delete(where, headers=seen(admin, shown))).status_code == 204
    assert (await client.get(where)).status_code == 404
    listed = (await client.get("/api/cafeterias")).json()["data"]
    assert PLACE["name"] not in {each["name"] for each in listed}
    order = {"cafeteriaId": added.json()["id"], "items": [{"productId": 1, "quantity": 1}]}
    refused = await client.post("/api/orders", json=order, headers=once(admin))
    assert refused.status_code == 404


async def test_hours_that_contradict_each_other_change_nothing(
    client: httpx.AsyncClient, admin: Headers
) -> None:
    before = await client.get("/api/cafeterias/2")
    sunday_night = {"weekday": 7, "opensAt": "20:00", "closesAt": "02:00"}
    monday_early = {"weekday": 1, "opensAt": "01:00", "closesAt": "09:00"}
    refused = await client.put(
        "/api/cafeterias/2/hours",
        json={"hours": [sunday_night, monday_early]},
        headers=seen(admin, before),
    )
    assert refused.status_code == 422
    shifts = {"shifts": [{"opensAt": "08:00", "closesAt": "10:00"}] * 2}
    url = "/api/cafeterias/2/exceptions/2031-12-25"
    refused = await client.put(url, json=shifts, headers=seen(admin, before))
    assert refused.status_code == 422
    for no_day in ("2031-02-30", "christmas"):
        url = f"/api/cafeterias/2/exceptions/{no_day}"
        refused = await client.put(url, json={"shifts": []}, headers=seen(admin, before))
        assert refused.status_code == 404, no_day
    assert (await client.get("/api/cafeterias/2")).json()["version"] == before.json()["version"]


async def test_a_holiday_closes_and_its_end_opens(
    client: httpx.AsyncClient, admin: Headers, connection: asyncpg.Connection
) -> None:
    await connection.execute("DELETE FROM opening_exceptions WHERE cafeteria_id = 1")
    today = datetime.now(UTC).date()
    days = [today + timedelta(days=n) for n in (-1, 0, 1)]
    for day in days:
        closed = await client.put(
            f"/api/cafeterias/1/exceptions/{day}",
            json={"shifts": [], "reason": "Fiesta"},
            headers=admin | {"if-match": "*"},
        )
        assert closed.status_code == 200
    assert not closed.json()["isOpen"]
    assert not (await client.get("/api/cafeterias/1")).json()["isOpen"]
    told = (await client.get("/api/cafeterias/1/exceptions")).json()["data"]
    assert told[-1] == {"date": str(days[-1]), "reason": "Fiesta", "shifts": []}
    for day in days:
        url = f"/api/cafeterias/1/exceptions/{day}"
        gone = await client.delete(url, headers=admin | {"if-match": "*"})
        assert gone.status_code == 204
    assert (await client.get("/api/cafeterias/1/exceptions")).json()["data"] == []
    assert (await client.get("/api/cafeterias/1")).json()["isOpen"]


async def test_whoever_changed_something_is_on_record(
    client: httpx.AsyncClient, staff: Headers, connection: asyncpg.Connection
) -> None:
    headers = staff | {"if-match": "*"}
    await client.patch("/api/products/1", json={"price": "1", "stock": 3}, headers=headers)
    (told,) = await connection.fetch(
        "SELECT payload->>'subject', payload->>'version', payload->>'fields', u.email,"
        " delivered_at IS NULL FROM outbox JOIN users u ON u.id = (payload->>'by')::bigint"
        " WHERE kind = 'record:changed'"
    )
    assert tuple(told) == (
        "product-1",
        "2",
        '["price_minor", "stock"]',
        "staff1@campus.example",
        False,
    )
