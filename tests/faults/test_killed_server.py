"""A server is killed a hundred times while people order, pay and are told: nothing is lost."""

import asyncio
import os
import random
import secrets
import signal
import subprocess
from collections import Counter as Counts
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import httpx
import pytest

from domain.database import Cluster, Database
from domain.wallet import audit
from infra.demo.campus import PASSWORD
from tests.faults.place import Place, opened_up
from tests.fcm import Google
from tests.fcm import serving as google_serving
from tests.serving import UNLIMITED, command, free_port, until_healthy

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

    def __init__(self, place: Place, google: Google) -> None:
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self._given = {**os.environ, **place.addresses.environment(), **UNLIMITED}
        self._given |= {
            "COMANDA_TOKEN_SECRET": secrets.token_hex(32),
            "COMANDA_PICTURE_PROCESSES": "1",
            "COMANDA_FCM_CREDENTIALS": str(google.key_file),
            "COMANDA_FCM_ENDPOINT": google.url,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        serving = command(self._port)
        self._process = subprocess.Popen(serving, env=self._given)  # noqa: ASYNC220
        await until_healthy(self.address)

    def kill(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Caller:
    """Asks until there is an answer, which a killed server does not give."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._who: dict[str, str] = {}
        self.again = 0

    async def log_in(self, email: str) -> None:
        credentials = {"email": email, "password": PASSWORD}
        answer = await self._client.post("/auth/login", json=credentials)
        self._who = {"authorization": f"Bearer {answer.json()['accessToken']}"}

    async def _ask(self, path: str, body: dict[str, object], **headers: str) -> httpx.Response:
        while True:
            try:
                answer = await self._client.post(path, json=body, headers=self._who | headers)
            except httpx.TransportError:
                pass
            else:
                if "retry-after" not in answer.headers:
                    return answer
            self.again += 1
            await asyncio.sleep(0.05)


class Person(Caller):
    """Orders and tops up, each with a key, and is told what becomes of it."""

    def __init__(self, client: httpx.AsyncClient, dish: int) -> None:
        super().__init__(client)
        self._basket = {"cafeteriaId": 1, "items": [{"productId": dish, "quantity": 1}]}
        self.orders: list[int] = []
        self.payments: list[int] = []

    async def go_on(self, until: asyncio.Event, counter: "Counter") -> None:
        while not until.is_set():
            self.orders.append(await self._made("/api/orders", self._basket))
            await counter.accept(self.orders[-1])
            self.payments.append(await self._made("/api/wallet/top-ups", {"amount": "1.00"}))

    async def _made(self, path: str, body: dict[str, object]) -> int:
        answer = await self._ask(path, body, **{"idempotency-key": uuid4().hex})
        assert answer.status_code == HTTPStatus.CREATED, answer.text
        return int(answer.json()["id"])


class Counter(Caller):
    """Accepts what is ordered; that somebody is told of it is an event for the outbox."""

    async def accept(self, order: int) -> None:
        body: dict[str, object] = {"status": "accepted", "version": 1}
        answer = await self._ask(f"/api/orders/{order}/status", body)
        if answer.status_code == HTTPStatus.CONFLICT:
            # It was done, and the answer was lost.
            assert answer.json()["present"] == {"version": 2, "status": "accepted"}
        else:
            assert answer.status_code == HTTPStatus.OK, answer.text


@asynccontextmanager
async def ordering(server: Server, dishes: list[int], staff: str) -> AsyncIterator[list[Person]]:
    ended = asyncio.Event()
    async with httpx.AsyncClient(base_url=server.address, timeout=10) as client:
        people = [Person(client, dishes[number]) for number in range(PEOPLE)]
        for number, person in enumerate(people, start=1):
            await person.log_in(f"student{number}@campus.example")
        counter = Counter(client)
        await counter.log_in(staff)
        going = [asyncio.create_task(person.go_on(ended, counter)) for person in people]
        yield people
        ended.set()
        await asyncio.gather(*going)


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Google]:
    with google_serving(tmp_path) as google:
        yield google


async def test_what_was_acknowledged_is_there_exactly_once_and_told_at_least_once(
    place: Place, google: Google
) -> None:
    chance = random.Random(1)
    url = place.addresses.database_url
    dishes = await opened_up(url)
    connection = await asyncpg.connect(url)
    first = await connection.fetchval("SELECT max(id) FROM orders")
    await connection.execute(
        "INSERT INTO devices (user_id, token, platform)"
        " SELECT id, email, 'android' FROM users WHERE email LIKE 'student%'"
    )
    staff = await connection.fetchval(
        "SELECT email FROM users WHERE role = 'staff' AND cafeteria_id = 1 LIMIT 1"
    )
    server = Server(place, google)
    await server.start()
    async with ordering(server, dishes, staff) as people:
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
    pushed = Counts(message["data"]["orderId"] for message in google.sent)
    twice = sum(number - 1 for number in pushed.values())
    print(f"\n{KILLS} kills, {len(orders)} orders, {len(payments)} top-ups, {again} asked again")  # noqa: T201
    print(f"{len(pushed)} orders told of, {twice} pushed once more")  # noqa: T201
    new = [
        row["id"] for row in await connection.fetch("SELECT id FROM orders WHERE id > $1", first)
    ]
    assert sorted(new) == sorted(orders)
    assert len(set(payments)) == len(payments)
    assert await connection.fetchval("SELECT count(*) FROM payments") == len(payments)
    assert not await connection.fetchval("SELECT count(*) FROM payments WHERE status = 'pending'")
    paid = "SELECT count(*) FROM transactions WHERE kind = 'payment' AND order_id > $1"
    assert await connection.fetchval(paid, first) == len(orders)
    written = "SELECT count(*) FROM outbox WHERE kind = $1"
    for kind in ("order:created", "order:changed", "notification:created"):
        assert await connection.fetchval(written, kind) == len(orders)
    assert set(pushed) == set(map(str, orders))
    cluster = Cluster(url, [])
    assert (await audit(Database(cluster))).is_sound
    await cluster.close()
    await connection.close()
    server.kill()
