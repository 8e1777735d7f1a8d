"""Our engine, bus and rooms, without what only orders need: rooms that are joined by an event."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import uvicorn
import uvloop
from litestar.types import Receive, Scope, Send

from bff.edge.protocol import BoundedProtocol
from bff.realtime.asgi import Sockets
from bff.realtime.bus import Bus, Heard, Notice
from bff.realtime.engine import Engine
from bff.realtime.figures import Figures
from bff.realtime.orders import NAME, message_of
from bff.realtime.rooms import Rooms, deliver
from bff.realtime.sockets import Socket, SocketServer
from bff.realtime.websocket import WebSocket
from domain.redis import Nodes

_encode: Final = msgspec.json.Encoder().encode


class Open:
    """Whoever comes may join any room."""

    def __init__(self) -> None:
        self.rooms = Rooms()

    async def connect(self, socket: Socket, auth: dict[str, Any]) -> None:
        pass

    async def event(self, socket: Socket, _: str, arguments: list[Any]) -> Any:
        self.rooms.join(socket, arguments[0])
        return {"status": "subscribed"}

    def left(self, socket: Socket, reason: str) -> None:
        pass

    def heard(self, batch: Sequence[Heard]) -> None:
        """As the namespace of orders does."""
        deliver(
            [
                (members, message_of(heard))
                for heard in batch
                if (members := self.rooms.members(heard.notice.rooms))
            ]
        )


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """No pages."""


async def main() -> None:
    """Serve, and tell rooms what standard input says."""
    nodes = Nodes(os.environ["REDIS_URL"])
    bus, names = Bus(nodes), Open()
    bus.listeners.append(names.heard)
    server = SocketServer({NAME: names}, Figures())
    engine = Engine(server.speak, Figures())
    WebSocket.engine = engine
    config = uvicorn.Config(
        Sockets(nothing, engine),
        port=int(os.environ["PORT"]),
        ws=WebSocket,
        http=BoundedProtocol,
        lifespan="off",
        log_level="warning",
    )
    running = uvicorn.Server(config)
    serving = asyncio.create_task(running.serve())
    nodes.start()
    bus.start()
    while not (running.started and await nodes.answer()):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await _obey(bus)
    running.should_exit = True
    engine.close()
    await serving
    await bus.close()
    await nodes.close()


async def _obey(bus: Bus) -> None:
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    pending: set[asyncio.Task[None]] = set()
    async for line in reader:
        asked = msgspec.json.decode(line)
        # What has gathered goes together, as the feed of the outbox has it.
        task = asyncio.create_task(bus.publish([_notice(room, asked) for room in asked["rooms"]]))
        pending.add(task)
        task.add_done_callback(pending.discard)
    await asyncio.gather(*pending)


def _notice(room: str, asked: Any) -> Notice:
    told = {**asked["body"], "t": time.monotonic_ns() // 1000}
    return Notice((room,), _encode(["order:updated", told]), time.time(), 1)


if __name__ == "__main__":
    uvloop.run(main())
