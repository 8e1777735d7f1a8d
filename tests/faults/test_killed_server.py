"""A server is killed a hundred times while people order and pay: nothing is lost, or done twice."""

import asyncio
import os
import random
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import asyncpg
import httpx
import pytest

from domain.database import Cluster, Database
from domain.wallet import audit
from infra.demo.campus import PASSWORD
from tests.faults.place import Place, opened_up
from tests.serving import free_port, until_healthy, uvicorn

pytestmark = pytest.mark.long

KILLS: Final = 100
PEOPLE: Final = 8
# What the application sees to by itself, in its present state.
WAITING: Final = """
SELECT count(*) FROM outbox
 WHERE delivered_at IS NULL AND kind IN ('payment:started', 'notification:created')
"""


class Server:
    """One process of the application, which is killed and started again at the same address."""

    def __init__(self, place: Place) -> None:
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self._given = {**os.environ, **place.addresses.environment()}
        self._given |= {
            "COMANDA_TOKEN_SECRET": secrets.token_hex(32),
            "COMANDA_PICTURE_PROCESSES": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        command = uvicorn(self._port)
        self._process = subprocess.Popen(command, env=self._given)  # noqa: ASYNC220
        await until_healthy(self.address)

    def kill(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Person:
    """Orders and tops up, and asks again with the same key until there is an answer."""

    def __init__(self, client: httpx.AsyncClient, number: int, dish: int) -> None:
        self._client = client
        self._number = number
        self._basket = {"cafeteriaId": 1, "items": [{"productId": dish, "quantity": 1}]}
        self._who: dict[str, str] = {}
        self.orders: list[int] = []
        self.payments: list[int] = []
        self.again = 0

    async def log_in(self) -> None:
        credentials = {"email": f"student{self._number}@campus.example", "password": PASSWORD}
        answer = await self._client.post("/auth/login", json=credentials)
        self._who = {"authorization": f"Bearer {answer.json()['accessToken']}"}

    async def go_on(self, until: asyncio.Event) -> None:
        while not until.is_set():
            self.orders.append(await self._ask("/api/orders", self._basket))
            self.payments.append(await self._ask("/api/wallet/top-ups", {"amount": "1.00"}))

    async def _ask(self, path: str, body: dict[str, object]) -> int:
        headers = self._who | {"idempotency-key": uuid4().hex}
        while True:
            try:
                answer = await self._client.post(path, json=body, headers=headers)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == HTTPStatus.CREATED:
                    return int(answer.json()["id"])
                assert answer.headers.get("retry-after"), answer.text
            self.again += 1
            await asyncio.sleep(0.05)


@asynccontextmanager
async def ordering(server: Server, dishes: list[int]) -> AsyncIterator[list[Person]]:
    ended = asyncio.Event()
    async with httpx.AsyncClient(base_url=server.address, timeout=10) as client:
        people = [Person(client, n, dishes[n]) for n in range(1, PEOPLE + 1)]
        for person in people:
            await person.log_in()
        going = [asyncio.create_task(person.go_on(ended)) for person in people]
        yield people
        ended.set()
        await asyncio.gather(*going)


async def test_what_was_acknowledged_is_there_exactly_once(place: Place) -> None:
    chance = random.Random(1)
    url = place.addresses.database_url
    dishes = await opened_up(url)
    connection = await asyncpg.connect(url)
    first = await connection.fetchval("SELECT max(id) FROM orders")
    server = Server(place)
    await server.start()
    async with ordering(server, dishes) as people:
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            server.kill()
            await server.start()
    async with asyncio.timeout(300):
        while await connection.fetchval(WAITING):
            pass
    orders = [order for person in people for order in person.orders]
    payments = [payment for person in people for payment in person.payments]
    again = sum(person.again for person in people)
    print(f"\n{KILLS} kills, {len(orders)} orders, {len(payments)} top-ups, {again} asked again")  # noqa: T201
    new = [
        row["id"] for row in await connection.fetch("SELECT id FROM orders WHERE id > $1", first)
    ]
    assert sorted(new) == sorted(orders)
    assert len(set(payments)) == len(payments)
    assert await connection.fetchval("SELECT count(*) FROM payments") == len(payments)
    assert not await connection.fetchval("SELECT count(*) FROM payments WHERE status = 'pending'")
    paid = "SELECT count(*) FROM transactions WHERE kind = 'payment' AND order_id > $1"
    assert await connection.fetchval(paid, first) == len(orders)
    told = "SELECT count(*) FROM outbox WHERE kind = 'order:created'"
    assert await connection.fetchval(told) == len(orders)
    cluster = Cluster(url, [])
    assert (await audit(Database(cluster))).is_sound
    await cluster.close()
    await connection.close()
    server.kill()
