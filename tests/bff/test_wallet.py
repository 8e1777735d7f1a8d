"""Money over HTTP: the balance with its ledger, top-ups, and the check of both."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import msgspec
from click.testing import CliRunner

from bff.cli import main
from bff.settings import Settings
from tests.bff.test_orders import a_product, bearer, order, whose_fences
from tests.conftest import Serve


async def test_a_wallet_shows_its_balance_and_how_it_came_to_that(
    client: httpx.AsyncClient, connection: asyncpg.Connection, database: str, redis_url: str
) -> None:
    student, counter = await bearer(client, "student1"), await bearer(client, "staff1")
    await connection.execute("UPDATE products SET price_minor = 450 WHERE cafeteria_id = 1")
    before = (await client.get("/api/wallet?limit=1", headers=student)).json()
    product = await a_product(client)
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}
    placed = (await order(client, student, basket)).json()
    cash = {"amount": "7.5", "userId": placed["userId"]}
    key = {"idempotency-key": "cash"}
    whose_fences(redis_url)
    taken = await client.post("/api/wallet/top-ups", json=cash, headers=counter | key)
    assert placed["userId"] in whose_fences(redis_url)
    assert taken.status_code == 201
    assert (taken.json()["status"], taken.json()["amount"]) == ("succeeded", "7.50")
    again = await client.post("/api/wallet/top-ups", json=cash, headers=counter | key)
    assert again.content == taken.content
    payment = await client.get(f"/api/payments/{taken.json()['id']}", headers=student)
    assert payment.json() == taken.json()
    refused = await client.post("/api/wallet/top-ups", json=cash, headers=student | key)
    assert refused.status_code == 403

    after = (await client.get("/api/wallet?limit=2", headers=student)).json()
    assert Decimal(after["balance"]) == Decimal(before["balance"]) + Decimal("3.00")
    assert [(each["kind"], each["amount"], each["orderId"]) for each in after["data"]] == [
        ("top_up", "7.50", None),
        ("payment", "-4.50", placed["id"]),
    ]
    assert after["pagination"]["total"] == before["pagination"]["total"] + 2

    # The command looks at the same database, and tells by its exit code.
    environment = {"COMANDA_DATABASE_URL": database}
    sound = await asyncio.to_thread(CliRunner().invoke, main, ["ledger"], env=environment)
    assert (sound.exit_code, "explains every balance" in sound.output) == (0, True), sound.output
    await connection.execute("UPDATE wallets SET balance_minor = 5 WHERE user_id = $1", 100)
    broken = await asyncio.to_thread(CliRunner().invoke, main, ["ledger"], env=environment)
    assert broken.exit_code == 1
    assert "person 100: 0.05 held" in broken.output


async def test_top_ups_are_listed_to_who_they_are_for_and_nobody_else(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    student, other = await bearer(client, "student1"), await bearer(client, "student2")
    counter = await bearer(client, "staff1")
    owner = (await client.get("/api/me", headers=student)).json()["id"]
    await connection.execute("DELETE FROM payments")
    cash = {"amount": "5.00", "userId": owner}
    for number in range(5):
        key = {"idempotency-key": f"cash {number}"}
        taken = await client.post("/api/wallet/top-ups", json=cash, headers=counter | key)
        assert taken.status_code == 201
    await connection.execute(
        "INSERT INTO payments (user_id, amount_minor, provider_key, status, decline_reason,"
        " settled_at) VALUES ($1, 700, 'card', 'declined', 'expired-card', now())",
        owner,
    )

    first = (await client.get("/api/payments?limit=4", headers=student)).json()
    assert first["pagination"]["total"] == 6
    newest = first["data"][0]
    assert (newest["amount"], newest["status"]) == ("7.00", "declined")
    assert newest["declineReason"] == "expired-card"
    cursor = {"limit": 4, "cursor": first["pagination"]["nextCursor"]}
    rest = (await client.get("/api/payments", params=cursor, headers=student)).json()
    ids = [each["id"] for each in first["data"] + rest["data"]]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == 6
    assert rest["pagination"]["nextCursor"] is None

    few = "/api/payments?status=declined&fields=id,amount"
    assert (await client.get(few, headers=student)).json()["data"] == [
        {"id": newest["id"], "amount": "7.00"}
    ]
    # The counter took them, and they are not its own; a cursor leads nobody to another's.
    for elses in (counter, other):
        for params in ({}, cursor):
            shown = await client.get("/api/payments", params=params, headers=elses)
            assert shown.json()["data"] == []


AT_COMMIT = """
CREATE FUNCTION too_late() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'refused at the last moment'; END $$;
CREATE CONSTRAINT TRIGGER too_late AFTER INSERT ON transactions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION too_late();
"""


async def test_what_is_not_committed_is_no_success(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    """All statements went well, and then COMMIT failed: nobody is told 201."""
    student, counter = await bearer(client, "student1"), await bearer(client, "staff1")
    owner = (await client.get("/api/me", headers=student)).json()["id"]
    before = (await client.get("/api/wallet", headers=student)).json()["balance"]
    cash = {"amount": "5.00", "userId": owner}
    counter["idempotency-key"] = "cash"
    await connection.execute(AT_COMMIT)
    answer = await client.post("/api/wallet/top-ups", json=cash, headers=counter)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:comanda:problem:internal"
    assert "last moment" not in answer.text
    assert (await client.get("/api/wallet", headers=student)).json()["balance"] == before

    # The key is as new as it was.
    await connection.execute("DROP TRIGGER too_late ON transactions")
    again = await client.post("/api/wallet/top-ups", json=cash, headers=counter)
    assert again.status_code == 201
    assert "idempotent-replayed" not in again.headers
    after = (await client.get("/api/wallet", headers=student)).json()["balance"]
    assert Decimal(after) == Decimal(before) + 5


LEFT_PENDING = """
WITH payment AS (
    INSERT INTO payments (user_id, amount_minor, provider_key)
    SELECT id, 700, 'of a process that died' FROM users WHERE email LIKE 'student1@%'
    RETURNING id
)
INSERT INTO outbox (kind, payload, due_at)
SELECT 'payment:started', jsonb_build_object('paymentId', id), now() FROM payment
RETURNING (payload ->> 'paymentId')::bigint
"""
PENDING = "SELECT status = 'pending' FROM payments WHERE id = $1"


async def test_a_card_is_charged_as_the_simulated_bank_likes(
    serve: Serve, settings: Settings, connection: asyncpg.Connection
) -> None:
    answers: dict[float, Any] = {}
    left = await connection.fetchval(LEFT_PENDING)
    for rate in (0.0, 1.0):
        async with serve(msgspec.structs.replace(settings, payment_decline_rate=rate)) as client:
            headers = await bearer(client, "student1") | {"idempotency-key": f"card {rate}"}
            answer = await client.post(
                "/api/wallet/top-ups", json={"amount": "20.00"}, headers=headers
            )
            assert answer.status_code == 201
            answers[rate] = answer.json()
            # What another process left is seen to as well.
            async with asyncio.timeout(30):
                while await connection.fetchval(PENDING, left):
                    pass
    assert answers[0.0]["status"] == "succeeded"
    assert answers[0.0]["settledAt"]
    assert answers[1.0]["status"] == "declined"
    assert answers[1.0]["declineReason"]
