"""Requests over kept connections, all in one loop: so cheap that servers are what is measured."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

import uvloop
from httptools import HttpResponseParser

PATIENCE: Final = 60.0


@dataclass
class Load:
    """What came back; times in seconds, bytes with heads."""

    elapsed: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    bytes: int = 0


class Connection(asyncio.Protocol):
    """One connection, on which one request at a time is answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[bytes] | None = None
        self._parser = HttpResponseParser(self)
        self._body: list[bytes] = []

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer, as it was sent. Raises ConnectionError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the server has hung up")
        self._answered = asyncio.get_running_loop().create_future()
        self._body.clear()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # Of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._load.bytes += len(data)
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError(str(exc or "the server has hung up")))

    # Of the parser

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._load.statuses[self._parser.get_status_code()] += 1
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(b"".join(self._body))


class _Curious(Connection):
    """One that looks at what comes before a body."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self.headers: dict[bytes, bytes] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value


C = TypeVar("C", bound=Connection)


async def connected(port: int, load: Load, kind: type[C]) -> C:
    """A connection to the server at `port` of this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: kind(load), "127.0.0.1", port)
    return connection


def drive(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Send all requests, each connection the next one as soon as its last was answered."""
    return uvloop.run(_driven(port, requests, connections))


def answer(port: int, request: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """The headers, by their names in small letters, and the body of one answer."""

    async def ask() -> tuple[dict[bytes, bytes], bytes]:
        connection = await connected(port, Load(), _Curious)
        try:
            async with asyncio.timeout(PATIENCE):
                body = await connection.ask(request)
                return connection.headers, body
        finally:
            connection.close()

    return uvloop.run(ask())


async def _driven(port: int, requests: Sequence[bytes], connections: int) -> Load:
    load = Load()
    opened = [await connected(port, load, Connection) for _ in range(connections)]
    left = iter(requests)

    async def go(connection: Connection) -> None:
        for request in _shared(left):
            began = time.perf_counter()
            await connection.ask(request)
            load.latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*map(go, opened))
    load.elapsed = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return load


def _shared(requests: Iterator[bytes]) -> Iterator[bytes]:
    yield from requests
