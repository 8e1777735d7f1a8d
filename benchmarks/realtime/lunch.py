"""From the change of an order to the frame that tells of it, while other people read and order.

The application runs in two processes. Phones are connected to both, and every change is asked of
one of them in turn, so half of what is told crosses over. The moment of a change is the one that
its event names, the beginning of its transaction: the commit is in what is measured.
"""

import asyncio
import random
import time
from asyncio import Transport
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from typing import Any, Final, cast
from uuid import uuid4

import msgspec
import uvloop

from benchmarks.api.load import Connection, Load, connected
from benchmarks.api.questions import CATALOGUE, DETAIL, LIST, Asked, asked, of_comanda
from benchmarks.pictures.application import prepare, start
from benchmarks.realtime.crowd import HANDSHAKE, PING, masked
from domain.accounts import AccessTokens, Principal
from domain.model import Role
from infra.demo import loader
from tests.serving import UNLIMITED, free_port

PROCESSES: Final = 2
ORDERS: Final = 20_000
BOARDS: Final = 20
# A second, of all people together.
CHANGES: Final = 20.0
READS: Final = 100.0
SECONDS: Final = 20.0
# Before anything counts: connections are opened, statements prepared.
WARM_SECONDS: Final = 3.0
MOVES: Final = ("accepted", "preparing", "ready", "delivered")
LATE: Final = 10.0


@dataclass
class Told:
    """Seconds from each change to each frame, and what else was done."""

    lags: list[float] = field(default_factory=list)
    changes: int = 0
    reads: int = 0

    def __str__(self) -> str:
        lags = sorted(self.lags)
        p50, p99 = (lags[len(lags) * part // 100] * 1e3 for part in (50, 99))
        return (
            f"{self.changes:,} changes of orders, {CHANGES:.0f} a second, beside {READS:.0f} reads "
            f"a second, in {PROCESSES} processes: {len(lags):,} frames, p50 {p50:.1f} ms and p99 "
            f"{p99:.1f} ms after the change, whose commit is part of that."
        )


class Phone(asyncio.Protocol):
    """A client of /orders; with `feed` it watches its cafeteria's live feed."""

    def __init__(self, token: str, told: Told, *, feed: bool) -> None:
        self._token = token
        self._told = told
        self._feed = feed
        self.is_ready = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)
        self._transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if PING in data:
            self._transport.write(masked(b"3"))
        if b'"pingInterval"' in data:
            auth = msgspec.json.encode({"token": self._token})
            self._transport.write(masked(b"40/orders," + auth))
        elif b"40/orders,{" in data and self._feed:
            self._transport.write(masked(b'42/orders,0["order:subscribe_live_feed"]'))
        elif b"40/orders,{" in data or b"43/orders,0[" in data:
            self.is_ready.set()
        for part in data.split(b'42/orders,["order:')[1:]:
            at = part.partition(b'"at":"')[2].partition(b'"')[0].decode()
            self._told.lags.append(now - datetime.fromisoformat(at).timestamp())

    def close(self) -> None:
        self._transport.abort()


class Kitchen:
    """Places orders and moves them on, each change at a process in turn."""

    def __init__(self, chosen: Asked, tokens: AccessTokens, counter: Sequence[Connection]) -> None:
        self._chosen = chosen
        self._tokens = tokens
        self._counter = cycle(counter)
        self._staff = _bearer(tokens, Principal(1, Role.ADMIN))
        self._chance = random.Random(7)
        self._under_way: deque[tuple[int, int]] = deque()
        """Orders with the states that they have had."""

    async def change(self) -> None:
        """One order is another by now: as often a new one as one of each state."""
        if not self._under_way or self._chance.random() < 1 / (1 + len(MOVES)):
            who, _ = self._chance.choice(self._chosen.orders)
            item = {"productId": self._chance.choice(self._chosen.products), "quantity": 1}
            basket = {"cafeteriaId": self._chosen.cafeteria, "items": [item]}
            bearer = _bearer(self._tokens, Principal(who, Role.CUSTOMER))
            order = await self._post("/api/orders", basket, bearer)
            self._under_way.append((order["id"], 0))
            return
        order_id, states = self._under_way.popleft()
        wanted = {"status": MOVES[states], "version": states + 1}
        await self._post(f"/api/orders/{order_id}/status", wanted, self._staff)
        if states + 1 < len(MOVES):
            self._under_way.append((order_id, states + 1))

    async def _post(self, path: str, body: Mapping[str, Any], bearer: str) -> Any:
        encoded = msgspec.json.encode(body)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{bearer}"
            f"idempotency-key: {uuid4()}\r\ncontent-length: {len(encoded)}\r\n\r\n"
        )
        told = msgspec.json.decode(await next(self._counter).ask(head.encode() + encoded))
        if "id" not in told:
            raise ValueError(f"POST {path}: {told}")
        return told


