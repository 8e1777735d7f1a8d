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
