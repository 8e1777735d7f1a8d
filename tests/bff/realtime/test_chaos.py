"""Redis and both servers are killed, cut and stopped, all of it at random, while two hundred
clients watch a thousand changes: each ends with every final state."""

import asyncio
import json
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import httpx
import msgspec
import pytest
from redis import RedisError

from bff.realtime.bus import KEY
from bff.settings import Settings
from domain.accounts import AccessTokens, Principal
from domain.model import Role
from imaging.shelves import Shelves
from infra.local.redis_cluster import RedisCluster
from tests.bff.realtime.clients import HOME, installed
from tests.serving import command, environment, free_port, until_healthy

pytestmark = pytest.mark.long

ORDERS: Final = 250
MOVES: Final = ("accepted", "preparing", "ready", "delivered")
PHONES: Final = 100
BOARDS: Final = 100
# Changes a second; so the faults have the time to come in between.
PACE: Final = 15.0
SETTLED_SECONDS: Final = 120


class Server:
    """One process of the application, started again at the same address whenever it ends."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._given = environment(settings) | {
            "COMANDA_REDIS_CLUSTER": "true",
            "COMANDA_PICTURE_PROCESSES": "1",
            # One member of staff does the work of many.
            "COMANDA_LIMIT_GENERAL": "0",
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(command(self.port), env=self._given)  # noqa: ASYNC220
        await until_healthy(self.url)

    async def end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        os.kill(self._process.pid, number)
        await asyncio.to_thread(self._process.wait)


class Chaos:
    """Faults, one after the other, until there are enough."""

    def __init__(self, servers: list[Server], redis: RedisCluster) -> None:
        self._chance = random.Random(7)
        self._servers = servers
        self._redis = redis
        self.done: Counter[str] = Counter()

    async def run(self, until: asyncio.Event) -> None:
        faults = (self.cut, self.kill_redis, self.kill_server, self.stop_server)
        while not until.is_set():
            await asyncio.sleep(self._chance.uniform(0.5, 2))
            fault = self._chance.choice(faults)
            await fault()
            self.done[fault.__name__] += 1
        # The last of them is over, and Redis whole.
        await self._master()

    async def cut(self) -> None:
        for port in self._redis.ports:
            with suppress(RedisError, OSError):
                self._redis.ask(port, "CLIENT", "KILL", "TYPE", "normal")

    async def kill_redis(self) -> None:
        """The master that has the stream; its replica takes over, or it comes back first and
        knows nothing."""
        port = await self._master()
        self._redis.kill(port)
        if self._chance.random() < 0.5:
            await self._master()
        self._redis.restart(port)
        await self._master()

    async def kill_server(self) -> None:
        server = self._chance.choice(self._servers)
        await server.end(signal.SIGKILL)
        await server.start()

    async def stop_server(self) -> None:
        server = self._chance.choice(self._servers)
        await server.end(signal.SIGTERM)
        await server.start()

    async def _master(self) -> int:
        """The port of the master that answers for the stream."""
        while True:
            for port in self._redis.ports:
                try:
                    self._redis.ask(port, "XLEN", KEY.decode())
                except (RedisError, OSError):
                    # It is dead, or another one's replica, or has other slots.
                    continue
                return port
            await asyncio.sleep(0.1)


class Staff:
    """Moves orders, at whichever process answers."""

    def __init__(self, servers: list[Server], token: str) -> None:
        self._servers = servers
        self._headers = {"authorization": f"Bearer {token}"}
        self._chance = random.Random(11)
        self.again = 0

    async def move_on(self, orders: list[int]) -> None:
        """Every order through all its states, in no order but its own, so many a second."""
        left = {order: list(MOVES) for order in orders}
        async with httpx.AsyncClient(trust_env=False, timeout=5, headers=self._headers) as client:
            while left:
                order = self._chance.choice(list(left))
                status = left[order].pop(0)
                await self._move(client, order, status, len(MOVES) - len(left[order]))
                if not left[order]:
                    del left[order]
                await asyncio.sleep(1 / PACE)

    async def _move(self, client: httpx.AsyncClient, order: int, status: str, version: int) -> None:
        body = {"status": status, "version": version}
        while True:
            server = self._chance.choice(self._servers)
            path = f"{server.url}/api/orders/{order}/status"
            with suppress(httpx.TransportError):
                answer = await client.post(path, json=body)
                if answer.status_code == 200:
                    return
                if answer.status_code == 409:
                    # It was done, though nobody was told.
                    assert answer.json()["present"]["version"] == version + 1
                    return
                assert answer.status_code == 503, answer.text
            self.again += 1
            await asyncio.sleep(0.1)


class Watchers:
    """Two hundred clients in a process of Node's."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, asked: list[dict[str, Any]]) -> "Watchers":
        installed()
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "node", str(HOME / "watchers.js"), stdin=pipe, stdout=pipe, limit=1 << 24
        )
        watchers = cls(process)
        watchers._say(json.dumps(asked))
        return watchers

    async def told(self) -> Any:
        self._say("")
        assert self._process.stdout is not None
        return json.loads(await self._process.stdout.readline())

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")


