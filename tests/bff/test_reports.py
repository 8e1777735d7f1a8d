"""Reports over HTTP: staff's own, as JSON and as a CSV that is streamed."""

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