def measured(addresses: Mapping[str, str]) -> Told:
    """Of an application over these servers, with a demo campus of its own."""
    given = {**addresses, **UNLIMITED}
    url = given["COMANDA_DATABASE_URL"]
    asyncio.run(prepare(given))
    asyncio.run(loader.load(url, ORDERS, lambda _: None))
    chosen = asyncio.run(asked(url))
    with ExitStack() as running:
        ports = []
        for number in range(PROCESSES):
            peer = start(f"process {number + 1}", free_port(), given, None)
            running.callback(peer.stop)
            ports.append(peer.port)
        return uvloop.run(_lunch(ports, chosen, given["COMANDA_TOKEN_SECRET"]))


async def _lunch(ports: Sequence[int], chosen: Asked, secret: str) -> Told:
    tokens, told, load = AccessTokens(secret), Told(), Load()
    phones = await _phones(ports, chosen, tokens, told)
    counter = [await connected(port, load, Connection) for port in ports]
    readers = [await connected(port, load, Connection) for port in ports]
    kitchen = Kitchen(chosen, tokens, counter)
    questions = of_comanda(chosen, secret)
    reads = cycle([one for each in (CATALOGUE, LIST, DETAIL) for one in questions[each](50)])
    reading = asyncio.create_task(_read(cycle(readers), reads, told))
    for seconds in (WARM_SECONDS, SECONDS):
        told.lags.clear()
        told.changes = told.reads = 0
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            await kitchen.change()
            told.changes += 1
            await asyncio.sleep(max(0.0, began + told.changes / CHANGES - now))
        # The customer's phone, and each board.
        await _come(told, told.changes * (1 + BOARDS))
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    for phone in phones:
        phone.close()
    for connection in (*counter, *readers):
        connection.close()
    return told


async def _phones(
    ports: Sequence[int], chosen: Asked, tokens: AccessTokens, told: Told
) -> list[Phone]:
    """One of each customer, and the boards of all cafeterias, at the processes in turn."""
    people = [Principal(who, Role.CUSTOMER) for who, _ in chosen.orders]
    people += [Principal(1 + number, Role.ADMIN) for number in range(BOARDS)]
    loop, phones = asyncio.get_running_loop(), []
    for person, port in zip(people, cycle(ports), strict=False):
        token, _ = tokens.issue(person, datetime.now(UTC))
        make = partial(Phone, token, told, feed=person.role is Role.ADMIN)
        _, phone = await loop.create_connection(make, "127.0.0.1", port)
        phones.append(phone)
    async with asyncio.timeout(LATE):
        await asyncio.gather(*(phone.is_ready.wait() for phone in phones))
    return phones


async def _read(readers: Iterator[Connection], reads: Iterator[bytes], told: Told) -> None:
    began, asked_for = time.monotonic(), 0
    while True:
        await next(readers).ask(next(reads))
        told.reads += 1
        asked_for += 1
        await asyncio.sleep(max(0.0, began + asked_for / READS - time.monotonic()))


async def _come(told: Told, frames: int) -> None:
    """Raises TimeoutError where one is lost."""
    async with asyncio.timeout(LATE):
        while len(told.lags) < frames:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _bearer(tokens: AccessTokens, who: Principal) -> str:
    token, _ = tokens.issue(who, datetime.now(UTC))
    return f"authorization: Bearer {token}\r\n"
