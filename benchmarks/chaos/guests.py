"""Who comes besides the crowd, and is too many, or does what no app does.

`python -m benchmarks.chaos.guests WHAT` is told by a line on standard input where to, and goes on
until that ends.
"""

import asyncio
import itertools
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, cast

import asyncpg
import msgspec
import uvloop
from msgspec import Struct

from benchmarks.api.crowd import allow_many
from benchmarks.chaos.place import PICTURES, PRIMARY, Place
from benchmarks.realtime.crowd import masked
from domain.model import Role
from infra.local.ports import LOOPBACK

# More than two processes serve at once (COMANDA_MOST_IN_FLIGHT).
_ASKERS: Final = 2_500
_PAINTINGS_A_SECOND: Final = 40
# Of 200, of which everybody else has up to sixty.
_CONNECTIONS: Final = 130
# Of 20,000 that a process takes, 85 %, and some; of these a client may have 5,000.
_SOCKETS: Final = 17_400
_OF_A_CLIENT: Final = 4_000
_AT_ONCE: Final = 200
WATCHED: Final = 10**18
"""A dish that nobody has."""
_SLEEPY_BYTES: Final = 4096
_SLEEPERS_A_SECOND: Final = 4
_HELLO: Final = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Forwarded-For: {}\r\n\r\n"
)


class Where(Struct, frozen=True):
    """What a guest has to know: the application's port, people's tokens, and the primary."""

    port: int
    tokens: list[str]
    database_url: str


class Guests:
    """Those that do one thing, in a process of their own."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._process: subprocess.Popen[bytes] | None = None

    def come(self, place: Place) -> None:
        """Begin with it."""
        tokens = [place.bearer(each, Role.CUSTOMER) for each in place.spare]
        where = Where(place.application.port, tokens, place.nodes[PRIMARY])
        command = [sys.executable, "-m", "benchmarks.chaos.guests", self._what]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(where) + b"\n")
        self._process.stdin.flush()

    def leave(self, _: Place) -> None:
        """All of them are gone."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class _Asker(asyncio.Protocol):
    """Asks once more whenever something comes."""

    def __init__(self, question: bytes) -> None:
        self._question = question
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._question)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        self._transport.write(self._question)


async def _ask(where: Where) -> None:
    """More questions at once than anybody answers."""
    question = (
        "GET /api/orders?limit=50 HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {where.tokens[0]}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    for _ in range(_ASKERS // _AT_ONCE):
        coming = (
            loop.create_connection(lambda: _Asker(question), LOOPBACK, where.port)
            for _ in range(_AT_ONCE)
        )
        await asyncio.gather(*coming, return_exceptions=True)


async def _look(where: Where) -> None:
    """For many pictures that nobody has seen yet."""
    looking = set()
    for path in itertools.cycle(PICTURES):
        looking.add(asyncio.create_task(_see(where.port, f"{path}&fm=jpeg")))
        looking = {each for each in looking if not each.done()}
        await asyncio.sleep(1 / _PAINTINGS_A_SECOND)


async def _see(port: int, path: str) -> None:
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        await reader.read()
        writer.close()
    except OSError:
        pass  # who is refused looks at the next one


async def _connect(where: Where) -> None:
    """To PostgreSQL, and ask nothing."""
    for _ in range(_CONNECTIONS):
        _KEPT.append(await asyncpg.connect(where.database_url))


async def _sit(where: Where) -> None:
    """Open sockets, and say nothing."""
    for number in range(0, _SOCKETS, _AT_ONCE):
        coming = (_seat(where.port, number // _OF_A_CLIENT) for _ in range(_AT_ONCE))
        await asyncio.gather(*coming, return_exceptions=True)


async def _seat(port: int, client: int) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=_SLEEPY_BYTES)
    _KEPT.append(writer)
    writer.write(_HELLO.format(f"10.9.0.{client + 1}").encode())
    await reader.readuntil(b"\r\n\r\n")


async def _sleep(where: Where) -> None:
    """Watch a dish, and read nothing that is told of it."""
    for token in itertools.cycle(where.tokens):
        _KEPT.append(asyncio.create_task(_fall_asleep(where.port, token)))
        await asyncio.sleep(1 / _SLEEPERS_A_SECOND)


async def _fall_asleep(port: int, token: str) -> None:
    sleeper, loop = socket.socket(), asyncio.get_running_loop()
    _KEPT.append(sleeper)
    sleeper.setblocking(False)
    # Little is to lie between here and there.
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLEEPY_BYTES)
    credentials = f'40/orders,{{"token":"{token.removeprefix("Bearer ")}"}}'
    wish = f'42/orders,1["cache:subscribe",{{"tags":["product-{WATCHED}"]}}]'
    with suppress(OSError):
        await loop.sock_connect(sleeper, (LOOPBACK, port))
        for said, answer in (
            (_HELLO.format(LOOPBACK).encode(), b'"sid"'),
            (masked(credentials.encode()), b"40/orders,"),
            (masked(wish.encode()), b"43/orders,1"),
        ):
            await loop.sock_sendall(sleeper, said)
            heard = b""
            while answer not in heard:
                more = await loop.sock_recv(sleeper, 1024)
                if not more:
                    return  # it is not let in
                heard += more


# What is forgotten is closed.
_KEPT: Final[list[object]] = []
_DO: Final[dict[str, Callable[[Where], Awaitable[None]]]] = {
    "ask": _ask,
    "look": _look,
    "connect": _connect,
    "sit": _sit,
    "sleep": _sleep,
}


async def main(what: str) -> None:
    """Until the input ends, or it cannot be done."""
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    where = msgspec.json.decode(await lines.readline(), type=Where)
    doing, over = asyncio.ensure_future(_DO[what](where)), asyncio.create_task(lines.read())
    await asyncio.wait({doing, over}, return_when=asyncio.FIRST_COMPLETED)
    if doing.done():
        doing.result()
        await over


if __name__ == "__main__":
    allow_many()
    uvloop.run(main(sys.argv[1]))
