"""Two server processes, a lagging replica, many users: nobody misses their own order."""

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
import pytest

from infra.demo.campus import PASSWORD
from tests.faults.place import Place, opened_up
from tests.serving import UNLIMITED, command, free_port, until_healthy

pytestmark = pytest.mark.long

PAIRS: Final = 2_000
PEOPLE: Final = 40
STRANGERS: Final = 2
# Seconds for an answer: on a busy machine, forty logins at once take their time.
PATIENCE: Final = 120
# Only who asks for notices reads them, and nobody is given any meanwhile.
SCANS: Final = """
SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'notifications'
"""


@contextmanager
def serving(place: Place) -> Iterator[list[str]]:
    """The addresses of two processes of the application."""
    given = {**os.environ, **place.addresses.environment(), **UNLIMITED}
    given |= {"COMANDA_TOKEN_SECRET": secrets.token_hex(32), "COMANDA_PICTURE_PROCESSES": "1"}
    with ExitStack() as running:
        addresses = []
        for _ in range(2):
            port = free_port()
            process = subprocess.Popen(command(port), env=given)
            running.callback(process.wait)
            running.callback(process.terminate)
            addresses.append(f"http://127.0.0.1:{port}")
        yield addresses


class Campus:
    """People who order at one process, and look for it at the other."""

    def __init__(self, clients: list[httpx.AsyncClient], dishes: list[int]) -> None:
        self._clients = clients
        self._dishes = dishes
        self.pairs = self.missed = self.again = 0

    async def person(self, number: int) -> None:
        who = await self._logged_in(number)
        # Each their own dish, for a queue at one of them is not what is looked at.
        lines = [{"productId": self._dishes[number % len(self._dishes)], "quantity": 1}]
        order = {"cafeteriaId": 1, "items": lines}
        while self.pairs < PAIRS:
            self.pairs += 1
            here, there = self._clients if self.pairs % 2 else reversed(self._clients)
            key = {"idempotency-key": uuid4().hex}
            placed = await self._answered(
                here, "POST", "/api/orders", json=order, headers=who | key
            )
            assert placed.status_code == HTTPStatus.CREATED, placed.text
            latest = await self._answered(
                there, "GET", "/api/orders?limit=1&fields=id", headers=who
            )
            self.missed += latest.json()["data"][0]["id"] != placed.json()["id"]

    async def _answered(
        self, client: httpx.AsyncClient, method: str, path: str, **asked: Any
    ) -> httpx.Response:
        """On a busy machine a server may take even its primary for lost; it says when to ask."""
        answer = await client.request(method, path, **asked)
        while answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self.again += 1
            await asyncio.sleep(int(answer.headers["retry-after"]))
            answer = await client.request(method, path, **asked)
        return answer

    async def _logged_in(self, number: int) -> dict[str, str]:
        credentials = {"email": f"student{number}@campus.example", "password": PASSWORD}
        answer = await self._answered(self._clients[0], "POST", "/auth/login", json=credentials)
        return {"authorization": f"Bearer {answer.json()['accessToken']}"}

    async def stranger(self, number: int) -> None:
        who = await self._logged_in(number)
        while self.pairs < PAIRS:
            for client in self._clients:
                answer = await self._answered(client, "GET", "/api/notifications", headers=who)
                assert answer.status_code == HTTPStatus.OK
            await asyncio.sleep(0.01)


@asynccontextmanager
async def lagging(urls: list[str]) -> AsyncIterator[None]:
    """Each replica in turn replays nothing for a while."""

    async def pause_in_turn() -> None:
        while True:
            for url in urls:
                replica = await asyncpg.connect(url)
                try:
                    await replica.execute("SELECT pg_wal_replay_pause()")
                    await asyncio.sleep(2)
                finally:
                    await replica.execute("SELECT pg_wal_replay_resume()")
                    await replica.close()

    pausing = asyncio.create_task(pause_in_turn())
    try:
        yield
    finally:
        pausing.cancel()
        with suppress(asyncio.CancelledError):
            await pausing


async def scans(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(SCANS))
    finally:
        await connection.close()


async def test_nobody_misses_their_own_order_while_replicas_lag(place: Place) -> None:
    urls = [place.addresses.database_url, *place.addresses.replica_urls]
    dishes = await opened_up(urls[0])
    with serving(place) as addresses:
        for address in addresses:
            await until_healthy(address)
        before = [await scans(url) for url in urls]
        async with (
            httpx.AsyncClient(base_url=addresses[0], timeout=PATIENCE) as first,
            httpx.AsyncClient(base_url=addresses[1], timeout=PATIENCE) as second,
            lagging(urls[1:]),
        ):
            campus = Campus([first, second], dishes)
            people = [campus.person(number) for number in range(1, PEOPLE + 1)]
            strangers = [campus.stranger(PEOPLE + number) for number in range(1, STRANGERS + 1)]
            await asyncio.gather(*people, *strangers)
        # What was read is counted a moment later.
        await asyncio.sleep(2)
        read = [
            after - was for was, after in zip(before, [await scans(u) for u in urls], strict=True)
        ]
    share = sum(read[1:]) / sum(read)
    print(f"\n{campus.pairs} pairs, {campus.missed} missed, {campus.again} asked again; ", end="")  # noqa: T201
    print(f"{share:.0%} of {sum(read)} reads of others by replicas")  # noqa: T201
    assert campus.missed == 0
    assert share > 0.9
