"""A client that says exactly what a test wants, right or wrong; and a server of a test's own."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import httpx
import uvicorn
from litestar.types import Receive, Scope, Send
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from bff.edge.protocol import BoundedProtocol
from bff.realtime.asgi import Polls, Sockets
from bff.realtime.engine import Engine
from bff.realtime.websocket import WebSocket
from tests.bff.edge.layers import edge
from tests.serving import free_port

OPEN: Final = "/socket.io/?EIO=4&transport="
ADAPTERS: Final = ("ours", "asgi")
# What takes longer will not come: far more than a loaded machine needs.
PATIENCE: Final = 20.0


async def until(is_so: Callable[[], bool]) -> None:
    """Returns when it is so; TimeoutError where it never is."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Peer:
    """The client's side of a WebSocket; what it receives is (opcode, payload)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, port: int, target: str, headers: Mapping[str, str] | None = None
    ) -> tuple["Peer", int]:
        """It, and the status that its handshake was answered with."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        told = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        } | dict(headers or {})
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer), int(head.split(b" ")[1])

    def write(self, payload: str | bytes, opcode: int | None = None, *, final: bool = True) -> None:
        """A masked frame."""
        data = payload.encode() if isinstance(payload, str) else payload
        if opcode is None:
            opcode = 1 if isinstance(payload, str) else 2
        self.writer.write(masked(data, opcode, final=final))

    async def read(self) -> tuple[int, bytes]:
        """The next frame; EOFError where there is none any more."""
        async with asyncio.timeout(PATIENCE):
            first, second = await self.reader.readexactly(2)
            size = second & 127
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 15, await self.reader.readexactly(size)

    async def text(self) -> str:
        """The next message, which is of text."""
        opcode, payload = await self.read()
        assert opcode == 1, (opcode, payload)
        return payload.decode()

    async def until_closed(self) -> int | None:
        """The code that the server closes with, whatever it sends before; None without one."""
        with suppress(EOFError, ConnectionError):
            while True:
                opcode, payload = await self.read()
                if opcode == 8:
                    return int.from_bytes(payload[:2], "big")
        return None


def masked(data: bytes, opcode: int, *, final: bool = True) -> bytes:
    """A frame as a client sends it."""
    mask, size = os.urandom(4), len(data)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 0x10000:
        head += struct.pack("!BH", 0x80 | 126, size)
    else:
        head += struct.pack("!BQ", 0x80 | 127, size)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


class Place:
    """A server on loopback, and clients of it."""

    def __init__(
        self, port: int, engine: Engine, client: httpx.AsyncClient, server: uvicorn.Server
    ) -> None:
        self.port = port
        self.engine = engine
        self.client = client
        self._server = server
        self._peers: list[Peer] = []

    async def connect(
        self, target: str, headers: Mapping[str, str] | None = None
    ) -> tuple[Peer, int]:
        """A WebSocket that may have been let in, and the status that it was answered with."""
        peer, status = await Peer.connect(self.port, target, headers)
        self._peers.append(peer)
        return peer, status

    @property
    def connections(self) -> int:
        """As many as the server has open."""
        return len(self._server.server_state.connections)

    @property
    def tasks(self) -> int:
        """As many as the server waits for."""
        return len(self._server.server_state.tasks)

    async def leave(self) -> None:
        """Close whatever a test has left open."""
        for peer in self._peers:
            peer.writer.transport.abort()
            with suppress(OSError):
                await peer.writer.wait_closed()

    async def websocket(self, query: str = "", headers: Mapping[str, str] | None = None) -> Peer:
        """A WebSocket that has been let in."""
        peer, status = await self.connect(f"{OPEN}websocket{query}", headers)
        assert status == 101
        return peer

    async def opened(self) -> tuple[Peer, dict[str, Any]]:
        """A session over a WebSocket, and what it was greeted with."""
        peer = await self.websocket()
        greeting = await peer.text()
        assert greeting[0] == "0"
        return peer, json.loads(greeting[1:])

    async def polled(self) -> str:
        """The id of a session that is polled."""
        answer = await self.client.get(f"{OPEN}polling")
        assert answer.status_code == 200
        return str(json.loads(answer.text[1:])["sid"])

    async def poll(self, sid: str) -> httpx.Response:
        return await self.client.get(f"{OPEN}polling&sid={sid}")

    async def post(self, sid: str, body: str | bytes) -> httpx.Response:
        return await self.client.post(f"{OPEN}polling&sid={sid}", content=body)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that has no pages."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def serving(
    engine: Engine,
    adapter: str,
    over: Callable[[type[Any]], type[Any]] = lambda given: given,
    **options: Any,
) -> AsyncIterator[Place]:
    """The engine behind a server of its own, by either adapter; `over` may put something around
    its protocol, and the edge in front of it has these options."""
    port = free_port()
    polls = engine.edge = edge(Polls(engine), **options)
    ours = type("Ours", (WebSocket,), {"engine": engine, "__slots__": ()})
    config = uvicorn.Config(
        Sockets(nothing, engine, polls),
        port=port,
        ws=over(ours if adapter == "ours" else WSProtocol),
        http=BoundedProtocol,
        lifespan="off",
        log_level="critical",
        ws_ping_interval=None,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False
        ) as client:
            place = Place(port, engine, client, server)
            try:
                yield place
            finally:
                await place.leave()
    finally:
        engine.close()
        server.should_exit = True
        await running