@pytest.fixture
async def servers(
    settings: Settings, shelves: Shelves, redis_cluster: RedisCluster
) -> AsyncIterator[list[Server]]:
    """Two, over a cluster of Redis."""
    settings = msgspec.structs.replace(settings, redis_url=redis_cluster.url)
    servers = [Server(settings) for _ in range(2)]
    await asyncio.gather(*(server.start() for server in servers))
    yield servers
    for server in servers:
        await server.end(signal.SIGTERM)


async def placed(connection: asyncpg.Connection) -> list[int]:
    """New orders of the first PHONES students, at the first cafeteria."""
    rows = await connection.fetch(
        "INSERT INTO orders (user_id, cafeteria_id, total_minor)"
        " SELECT id, 1, 0 FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM users"
        " WHERE role = 'customer' ORDER BY id LIMIT $1) AS students"
        " CROSS JOIN generate_series(1, $2 / $1 + 1) AS round ORDER BY round, n LIMIT $2"
        " RETURNING id",
        PHONES,
        ORDERS,
    )
    return [row["id"] for row in rows]


async def test_every_client_ends_with_every_final_state(
    servers: list[Server],
    settings: Settings,
    redis_cluster: RedisCluster,
    connection: asyncpg.Connection,
) -> None:
    tokens = AccessTokens(settings.token_secret)

    def token(user_id: int, role: Role, cafeteria_id: int | None = None) -> str:
        return tokens.issue(Principal(user_id, role, cafeteria_id), datetime.now(UTC))[0]

    orders = await placed(connection)
    owners = await connection.fetch(
        "SELECT user_id, array_agg(id) AS orders FROM orders WHERE id = ANY($1) GROUP BY 1", orders
    )
    staff = await connection.fetch("SELECT id FROM users WHERE role = 'staff' AND cafeteria_id = 1")
    asked: list[dict[str, Any]] = [
        {
            "url": servers[number % 2].url,
            "token": token(row["user_id"], Role.CUSTOMER),
            "orders": list(row["orders"]),
        }
        for number, row in enumerate(owners)
    ]
    asked += [
        {
            "url": servers[number % 2].url,
            "token": token(staff[number // 2 % len(staff)]["id"], Role.STAFF, 1),
            "from": orders[0],
        }
        for number in range(BOARDS)
    ]
    watchers = await Watchers.begin(asked)
    async with asyncio.timeout(60):
        while (await watchers.told())["counts"]["subscribed"] < len(asked):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    chaos, over = Chaos(servers, redis_cluster), asyncio.Event()
    raging = asyncio.create_task(chaos.run(over))
    counter = Staff(servers, token(staff[0]["id"], Role.STAFF, 1))
    await counter.move_on(orders)
    over.set()
    await raging
    expected = [
        {str(order): {"version": 5, "status": "delivered"} for order in each.get("orders", orders)}
        for each in asked
    ]
    behind = len(asked)
    try:
        async with asyncio.timeout(SETTLED_SECONDS):
            while behind:
                await asyncio.sleep(0.5)
                told = await watchers.told()
                behind = sum(
                    not wanted.items() <= known.items()
                    for wanted, known in zip(expected, told["known"], strict=True)
                )
    finally:
        print(f"\n{len(orders) * len(MOVES)} changes, {len(asked)} clients, ", end="")  # noqa: T201
        print(f"{behind} behind, {told['ready']} connected; faults: {dict(chaos.done)}; ", end="")  # noqa: T201
        print(f"{told['counts']}; {counter.again} moves asked again")  # noqa: T201
    await watchers.end()
    assert min(chaos.done.values()) > 0
    assert len(chaos.done) == 4
    assert told["counts"]["recovered"] > 0
