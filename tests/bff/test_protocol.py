"""What the server takes of a connection before, and after, there is a request to serve."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import msgspec
import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from bff.app import MOST_BODY_BYTES, create_app
from bff.edge import kinds
from bff.edge.kinds import Kind
from bff.edge.protocol import (
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    MOST_TARGET_BYTES,
    BoundedProtocol,
)
from bff.settings import Settings
from tests.serving import free_port, running, until_healthy

Application = Callable[..., Awaitable[None]]
Connection = tuple[StreamReader, StreamWriter]
HOST = b"Host: comanda.test\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
CHUNKED = b"POST /read HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


class Hasty(BoundedProtocol):
    """The protocol with no patience, for tests that wait for its end."""

    head_seconds = 0.05
    drain_seconds = 0.05
    stall_seconds = 0.05


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application: `/read` reads the body before it answers, others do not."""
    if scope["path"] == "/read":
        while (message := await receive())["type"] != "http.disconnect":
            if not message["more_body"]:
                break
        else:
            return
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"OK"})


@asynccontextmanager
async def listening(
    application: Application = answer,
    protocol: type[BoundedProtocol] = BoundedProtocol,
    **options: Any,
) -> AsyncIterator[int]:
    """The port where the protocol serves an application."""
    config = Config(cast("Any", application), lifespan="off", http=protocol, **options)
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    # As uvicorn does each second.
    state.default_headers = [(b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")]
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for connection in state.connections:
        cast("BoundedProtocol", connection).transport.abort()
    # They are gone when their turn of the loop is over.
    await asyncio.sleep(0)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection, which ends with the test of it if not before."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(port: int, *sent: bytes) -> bytes:
    """All that the server says to what is sent, until it ends the connection."""
    async with connected(port) as (reader, writer):
        for part in sent:
            writer.write(part)
            await writer.drain()
        return await reader.read()


async def response(reader: StreamReader) -> bytes:
    """One response whose length is told."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if b"content-length:" in line)
    return head + await reader.readexactly(int(length.split(b":")[1]))


def is_problem(answered: bytes, kind: Kind) -> bool:
    """Whether the whole of what was answered is one such problem."""
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % kind.status), answered[:200]
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    told = msgspec.json.decode(body)
    return (told["type"], told["status"]) == (kind.type, kind.status)


HEADS = {
    "one endless value": b"X: " + b"x" * 2_000_000,
    "one endless name": b"x" * 2_000_000,
    "one long value": b"X: " + b"x" * MOST_HEAD_BYTES + b"\r\n\r\n",
    "values that are long together": (b"X: " + b"x" * 1_000 + b"\r\n") * 33 + b"\r\n",
    "too many": b"X: 1\r\n" * MOST_HEADERS + b"\r\n",
}


@pytest.mark.parametrize("headers", HEADS.values(), ids=HEADS.keys())
async def test_headers_beyond_the_bounds_are_refused(headers: bytes) -> None:
    async with listening() as port:
        answered = await exchange(port, GET + headers)
        assert is_problem(answered, kinds.HEAD_TOO_LARGE)


async def test_headers_within_the_bounds_are_served() -> None:
    padding = b"X: 1\r\n" * (MOST_HEADERS - 2)
    rest = MOST_HEAD_BYTES - len(HOST) - len(padding) - MOST_TARGET_BYTES - 100
    head = b"GET /%b HTTP/1.1\r\n" % (b"a" * (MOST_TARGET_BYTES - 1))
    head += HOST + padding + b"Y: " + b"y" * rest + b"\r\n\r\n"
    async with listening() as port, connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(head)
            assert (await response(reader)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("end", [b"", b" HTTP/1.1\r\n" + HOST + b"\r\n"])
async def test_an_address_beyond_the_bound_is_refused(end: bytes) -> None:
    target = b"/" + b"a" * MOST_TARGET_BYTES
    async with listening() as port:
        answered = await exchange(port, b"GET " + target + end)
        assert is_problem(answered, kinds.TARGET_TOO_LONG)


async def test_a_head_may_come_in_pieces_of_any_size() -> None:
    async with listening() as port, connected(port) as (reader, writer):
        for octet in GET + b"Y: 1\r\n\r\n":
            writer.write(bytes([octet]))
            await writer.drain()
        assert (await response(reader)).endswith(b"OK")


async def test_what_is_no_http_is_told_so() -> None:
    async with listening() as port:
        assert is_problem(await exchange(port, b"EHLO mail\r\n\r\n"), kinds.INVALID_REQUEST)


@pytest.mark.parametrize(
    "endless",
    [b"0\r\nX: " + b"x" * 2_000_000, b"2;" + b"x" * 2_000_000, b"0\r\n" + b"X: 1\r\n" * 200],
    ids=["trailer", "chunk extension", "trailers"],
)
async def test_what_surrounds_a_body_is_bounded_too(endless: bytes) -> None:
    async with listening() as port:
        answered = await exchange(port, CHUNKED, endless)
        assert is_problem(answered, kinds.HEAD_TOO_LARGE)


async def test_empty_lines_are_no_way_to_go_on_for_ever() -> None:
    async with listening() as port:
        answered = await exchange(port, b"\r\n" * MOST_HEAD_BYTES)
        assert is_problem(answered, kinds.HEAD_TOO_LARGE)


@pytest.mark.parametrize("sent", [b"G", GET, GET + b"X: "])
@pytest.mark.parametrize("served_before", [False, True])
async def test_a_head_that_does_not_arrive_is_not_waited_for(
    sent: bytes, served_before: bool
) -> None:
    async with listening(protocol=Hasty) as port, connected(port) as (reader, writer):
        if served_before:
            writer.write(GET + b"\r\n")
            await response(reader)
        writer.write(sent)
        assert is_problem(await reader.read(), kinds.TOO_SLOW)


async def test_a_body_may_take_longer_than_its_head() -> None:
    async with listening(protocol=Hasty) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED)
        # A later connection's time is over, so this one's would be.
        await exchange(port, b"")
        writer.write(b"0\r\n\r\n")
        assert (await response(reader)).startswith(b"HTTP/1.1 200")


class Pressing(BoundedProtocol):
    """The protocol that looks every moment whether a body has gone on, by one byte at least."""

    body_seconds = 0.02
    body_bytes = 1
    looks = 0

    def _look_at_pace(self, needed: int) -> None:
        type(self).looks += 1
        super()._look_at_pace(needed)


async def looked(at_least: int) -> None:
    """Returns when it has looked so often since."""
    before = Pressing.looks
    while Pressing.looks < before + at_least:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_body_that_goes_on_may_take_as_long_as_it_needs() -> None:
    async with listening(protocol=Pressing) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED)
        waiting = asyncio.create_task(looked(3))
        while not waiting.done():
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        assert (await response(reader)).startswith(b"HTTP/1.1 200")


async def test_a_body_that_we_let_wait_is_not_slow() -> None:
    may_read = asyncio.Event()

    async def read_late(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await may_read.wait()
        await answer(scope, receive, send)

    async with listening(read_late, Pressing) as port, connected(port) as (reader, writer):
        # More than is read of what nobody takes.
        writer.write(b"POST /read HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n")
        writer.write(b"x" * 1_000_000)
        await looked(5)
        may_read.set()
        assert (await response(reader)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"1\r\nx\r\n"], ids=["nothing of it", "the beginning"])
async def test_who_stops_in_the_middle_of_a_body_is_told_and_so_is_who_reads_it(
    sent: bytes,
) -> None:
    told = asyncio.Event()
    async with listening(until_gone(told), Pressing) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED + sent)
        assert is_problem(await reader.read(), kinds.TOO_SLOW)
        await told.wait()


def until_gone(told: asyncio.Event) -> Application:
    """An application that reads until the client is gone, and then says so."""

    async def wait(_: dict[str, Any], receive: Any, __: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        told.set()

    return wait


async def test_who_waits_for_the_body_of_a_refused_request_is_told() -> None:
    told = asyncio.Event()
    async with listening(until_gone(told)) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED + b"no size\r\n")
        assert is_problem(await reader.read(), kinds.INVALID_REQUEST)
        await told.wait()


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_who_asks_nothing_is_not_kept(sent: bytes) -> None:
    async with listening(protocol=Hasty) as port:
        assert await exchange(port, sent) == b""


@pytest.mark.parametrize("protocol", [BoundedProtocol, Hasty])
async def test_a_refusal_does_not_run_into_the_answer_before_it(
    protocol: type[BoundedProtocol],
) -> None:
    began, asked = asyncio.Event(), asyncio.Event()

    async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        began.set()
        await asked.wait()
        await answer(scope, receive, send)

    async with listening(slow, protocol) as port, connected(port) as (reader, writer):
        writer.write(GET + b"\r\n")
        await began.wait()
        writer.write(GET + b"X: " + b"x" * 500_000)
        await writer.drain()
        # Another connection's time is over, so this one's is.
        async with listening(protocol=Hasty) as other:
            await exchange(other, b"")
        asked.set()
        answered = await reader.read()
    assert answered.startswith(b"HTTP/1.1 200")
    assert answered.endswith(b"\r\n\r\nOK")


async def test_a_body_that_was_answered_unread_does_not_spoil_the_connection() -> None:
    post = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 300000\r\n\r\n"
    async with listening() as port, connected(port) as (reader, writer):
        writer.write(post)
        assert (await response(reader)).startswith(b"HTTP/1.1 200")
        writer.write(b"x" * 300_000 + GET + b"\r\n")
        assert (await response(reader)).startswith(b"HTTP/1.1 200")


async def test_a_body_that_was_answered_unread_is_not_taken_for_ever() -> None:
    async with listening(protocol=Hasty) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED.replace(b"/read", b"/"))
        await response(reader)
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"4\r\nmore\r\n")
                await writer.drain()
                await asyncio.sleep(0)


class Sockets(asyncio.Protocol):
    """Stands where a WebSocket library would: says hello, then what it is told."""

    def __init__(self, **_: Any) -> None:
        pass

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"hello" if data.startswith(b"GET /socket ") else data)


async def test_a_websocket_takes_the_connection_over_and_is_not_cut() -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with (
        listening(protocol=Hasty, ws=Sockets) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(GET.replace(b"/ ", b"/socket ", 1) + upgrade)
        assert await reader.readexactly(5) == b"hello"
        # A later connection's time is over, so this one's would be.
        await exchange(port, b"")
        writer.write(b"x" * 100_000)
        assert await reader.readexactly(100_000) == b"x" * 100_000


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_refused_and_the_connection_goes_on(
    settings: Settings, chunked: bool
) -> None:
    body = b'{"email": "' + b"x" * MOST_BODY_BYTES + b'"}'
    head = b"POST /auth/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    if chunked:
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        sent = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    application = create_app(settings)
    async with (
        application.lifespan(),
        listening(cast("Application", application)) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(sent)
        refused = await response(reader)
        assert refused.startswith(b"HTTP/1.1 413 ")
        assert kinds.BODY_TOO_LARGE.type.encode() in refused
        writer.write(GET.replace(b"/ ", b"/health ", 1) + b"\r\n")
        assert (await response(reader)).startswith(b"HTTP/1.1 200")


async def test_every_worker_of_the_command_line_keeps_the_bounds(settings: Settings) -> None:
    port = free_port()
    with running(settings, [port], workers=2) as (url,):
        await until_healthy(url)
        for _ in range(8):
            answered = await exchange(port, GET + b"X: " + b"x" * MOST_HEAD_BYTES + b"\r\n\r\n")
            assert is_problem(answered, kinds.HEAD_TOO_LARGE)


LARGE = b"x" * 40_000_000


async def send_large(_: dict[str, Any], __: Any, send: Any) -> None:
    """An application: more than a connection's buffers hold."""
    headers = [(b"content-length", str(len(LARGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": LARGE})


async def test_who_does_not_take_the_answer_is_left() -> None:
    left = asyncio.Event()

    class Watched(Hasty):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            left.set()

    async with listening(send_large, Watched) as port, connected(port) as (_, writer):
        writer.write(GET + b"\r\n")
        # Nobody reads: the reader's own buffer is full, and so are those of both sides' kernels.
        await left.wait()


class Patient(BoundedProtocol):
    """The protocol with less patience than its reader needs in all."""

    stall_seconds = 0.3


async def test_who_takes_it_slowly_is_served() -> None:
    async with listening(send_large, Patient) as port, connected(port) as (reader, writer):
        writer.write(GET + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        began, left = time.monotonic(), len(LARGE)
        while left:
            part = await reader.readexactly(min(left, 500_000))
            left -= len(part)
            await asyncio.sleep(0.01)
        assert time.monotonic() - began > Patient.stall_seconds
