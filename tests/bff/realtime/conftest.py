"""The application in two processes, people who may see some of its orders, and their phones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
import pytest
import uvicorn

from bff.app import create_app
from bff.edge.protocol import BoundedProtocol
from bff.realtime.engine import Engine
from bff.realtime.websocket import ENGINE, WebSocket
from bff.settings import Settings
from imaging.shelves import Shelves
from infra.demo.campus import PASSWORD
from tests.bff.realtime.clients import Clients, clients
from tests.bff.realtime.peer import until
from tests.serving import free_port, running, until_healthy

PROCESSES: Final = 2


@pytest.fixture
async def servers(settings: Settings, shelves: Shelves) -> AsyncIterator[list[str]]:
    """The URLs of two processes that share everything but their sockets."""
    with running(settings, [free_port() for _ in range(PROCESSES)]) as urls:
        await asyncio.gather(*map(until_healthy, urls))
        yield urls


class Inside:
    """The application in this very process, behind a port of its own."""

    def __init__(self, url: str, port: int, engine: Engine) -> None:
        self.url = url
        self.port = port
        self.engine = engine


@asynccontextmanager
async def inside(settings: Settings, port: int | None = None) -> AsyncIterator[Inside]:
    """Serve it until the test is over; quicker than a process, and with a view of its parts."""
    port = port or free_port()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        port=port,
        ws=WebSocket,
        http=BoundedProtocol,
        log_level="critical",
        ws_ping_interval=None,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield Inside(f"http://127.0.0.1:{port}", port, app.state[ENGINE])
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def one(settings: Settings, shelves: Shelves) -> AsyncIterator[Inside]:
    """The application once."""
    async with inside(settings) as app:
        yield app


@pytest.fixture
async def other(settings: Settings, shelves: Shelves) -> AsyncIterator[Inside]:
    """And once more."""
    async with inside(settings) as app:
        yield app


@pytest.fixture
async def phones() -> AsyncIterator[Clients]:
    """Clients as they come from npm."""
    async with clients() as made:
        yield made


class Person:
    """Somebody who is logged in."""

    def __init__(self, url: str, token: str) -> None:
        self.token = token
        self.auth = {"token": token}
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"}

    @classmethod
    async def at(cls, url: str, account: str) -> "Person":
        credentials = {"email": f"{account}@campus.example", "password": PASSWORD}
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            answer = await client.post("/auth/login", json=credentials)
        assert answer.status_code == 200, answer.text
        return cls(url, answer.json()["accessToken"])

    async def order(self, product: int) -> dict[str, Any]:
        """A new order of theirs at the first cafeteria."""
        basket = {"cafeteriaId": 1, "items": [{"productId": product, "quantity": 1}]}
        return await self._post("/api/orders", basket)

    async def move(self, order: dict[str, Any], status: str) -> dict[str, Any]:
        """The order in its next state."""
        path = f"/api/orders/{order['id']}/status"
        return await self._post(path, {"status": status, "version": order["version"]})

    async def cancel(self, order: dict[str, Any], reason: str) -> dict[str, Any]:
        """The order, which comes to nothing."""
        path = f"/api/orders/{order['id']}/cancel"
        return await self._post(path, {"version": order["version"], "reason": reason})

    async def changes(self) -> dict[str, Any]:
        """What is new to somebody who knows nothing: a position."""
        async with httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=30) as client:
            answer = await client.get("/api/orders/changes", headers=self._headers)
        told: dict[str, Any] = answer.json()
        return told

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = self._headers | {"idempotency-key": uuid4().hex}
        async with httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=30) as client:
            answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture
async def student(one: Inside) -> Person:
    return await Person.at(one.url, "student1")


@pytest.fixture
async def stranger(one: Inside) -> Person:
    return await Person.at(one.url, "student2")


@pytest.fixture
async def staff(one: Inside) -> Person:
    """Of the first cafeteria."""
    return await Person.at(one.url, "staff1")


@pytest.fixture
async def product(connection: asyncpg.Connection) -> int:
    """Something that the first cafeteria has."""
    return int(await connection.fetchval("SELECT min(id) FROM products WHERE cafeteria_id = 1"))
