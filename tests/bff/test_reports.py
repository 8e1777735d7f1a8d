"""Reports over HTTP: staff's own, as JSON and as a CSV that is streamed."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from domain.errors import UnavailableError
from domain.model.money import to_decimal, to_minor
from domain.reports import Exported, Reports
from tests.bff.test_orders import bearer

KINDS = "urn:comanda:problem:"


async def test_a_counter_sees_what_it_took_and_no_other(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE orders SET created_at = now() - id * interval '1 ms'")
    await connection.execute("REFRESH MATERIALIZED VIEW product_sales_daily")
    staff = await bearer(client, "staff1")
    today = (await client.get("/api/reports/today", headers=staff)).json()
    assert datetime.now(UTC) - datetime.fromisoformat(today["asOf"]) < timedelta(minutes=1)
    (day,) = today["data"]
    orders = await connection.fetch(
        "SELECT o.*, c.time_zone FROM orders o JOIN cafeterias c ON c.id = o.cafeteria_id"
        " WHERE o.cafeteria_id = 1 ORDER BY created_at, id"
    )
    done = [o for o in orders if o["status"] not in ("cancelled", "rejected")]
    revenue = to_decimal(sum(o["total_minor"] for o in done))
    assert (day["cafeteriaId"], day["orders"], day["revenue"]) == (1, len(done), revenue)
    assert day["paid"] == len(orders)
    assert day["refunded"] == day["cancelled"] + day["rejected"] == len(orders) - len(done)
    query = {"from": day["date"], "to": day["date"]}
    for by in ("hour", "cafeteria", "category"):
        answer = await client.get("/api/reports/sales", params={**query, "by": by}, headers=staff)
        sums = [row["revenue"] for row in answer.json()["data"]]
        assert sum(map(to_minor, sums)) == to_minor(revenue), by
    best = (await client.get("/api/reports/products?days=2&limit=3", headers=staff)).json()
    assert len(best["data"]) == 3
    assert best["data"][0]["portions"] >= best["data"][1]["portions"]
    answer = await client.get("/api/reports/orders.csv", params=query, headers=staff)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "content-length" not in answer.headers
    lines = answer.text.removesuffix("\r\n").split("\r\n")
    assert lines[0] == "id,createdAt,cafeteriaId,userId,status,totalAmount"
    assert lines[1:] == [
        f"{o['id']},{o['created_at'].isoformat().replace('+00:00', 'Z')},1,{o['user_id']},"
        f"{o['status']},{to_decimal(o['total_minor'])}"
        for o in orders
    ]
    states = {**query, "status": ["cancelled", "rejected"]}
    some = (await client.get("/api/reports/orders.csv", params=states, headers=staff)).text
    undone = {str(o["id"]) for o in orders} - {str(o["id"]) for o in done}
    assert {line.split(",")[0] for line in some.split("\r\n")[1:-1]} == undone


async def test_the_menu_is_exported_and_no_name_in_it_is_computed(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    first, second, gone = await connection.fetch(
        "SELECT id FROM products WHERE cafeteria_id = 1 ORDER BY id LIMIT 3"
    )
    rename = "UPDATE products SET name = $2, is_available = false WHERE id = $1"
    await connection.execute(rename, first["id"], '=HYPERLINK("http://a","b")')
    await connection.execute(rename, second["id"], 'Pan, "tomate"')
    withdrawn = "UPDATE products SET is_available = false, withdrawn_at = now() WHERE id = $1"
    await connection.execute(withdrawn, gone["id"])
    staff = await bearer(client, "staff1")
    answer = await client.get("/api/reports/products.csv", headers=staff)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    there = await connection.fetch(
        "SELECT p.*, c.name AS category FROM products p JOIN categories c ON c.id = category_id"
        " WHERE cafeteria_id = 1 AND p.withdrawn_at IS NULL ORDER BY p.id"
    )
    assert [row["name"] for row in rows[:2]] == ['\'=HYPERLINK("http://a","b")', 'Pan, "tomate"']
    assert rows[2:] == [
        {
            "id": str(each["id"]),
            "cafeteriaId": "1",
            "category": each["category"],
            "name": each["name"],
            "price": to_decimal(each["price_minor"]),
            "stock": str(each["stock"]),
            "isAvailable": "true",
        }
        for each in there[2:]
    ]


async def test_a_counter_sees_the_money_of_its_orders_and_an_administrator_all_of_it(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    ledger = await connection.fetch(
        "SELECT t.*, o.cafeteria_id, u.name FROM transactions t JOIN users u ON u.id = t.user_id"
        " LEFT JOIN orders o ON o.id = t.order_id ORDER BY t.created_at DESC, t.id DESC"
    )
    staff, admin = await bearer(client, "staff1"), await bearer(client, "admin1")

    async def walked(headers: dict[str, str], **asked: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        query = {"limit": "70", **asked}
        while True:
            answer = await client.get("/api/reports/transactions", params=query, headers=headers)
            told = answer.json()
            rows += told["data"]
            if told["pagination"]["nextCursor"] is None:
                return rows
            query["cursor"] = told["pagination"]["nextCursor"]

    own = [line for line in ledger if line["cafeteria_id"] == 1]
    assert await walked(staff) == [
        {
            "id": line["id"],
            "kind": line["kind"],
            "amount": to_decimal(line["amount_minor"]),
            "orderId": line["order_id"],
            "customerName": line["name"],
            "createdAt": line["created_at"].isoformat().replace("+00:00", "Z"),
        }
        for line in own
    ]
    everything = await walked(admin)
    assert [row["id"] for row in everything] == [line["id"] for line in ledger]
    assert {row["kind"] for row in everything} == {"top_up", "payment", "refund"}
    refunds = [line["id"] for line in own if line["kind"] == "refund"]
    some = await walked(admin, cafeteriaId="1", kind="refund", fields="id")
    assert [row["id"] for row in some] == refunds != []
    (last, *_) = own
    of_one = await walked(staff, orderId=str(last["order_id"]), fields="id")
    assert [row["id"] for row in of_one] == [
        line["id"] for line in own if line["order_id"] == last["order_id"]
    ]
    other = next(line for line in ledger if line["cafeteria_id"] == 2)
    assert await walked(staff, orderId=str(other["order_id"])) == []
    noon = own[len(own) // 2]["created_at"]
    later = await walked(staff, createdFrom=noon.isoformat(), fields="id")
    assert [row["id"] for row in later] == [
        line["id"] for line in own if line["created_at"] >= noon
    ]


async def test_top_ups_are_told_by_how_they_ended(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO payments"
        " (user_id, amount_minor, provider_key, status, decline_reason, settled_at)"
        " VALUES (1, 500, 'a', 'succeeded', NULL, now()), (1, 900, 'b', 'pending', NULL, NULL),"
        " (1, 700, 'c', 'declined', 'expired-card', now())"
    )
    today, day = datetime.now(UTC).date(), timedelta(days=1)
    days = {"from": (today - day).isoformat(), "to": (today + day).isoformat()}
    admin, staff = await bearer(client, "admin1"), await bearer(client, "staff1")
    told = (await client.get("/api/reports/payments", params=days, headers=admin)).json()
    assert told.pop("asOf")
    cards = {
        "succeeded": 1,
        "declined": 1,
        "pending": 1,
        "amount": "5.00",
        "successRate": 0.5,
        "declineReasons": [{"reason": "expired-card", "payments": 1}],
    }
    assert told == {"cards": cards, "cash": []}
    told = (await client.get("/api/reports/payments", params=days, headers=staff)).json()
    assert (told["cards"], told["cash"]) == (None, [])


async def test_an_export_that_breaks_off_has_no_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def export(*_: object) -> AsyncIterator[list[Exported]]:
        yield []
        raise UnavailableError("Every node is lost.")

    monkeypatch.setattr(Reports, "export", export)
    admin = await bearer(client, "admin1")
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    app: Any = transport.app
    sent: list[dict[str, Any]] = []

    async def recorded(scope: Any, receive: Any, send: Any) -> None:
        async def keep(message: dict[str, Any]) -> None:
            sent.append(message)
            await send(message)

        await app(scope, receive, keep)

    monkeypatch.setattr(transport, "app", recorded)
    await client.get("/api/reports/orders.csv", headers=admin)
    assert sent[0]["status"] == 200
    # So the server closes the connection, and who reads knows.
    assert all(message["more_body"] for message in sent[1:])


async def test_a_report_that_cannot_be_made_is_a_problem_and_no_broken_file(
    client: httpx.AsyncClient,
) -> None:
    staff, student = await bearer(client, "staff1"), await bearer(client, "student1")
    for query, headers, status, kind in (
        ("", student, 403, "forbidden"),
        ("cafeteriaId=2", staff, 403, "forbidden"),
        ("from=2026-01-01&to=2026-02-01", staff, 422, "unprocessable"),
        ("from=2026-01-02&to=2026-01-01", staff, 422, "unprocessable"),
        ("from=9999-12-31", staff, 422, "unprocessable"),
        ("from=0001-01-01", staff, 422, "unprocessable"),
        ("to=2026-01-01", staff, 400, "invalid-parameter"),
        ("from=2026-02-30", staff, 400, "invalid-parameter"),
        ("from=yesterday", staff, 400, "invalid-parameter"),
    ):
        answer = await client.get(f"/api/reports/orders.csv?{query}", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (status, KINDS + kind), query
