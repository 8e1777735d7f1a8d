"""Thousands of clients in one process: they join a room each, and take what comes."""

import asyncio
import re
import struct
import time
from asyncio import Transport
from typing import Final, cast

HANDSHAKE: Final = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
# An event is found by its name, however the frames are cut.
NAME: Final = b"order:updated"
PING: Final = b"\x81\x012"
_AT: Final = re.compile(rb'"t":(\d+)')
AT_ONCE: Final = 64
PATIENCE: Final = 120.0


def masked(text: bytes) -> bytes:
    """A frame of text; a mask of zeros is one."""
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
    return head + bytes(4) + text


class Client(asyncio.Protocol):
    """Connects, joins its room, and counts."""

    __slots__ = ("_crowd", "_room", "_transport", "is_ready")

    def __init__(self, crowd: "Crowd", room: str | None) -> None:
        self._crowd = crowd
        self._room = room
        self.is_ready = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)
        self._transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if self.is_ready.is_set():
            if PING in data:
                self._transport.write(masked(b"3"))
            self._crowd.count(data)
        elif b"40/orders,{" in data:
            if self._room is None:
                self.is_ready.set()
            else:
                self._transport.write(masked(b'42/orders,0["join","%b"]' % self._room.encode()))
        elif b"43/orders,0[" in data:
            self.is_ready.set()
        elif b"pingInterval" in data:
            self._transport.write(masked(b"40/orders,"))

    def close(self) -> None:
        self._transport.abort()


class Crowd:
    """All of them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.clients: list[Client] = []
        self._expected = self._received = 0
        self._all = asyncio.Event()
        self.latencies: list[int] = []
        """Microseconds from the event to each chunk that had it."""

    async def come(self, rooms: list[str | None]) -> None:
        """One client for each, which is in its room when this returns."""
        gate = asyncio.Semaphore(AT_ONCE)
        loop = asyncio.get_running_loop()

        async def one(room: str | None) -> Client:
            async with gate:
                _, client = await loop.create_connection(
                    lambda: Client(self, room), "127.0.0.1", self._port
                )
                await client.is_ready.wait()
                return client

        self.clients = await asyncio.gather(*map(one, rooms))

    def expect(self, deliveries: int) -> None:
        """From now on, so many."""
        self._expected, self._received = deliveries, 0
        self._all.clear()

    async def arrive(self) -> None:
        """Returns when all have come. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            await self._all.wait()

    def count(self, data: bytes) -> None:
        """Some more have come."""
        self._received += data.count(NAME)
        found = _AT.search(data)
        if found is not None:
            self.latencies.append(time.monotonic_ns() // 1000 - int(found[1]))
        if self._received >= self._expected:
            self._all.set()

    def go(self) -> None:
        """All at once."""
        for client in self.clients:
            client.close()
